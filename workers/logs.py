"""The logs of one Heeler: made in the arbiter before any fork, and inherited by every child.

Decides which loggers there are, where they lead, and what happens when they are reopened.
Must not know how a line is written (`log_format`, `access_format`) or how a log
configuration file is read (`log_config`).
"""

import logging
import sys
from typing import Final, Protocol

from typing_extensions import override

from heeler.plugins.config import Config
from heeler.plugins.errors import ConfigError
from heeler.workers import log_format
from heeler.workers.access_log import AccessEntry
from heeler.workers.log_file import LogFile, hold_standard_streams, owner_of

NAMES: Final = ("heeler", "heeler.arbiter", "heeler.worker", "heeler.error", "heeler.access")
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


def event(
    logger: logging.Logger,
    level: int,
    phrase: str,
    /,
    *,
    exc_info: BaseException | None = None,
    block: str = "",
    **fields: object,
) -> None:
    """Log `phrase key=value key=value`; costs next to nothing when `level` is off.

    The logger's `disabled` flag is passed over: `logging.config.dictConfig` in an application sets it
    on every logger it does not name, and the server would fall silent.

    Args:
        logger: `logs.arbiter`, `logs.worker` or `logs.error`.
        level: `logging.INFO` and so on.
        phrase: fixed text; lifecycle phrases are interface.
        exc_info: an exception whose traceback follows, indented, on lines of its own.
        block: text of several lines that follows in the same way.
        fields: the values; they are escaped and quoted as needed.
    """
    if level < logger.getEffectiveLevel():
        return
    raised = (type(exc_info), exc_info, exc_info.__traceback__) if exc_info is not None else None
    record = logger.makeRecord(logger.name, level, __file__, 0, log_format.message(phrase, fields), (), raised)
    record.phrase = phrase
    record.fields = fields
    record.block = block
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
        self.setFormatter(log_format.LineFormatter())
        self._reported = 0

    @override
    def createLock(self) -> None:
        """Make no lock."""
        self.lock = None

    @override
    def handle(self, record: logging.LogRecord) -> bool:
        """Write `record`, unless a filter refuses it."""
        verdict: object = self.filter(record)
        if verdict:
            self.emit(verdict if isinstance(verdict, logging.LogRecord) else record)
        return bool(verdict)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`; a record that cannot be formatted is counted as dropped."""
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
        except Exception:  # arguments that do not fit the text, an object whose str() raises
            self.file.dropped += 1
            return
        self.file.write(line)

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Count the record as dropped; print nothing."""
        self.file.dropped += 1


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


class Logs:
    """Where Heeler's words go; also the base class of third-party `logger_class` plugins.

    A plugin overrides `setup` (to add handlers), `make_handler` (where the error log goes),
    `make_access` (what is done with each request) or `reopen`.

    Attributes:
        arbiter: the logger `heeler.arbiter`: supervision.
        worker: the logger `heeler.worker`: a worker's life.
        error: the logger `heeler.error`: faults while serving; `worker.log` of the hooks.
        access: takes an entry for each request, or None when there is no access log.

    Process: made in the arbiter, used in every child.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.arbiter = logging.getLogger("heeler.arbiter")
        self.worker = logging.getLogger("heeler.worker")
        self.error = logging.getLogger("heeler.error")
        self.access: AccessWriter | None = None
        self._error_file: LogFile | None = None
        self._captures = False

    @classmethod
    def setup(cls, config: Config) -> "Logs":
        """Open the logs that `config` names.

        Nothing is changed when it fails, so a reload may call it and keep the old ones. After a
        reload that went well, `close` the old ones.

        Raises:
            ConfigError: a file cannot be opened, or a log setting is wrong.
        """
        hold_standard_streams()
        logs = cls(config)
        level = _level(config)
        handler = logs.make_handler()
        logs.access = logs.make_access()
        _install(handler, level)
        logs._capture()
        return logs

    def make_handler(self) -> logging.Handler:
        """Return the handler of the error log: `errorlog`, where `-` is stderr."""
        self._error_file = _open(self.config, "errorlog", "-", 2)
        return FileHandler(self._error_file)

    def make_access(self) -> AccessWriter | None:
        """Return what takes the access log's entries: `accesslog`, where `-` is stdout."""
        if not getattr(self.config, "accesslog", None):
            return None
        return None

    def reopen(self) -> None:
        """Open the log files again, behind the same descriptors: they were moved away.

        A file that cannot be opened stays what it was, and the error log says so.
        The arbiter reopens before it tells its workers to, as it may be the only one who may
        make files in that folder.
        """
        try:
            if self._error_file is not None:
                self._error_file.reopen((1, 2) if self._captures else ())
            if self.access is not None:
                self.access.reopen()
        except OSError as error:
            event(self.error, logging.WARNING, "log not reopened", path=error.filename, reason=error.strerror)

    def close(self) -> None:
        """Close the files; the loggers are left to whoever was set up after."""
        if self._error_file is not None:
            self._error_file.close()
        if self.access is not None:
            self.access.close()

    def _capture(self) -> None:
        """Lead stdout and stderr into the error log's file, if `capture_output` asks for it."""
        file = self._error_file
        if not getattr(self.config, "capture_output", False) or file is None or file.path is None:
            return
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        file.copy_to((1, 2))
        self._captures = True


def _install(handler: logging.Handler, level: int) -> None:
    for name in NAMES:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.filters.clear()
        logger.setLevel(logging.NOTSET)
        logger.disabled = False
        logger.propagate = name != "heeler"
    parent = logging.getLogger("heeler")
    parent.addHandler(handler)
    parent.setLevel(level)


def _level(config: Config) -> int:
    name = getattr(config, "loglevel", "info")
    level = _LEVELS.get(str(name).lower())
    if level is None:
        raise ConfigError("loglevel", config.source("loglevel"), f"not one of {', '.join(_LEVELS)}", name)
    return level


def _open(config: Config, setting: str, default: str, standard: int) -> LogFile:
    path = getattr(config, setting, None) or default
    owner = owner_of(getattr(config, "user", None), getattr(config, "group", None))
    try:
        return LogFile.open(path, standard, owner)
    except OSError as error:
        source = config.source(setting) if setting in config else None
        raise ConfigError(setting, source, f"cannot be opened: {error.strerror}", path) from error
