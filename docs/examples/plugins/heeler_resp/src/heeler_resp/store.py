"""A store in memory: an application for the worker class `resp`.

heeler -k resp heeler_resp.store

Each worker has a store of its own, so more than one are of no use.
"""

from collections.abc import Callable

from heeler_resp.protocol import CommandError, Reply


class Store:
    """Keeps values by key. It is called with the words of a command, and returns what the client is told."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._commands: dict[bytes, Callable[..., Reply]] = {
            b"SET": self._set,
            b"GET": self._get,
            b"DEL": lambda *keys: sum(self._values.pop(key, None) is not None for key in keys),
            b"MGET": lambda *keys: [self._values.get(key) for key in keys],
            b"INCR": lambda key: self._increase(key, b"1"),
            b"INCRBY": self._increase,
        }

    def __call__(self, name: bytes, *arguments: bytes) -> Reply:
        """Obey a command.

        Raises:
            CommandError: it is none, or is not called so.
        """
        command = self._commands.get(name.upper())
        if command is None:
            raise CommandError(f"unknown command {name!r}")
        try:
            return command(*arguments)
        except TypeError:
            raise CommandError(f"wrong number of arguments for {name!r}") from None

    def _get(self, key: bytes) -> Reply:
        return self._values.get(key)

    def _set(self, key: bytes, value: bytes) -> Reply:
        self._values[key] = value
        return "OK"

    def _increase(self, key: bytes, by: bytes) -> Reply:
        try:
            number = int(self._values.get(key, b"0")) + int(by)
        except ValueError:
            raise CommandError("value is not an integer") from None
        self._values[key] = b"%d" % number
        return number


app = Store()
