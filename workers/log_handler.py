"""How a record reaches its handlers, and the handler that writes it to a log file.

Decides that no fault of a log ever reaches the server. Must not know what is logged.
"""

import logging
from collections.abc import Iterable

from typing_extensions import override

from heeler.workers.log_file import LogFile
from heeler.workers.log_format import LineFormatter


def deliver(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Give `record` to the logger's handlers, whether the logger is `disabled` or not; never raises."""
    try:
        # Since Python 3.12 a filter may give another record; before, True or False.
        verdict: object = logger.filter(record)
        if verdict:
            logger.callHandlers(verdict if isinstance(verdict, logging.LogRecord) else record)
    except Exception:  # handlers and filters may be a third party's: a log line never breaks the server
        return


class FileHandler(logging.Handler):
    """Writes each record as one line to a `LogFile`.

    It takes no lock: a line is one write(2) in append mode. So a signal handler may log,
    and a fork never inherits a lock that is held.
    """

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self.file = file
        self.setFormatter(LineFormatter())
        self._said = 0

    @override
    def createLock(self) -> None:
        """Make no lock."""
        self.lock = None

    @override
    def handle(self, record: logging.LogRecord) -> bool:
        """Write `record`, unless a filter refuses it or it is an access log's."""
        if record.name == "heeler.access":
            return False
        verdict: object = self.filter(record)
        if verdict:
            self.emit(verdict if isinstance(verdict, logging.LogRecord) else record)
        return bool(verdict)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`; one that cannot be written is dropped and counted.

        The first line that goes through again is followed by one that says how many were lost.
        """
        file = self.file
        before = file.dropped
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
        except Exception:  # arguments that do not fit the text, an object whose str() raises
            file.dropped += 1
            return
        file.write(line)
        if file.dropped == before and before > self._said:
            lost, self._said = before - self._said, before
            self.emit(logging.LogRecord(record.name, logging.WARNING, "", 0, f"log lines lost count={lost}", (), None))

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Count the record as dropped; print nothing."""
        self.file.dropped += 1


def reopen_handlers(names: Iterable[str]) -> None:
    """Open the files of the logging package's own file handlers again, at these loggers and the root.

    Raises:
        OSError: a file cannot be opened; its handler keeps the old one.
    """
    for logger in (logging.root, *map(logging.getLogger, names)):
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                _reopen(handler)


def _reopen(handler: logging.FileHandler) -> None:
    handler.acquire()
    try:
        old = handler.stream
        if old is not None:  # else it opens the file with the first record
            handler.stream = handler._open()  # noqa: SLF001  # there is no public way
            old.close()
    finally:
        handler.release()
