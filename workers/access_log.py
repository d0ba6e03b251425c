"""The access log: one line for each request.

Decides where entries go: to a descriptor of our own, or to the logger `heeler.access` where a
log configuration gave it handlers. Must not know how an entry becomes a line (`access_format`).
"""

import logging
from typing import Any, Protocol

from heeler.workers.access_entry import AccessEntry, AccessRequest
from heeler.workers.access_format import ATOMS, NAMED, Compiled, compile_template
from heeler.workers.log_file import LogFile
from heeler.workers.log_handler import deliver

__all__ = ["AccessEntry", "AccessLog", "AccessLogger", "AccessRequest", "AccessWriter"]


class AccessWriter(Protocol):
    """Whatever takes the access log's entries."""

    def write(self, entry: AccessEntry, /) -> None:
        """Take one finished request; never raises."""
        ...

    def reopen(self) -> None:
        """Open the file again, if there is one; raises OSError when that fails."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def compiled(template: str) -> Compiled:
    """Return the function that makes a line of an entry; `json` is the one for machines.

    Raises:
        TemplateError: the template is wrong.
    """
    if template == "json":
        from heeler.workers import access_json  # json is rarely asked for

        return access_json.compile_json()
    return compile_template(template)


class AccessLog:
    """Writes entries to a descriptor; a line that cannot be written is dropped and counted.

    Args:
        template: Gunicorn's atoms, or `combined`, `common`, `json`.
        fd: an append-mode descriptor, or a log file.

    Raises:
        TemplateError: the template is wrong.
    """

    __slots__ = ("file", "_line")

    def __init__(self, template: str, fd: int | LogFile) -> None:
        self.file = fd if isinstance(fd, LogFile) else LogFile(fd)
        self._line = compiled(template)

    def write(self, entry: AccessEntry, /) -> None:
        """Write one line."""
        self.file.write((self._line(entry) + "\n").encode("utf-8", "backslashreplace"))

    def reopen(self) -> None:
        """Open the file again; raises OSError when that fails."""
        self.file.reopen()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class Atoms(dict[str, Any]):  # Any: numbers and texts
    """The atoms of one entry by name, escaped; `{name}i` and its like are worked out when asked for."""

    def __init__(self, values: dict[str, Any], entry: AccessEntry, made: dict[str, Compiled]) -> None:
        super().__init__(values)
        self._entry = entry
        self._made = made

    def __missing__(self, name: str) -> str:
        if name not in self._made:
            self._made[name] = compile_template(f"%({name})s")
        return self._made[name](self._entry)


class AccessLogger:
    """Gives entries to the logger `heeler.access`, for handlers of a log configuration.

    A record's message is the line; its `args` are the atoms by name, as with Gunicorn.
    """

    def __init__(self, template: str, logger: logging.Logger) -> None:
        self.logger = logger
        self._line = compiled(template)  # checks the template too
        self._template = None if template == "json" else NAMED.get(template, template)
        self._made: dict[str, Compiled] = {name: compile_template(f"%({name})s") for name in ATOMS}

    def write(self, entry: AccessEntry, /) -> None:
        """Give one entry to the logger's handlers."""
        logger = self.logger
        if logger.getEffectiveLevel() > logging.INFO:
            return
        record = logger.makeRecord(logger.name, logging.INFO, __file__, 0, self._line(entry), (), None)
        if self._template is not None:
            record.msg, record.args = self._template, self._atoms(entry)
        deliver(logger, record)

    def reopen(self) -> None:
        """Leave it to the logs, which know all handlers."""

    def close(self) -> None:
        """Leave the handlers to the log configuration."""

    def _atoms(self, entry: AccessEntry) -> Atoms:
        values: dict[str, Any] = {name: make(entry) for name, make in self._made.items() if "{" not in name}
        values.update(s=entry.status, B=entry.sent, b=entry.sent)
        values.update({name: int(values[name]) for name in "TMD"})
        return Atoms(values, entry, self._made)
