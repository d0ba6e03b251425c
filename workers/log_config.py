"""Log configuration files of people: `logconfig` (ini), `logconfig_json`, `logconfig_dict`.

Decides what they may do to Heeler's loggers. Imported only where one is given: `logging.config`
brings half the standard library.
"""

import json
import logging
import logging.config
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from heeler.plugins.config import Config
from heeler.plugins.errors import ConfigError

SETTINGS: Final = ("logconfig_dict", "logconfig_json", "logconfig")
_GUNICORN: Final = {"gunicorn.error": "heeler", "gunicorn.access": "heeler.access"}


def apply(config: Config) -> None:
    """Apply the log configuration that `config` names; the first of `SETTINGS` that is set wins.

    Loggers it does not name stay as they are, unless it says `disable_existing_loggers` itself.
    Handlers for Gunicorn's loggers become those of ours, where it does not name ours.

    Raises:
        ConfigError: it cannot be read, or the logging package refuses it.
    """
    setting = next(name for name in SETTINGS if getattr(config, name, None))
    value = getattr(config, setting)
    try:
        if isinstance(value, Mapping):
            _apply_dict(value)
        elif setting == "logconfig_json" or str(value).endswith(".json"):
            _apply_dict(_read(value))
        else:
            _apply_ini(str(value))
    except Exception as error:  # it may name any class, and call it with any arguments
        shown = None if isinstance(value, Mapping) else value
        raise ConfigError(setting, config.source(setting), _reason(error), shown) from error
    _adopt()


def _apply_dict(value: Mapping[str, Any]) -> None:  # Any: its schema is the logging package's
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **value})


def _read(path: str) -> Mapping[str, Any]:  # Any: as above
    value = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _apply_ini(path: str) -> None:
    if not Path(path).is_file():
        raise FileNotFoundError("no such file")
    logging.config.fileConfig(path, disable_existing_loggers=False)


def _reason(error: BaseException) -> str:
    """Return the reasons, the outer one first, in one line: the logging package wraps the true one."""
    reasons: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        text = " ".join(str(cause).split())
        name = type(cause).__name__
        reasons.append(f"{name}: {text}" if isinstance(cause, (KeyError, AttributeError)) or not text else text)
        cause = cause.__cause__
    return "; ".join(dict.fromkeys(reasons))


def _adopt() -> None:
    """Give what a Gunicorn log configuration says of its loggers to ours."""
    for theirs, ours in _GUNICORN.items():
        source = logging.root.manager.loggerDict.get(theirs)
        target = logging.getLogger(ours)
        if not isinstance(source, logging.Logger) or not source.handlers or target.handlers:
            continue
        for handler in source.handlers:
            target.addHandler(handler)
        target.propagate = source.propagate
        if source.level:
            target.setLevel(source.level)
