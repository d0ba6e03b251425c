"""A real server for tests, in a process of its own, for as long as a `with` block lasts.

    with serve(app) as server:
        assert httpx.get(server.url).text == "hello"

This module stands above `heeler.arbiter`: nothing else of Heeler's imports it.
"""

import contextlib
import select
import signal
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

from heeler.arbiter import programmatic
from heeler.arbiter.config.program import Program
from heeler.arbiter.forked import Forked
from heeler.plugins.errors import BootError, HeelerError, StopError
from heeler.plugins.exit_status import ExitStatus
from heeler.workers.address import Address

__all__ = ["Server", "serve"]

_DEFAULTS: Final = {"bind": "127.0.0.1:0", "graceful_timeout": 5}
_MARGIN_S: Final = 5.0
"""How much later than by its own deadlines the server is given up."""


def serve(app: str | Callable[..., object] | None, /, **settings: object) -> "Server":
    """Return a server of `app` for a `with` or an `async with` block: it is ready in it, and gone after it.

    Args:
        app: the application object (a closure, what a fixture made), or its name (`"module:attribute"`).
        settings: by their names: `workers=2, worker_class="thread"`. By default the system chooses the port of
            127.0.0.1, and `graceful_timeout` is 5. Nothing else is read: no config file, and no variable.
    """
    return Server(app, settings)


class Server:
    """A server that was forked from this process.

    Entering raises a `BootError` where the application does not boot, and another `HeelerError` where a
    setting is wrong or an address is taken. Leaving raises a `StopError` where it did not stop cleanly: some
    request was cut, or it had to be killed; unless the block itself has failed, which is then told of it.
    """

    def __init__(self, app: object, settings: dict[str, object]) -> None:
        self._program: Final = Program("heeler.testing.serve()", app, {**_DEFAULTS, **settings}, of_platform=False)
        self._forked: Forked
        self._log: str | None = None
        self._boot_s: float | None
        self._stop_s: float
        self.addresses: tuple[str, ...] = ()
        """Where it listens: `127.0.0.1:40123`, `unix:/tmp/app.sock`."""

    # -- looks

    @property
    def address(self) -> tuple[str, int]:
        """The first TCP address as (host, port)."""
        for address in map(Address.parse, self.addresses):
            if address.kind == "tcp":
                return address.host, address.port
        raise ValueError(f"no TCP address among {', '.join(self.addresses) or 'none'}")

    @property
    def host(self) -> str:
        """The host of the first TCP address."""
        return self.address[0]

    @property
    def port(self) -> int:
        """The port of the first TCP address."""
        return self.address[1]

    @property
    def url(self) -> str:
        """The first TCP address as a URL without a path: `http://127.0.0.1:40123`."""
        return Address.of_tcp(*self.address).url

    @property
    def pid(self) -> int:
        """The arbiter's process id, for signals."""
        return self._forked.pid

    @property
    def log(self) -> str:
        """What the server, and the application in it, have written to stderr and stdout until now."""
        return self._forked.read_log() if self._log is None else self._log

    # -- life

    def __enter__(self) -> Self:
        self._start()
        with self._killed_on_error():
            is_told = _wait(self._forked, self._boot_s)
            self._hear(is_told=is_told)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._forked.stop()
        with self._killed_on_error():
            is_over = _wait(self._forked, self._stop_s)
        self._end(error, is_over=is_over)

    async def __aenter__(self) -> Self:
        self._start()
        with self._killed_on_error():
            is_told = await _wait_in_loop(self._forked, self._boot_s)
            self._hear(is_told=is_told)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._forked.stop()
        with self._killed_on_error():
            is_over = await _wait_in_loop(self._forked, self._stop_s)
        self._end(error, is_over=is_over)

    def _start(self) -> None:
        with programmatic.module_path_given_back():
            loaded = programmatic.load(self._program)
            self._boot_s = float(loaded.config.boot_timeout) + _MARGIN_S if loaded.config.boot_timeout else None
            self._stop_s = float(loaded.config.graceful_timeout) + _MARGIN_S
            self._log = None
            self._forked = Forked.start(loaded)

    def _hear(self, *, is_told: bool) -> None:
        """Take in how the start went."""
        if not is_told:
            raise BootError(None, ExitStatus.BOOT, f"the server was not ready after {self._boot_s} s")
        try:
            self.addresses = self._forked.hear()
        except EOFError:
            status = self._bury()
            raise BootError(None, ExitStatus.BOOT, f"the server {_how(status)} before it was ready") from None
        except HeelerError:
            _wait(self._forked, self._stop_s)  # what it has made in the file system is gone by then
            raise

    @contextlib.contextmanager
    def _killed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._bury()
            if self._log:
                error.add_note(f"--- log of the server:\n{self._log}")
            raise

    def _end(self, error: BaseException | None, *, is_over: bool) -> None:
        """Bury it; say what was wrong with its end."""
        status = self._bury()
        if not is_over:
            reason = f"it still ran {self._stop_s:g} s after TERM, and was killed"
        elif status == ExitStatus.FORCED:
            reason = "a request was cut when `graceful_timeout` was over"
        elif status:
            reason = f"it {_how(status)}"
        else:
            return
        if error is None:
            raise StopError(status, reason)
        error.add_note(f"the server did not stop cleanly: {reason}")

    def _bury(self) -> int:
        """Kill what is left of it, and hand its log over to whoever captures this process's stderr."""
        if self._log is not None:
            return 0
        status, self._log = self._forked.bury()
        sys.stderr.write(self._log)
        return status


def _how(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _wait(forked: Forked, timeout_s: float | None) -> bool:
    """Wait until the link is readable; False where the time is over."""
    poll = select.poll()
    poll.register(forked.link, select.POLLIN)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))


async def _wait_in_loop(forked: Forked, timeout_s: float | None) -> bool:
    """Do the same while the event loop goes on; one that is not asyncio's stands still."""
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _wait(forked, timeout_s)
    readable = asyncio.Event()
    loop.add_reader(forked.link, readable.set)
    try:
        async with asyncio.timeout(timeout_s):
            await readable.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(forked.link)
    return True
