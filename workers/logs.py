"""The logs of one Heeler: made in the arbiter before any fork, and inherited by every child.

Decides which loggers there are, where they lead, and what happens when they are reopened.
Must not know how a line is written (`log_format`, `access_format`) or how a log
configuration is read (`log_config`).
"""

import logging
import os
import sys
from typing import Final

from heeler.plugins.config import Config
from heeler.plugins.errors import ConfigError, PluginInvalid
from heeler.workers import log_format
from heeler.workers.access_log import AccessLog, AccessLogger, AccessWriter
from heeler.workers.log_file import LogFile, hold_standard_streams, owner_of
from heeler.workers.log_handler import FileHandler, deliver, reopen_handlers

NAMES: Final = ("heeler", "heeler.arbiter", "heeler.worker", "heeler.error", "heeler.access")
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_LOG_CONFIGS: Final = ("logconfig", "logconfig_json", "logconfig_dict")


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
    deliver(logger, record)


class Logs:
    """Where Heeler's words go; also the base class of `logger_class` plugins.

    A plugin overrides `make_handler` (where the error log goes), `make_access` (what is done with
    each request), `reopen` or `close`, and calls the base class's as it likes.

    Attributes:
        config: the settings.
        arbiter: the logger `heeler.arbiter`: supervision.
        worker: the logger `heeler.worker`: a worker's life.
        error: the logger `heeler.error`: faults while serving.
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
        self._made_by = os.getpid()

    @classmethod
    def setup(cls, config: Config) -> "Logs":
        """Open the logs that `config` names, by the class that it names.

        When it fails, the loggers are what they were, so a reload may call it and keep the old
        logs. After a reload that went well, `close` the old ones.

        Raises:
            ConfigError: a file cannot be opened, or a log setting is wrong.
        """
        if cls is Logs:
            chosen = _logger_class(config)
            if chosen is not Logs:
                return chosen.setup(config)
        hold_standard_streams()
        logs = cls(config)
        level = _level(config)
        before = LoggerState()
        try:
            _install(logs.make_handler(), level)
            if any(getattr(config, name, None) for name in _LOG_CONFIGS):
                _apply_log_config(config)
            logs.access = logs.make_access()
        except BaseException:
            before.restore()
            logs.close()
            raise
        logs._capture()
        return logs

    def make_handler(self) -> logging.Handler:
        """Return the handler of the error log: `errorlog`, where `-` is stderr."""
        self._error_file = self._open("errorlog", "-", 2)
        return FileHandler(self._error_file)

    def make_access(self) -> AccessWriter | None:
        """Return what takes the access log's entries: `accesslog`, where `-` is stdout.

        Where a log configuration gave the logger `heeler.access` handlers, they get the entries.
        """
        template = getattr(self.config, "access_log_format", None) or "combined"
        logger = logging.getLogger("heeler.access")
        try:
            if logger.handlers:
                return AccessLogger(template, logger)
            if not getattr(self.config, "accesslog", None):
                return None
            return AccessLog(template, self._open("accesslog", "-", 1))
        except ValueError as error:
            raise _refusal(self.config, "access_log_format", str(error), template) from error

    def reopen(self) -> None:
        """Open the log files again, behind the same descriptors: they were moved away.

        A file that cannot be opened stays what it was, and the error log says so.
        The arbiter reopens before it tells its workers to, as it may be the only one who may
        make files in that folder.
        """
        for open_again in (self._reopen_error, self._reopen_access, lambda: reopen_handlers(NAMES)):
            try:
                open_again()
            except OSError as error:
                event(self.error, logging.WARNING, "log not reopened", path=error.filename, reason=error.strerror)
        if os.getpid() == self._made_by:
            event(self.arbiter, logging.INFO, "logs reopened")
        else:
            event(self.worker, logging.DEBUG, "logs reopened")

    @property
    def descriptor(self) -> int:
        """Where C code may write what belongs into the error log: its file, else stderr."""
        return self._error_file.fd if self._error_file is not None else 2

    def close(self) -> None:
        """Close the files; the loggers are left to whoever was set up after."""
        if self._error_file is not None:
            self._error_file.close()
        if self.access is not None:
            self.access.close()

    def _reopen_error(self) -> None:
        if self._error_file is not None:
            self._error_file.reopen((1, 2) if self._captures else ())

    def _reopen_access(self) -> None:
        if self.access is not None:
            self.access.reopen()

    def _open(self, setting: str, default: str, standard: int) -> LogFile:
        path = getattr(self.config, setting, None) or default
        owner = owner_of(getattr(self.config, "user", None), getattr(self.config, "group", None))
        try:
            return LogFile.open(path, standard, owner)
        except OSError as error:
            raise _refusal(self.config, setting, f"cannot be opened: {error.strerror}", path) from error

    def _capture(self) -> None:
        """Lead stdout and stderr into the error log's file, if `capture_output` asks for it."""
        file = self._error_file
        if not getattr(self.config, "capture_output", False) or file is None or file.path is None:
            return
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            if hasattr(stream, "reconfigure"):  # else print() would keep its lines back: a file is no terminal
                stream.reconfigure(line_buffering=True)
        file.copy_to((1, 2))
        self._captures = True


class LoggerState:
    """What the loggers were, to go back to: when a setup fails, or when a program's server has stopped."""

    def __init__(self) -> None:
        self._kept = [
            (logger, list(logger.handlers), logger.level, logger.propagate)
            for logger in (logging.root, *map(logging.getLogger, NAMES))
        ]

    def restore(self) -> None:
        """Make them that again."""
        for logger, handlers, level, propagate in self._kept:
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate = propagate


def _install(handler: logging.Handler, level: int) -> None:
    """Make the loggers anew: all lead to `heeler`, which has the one handler."""
    for name in NAMES:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.filters.clear()
        logger.setLevel(logging.NOTSET)
        logger.disabled = False
        logger.propagate = name not in ("heeler", "heeler.access")
    parent = logging.getLogger("heeler")
    parent.addHandler(handler)
    parent.setLevel(level)
    logging.getLogger("heeler.access").setLevel(logging.INFO)


def _apply_log_config(config: Config) -> None:
    """Let the log configuration decide; what it leaves without any handler keeps Heeler's own."""
    from heeler.workers import log_config  # heavy, and rarely given

    parent = logging.getLogger("heeler")
    own = parent.handlers[:]
    parent.handlers.clear()
    parent.propagate = True
    log_config.apply(config)
    for logger in map(logging.getLogger, NAMES):
        if logger.name not in ("heeler", "heeler.access") and not logger.hasHandlers():
            logger.handlers[:] = own


def _logger_class(config: Config) -> type[Logs]:
    named = getattr(config, "logger_class", None)
    if not named:
        return Logs
    from heeler.plugins.registry import find_logger

    plugin = find_logger(named)
    found = plugin.load()
    if not issubclass(found, Logs):
        raise PluginInvalid(
            plugin.name, plugin.distribution, "no logger class: it does not derive from heeler.workers.logs:Logs"
        )
    return found


def _level(config: Config) -> int:
    name = getattr(config, "loglevel", None) or "info"
    level = _LEVELS.get(str(name).lower())
    if level is None:
        raise _refusal(config, "loglevel", f"not one of {', '.join(_LEVELS)}", name)
    return level


def _refusal(config: Config, setting: str, reason: str, value: object) -> ConfigError:
    return ConfigError(setting, config.source(setting) if setting in config else None, reason, value)
