"""Settings of the logs."""

from typing import Final

from heeler.plugins.parse import boolean, choice, optional, text
from heeler.plugins.setting import Setting

_FORMAT: Final = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'


def _format(value: object) -> object:
    template = text(value)
    if template != _FORMAT:
        from heeler.workers.access_log import compiled  # late: most servers keep the default

        compiled(str(template))
    return template


def _logger_class(value: object) -> object:
    if isinstance(value, type) or value is None:
        return value
    if value in ("", "gunicorn.glogging.Logger"):
        return None
    return text(value)


def _dict_config(value: object) -> object:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("not a dict as logging.config.dictConfig takes it; it can be set in the config module only")
    return value


LOGS = (
    Setting(
        "accesslog",
        optional(text),
        None,
        "The file for a line a request; `-` is standard output. Without it no line is written.",
        "Logs",
        cli=("--access-logfile",),
        metavar="FILE",
        example="-",
    ),
    Setting(
        "access_log_format",
        _format,
        _FORMAT,
        "The form of the access log's lines; `json` writes one JSON object a line.",
        "Logs",
        cli=("--access-logformat",),
        metavar="FORMAT",
        gunicorn="All of Gunicorn's atoms are there, in every worker class; bytes of the client are escaped.",
    ),
    Setting(
        "errorlog",
        text,
        "-",
        "The file for everything else; `-` is standard error.",
        "Logs",
        cli=("--error-logfile", "--log-file"),
        metavar="FILE",
    ),
    Setting(
        "loglevel",
        choice("debug", "info", "warning", "error", "critical"),
        "info",
        "The least grave events that the error log holds: debug, info, warning, error or critical.",
        "Logs",
        cli=("--log-level",),
        metavar="LEVEL",
    ),
    Setting(
        "capture_output",
        boolean,
        False,
        "Send what the application prints to the error log.",
        "Logs",
        cli=("--capture-output",),
        flag=True,
        reloadable=False,
    ),
    Setting(
        "logger_class",
        _logger_class,
        None,
        "A plugin that writes the logs instead: a name from the entry-point group `heeler.loggers`,"
        " `DISTRIBUTION:NAME`, `package.module:Class`, or, in the config module, a class.",
        "Logs",
        cli=("--logger-class",),
        metavar="NAME",
        reloadable=False,
        gunicorn="Logger classes written for Gunicorn do not fit.",
    ),
    Setting(
        "logconfig",
        optional(text),
        None,
        "A file for logging.config.fileConfig.",
        "Logs",
        cli=("--log-config",),
        metavar="FILE",
        example="logging.ini",
    ),
    Setting(
        "logconfig_json",
        optional(text),
        None,
        "A JSON file for logging.config.dictConfig.",
        "Logs",
        cli=("--log-config-json",),
        metavar="FILE",
        example="logging.json",
    ),
    Setting(
        "logconfig_dict",
        _dict_config,
        {},
        "A dict for logging.config.dictConfig.",
        "Logs",
    ),
)
"""The logs."""
