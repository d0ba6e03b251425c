"""The environment as a source of settings: `HEELER_NAME`, and what hosting platforms set."""

import re
from collections.abc import Iterable, Iterator, Mapping

from heeler.arbiter.config.absent import ABSENT
from heeler.plugins.errors import ConfigError
from heeler.plugins.setting import Setting
from heeler.plugins.suggest import suggest

PREFIX = "HEELER_"
CMD_ARGS = "HEELER_CMD_ARGS"
"""A command line in a variable; it wins over the other variables."""

# Kubernetes gives a Service called `heeler` or `heeler-web` variables of these names (the docker-link form).
_SERVICE = re.compile(r"_SERVICE_(HOST|PORT)(_|\Z)|_PORT_\d+_(TCP|UDP|SCTP)(_|\Z)")


def given(settings: Iterable[Setting], environ: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    """Yield name, value and source of each setting that a variable sets; the last of a name wins.

    Raises:
        ConfigError: a platform's variable is wrong.
    """
    for setting in settings:
        for variable in setting.env:
            if text := environ.get(variable):
                yield setting.name, _translate(setting, variable, text), f"environment {variable}"
        variable = PREFIX + setting.name.upper()
        if text := environ.get(variable):
            yield setting.name, text, f"environment {variable}"
    for absent in ABSENT:
        variable = PREFIX + absent.name.upper()
        if text := environ.get(variable):
            yield absent.name, text, f"environment {variable}"


def check_names(names: Iterable[str], environ: Mapping[str, str]) -> None:
    """Refuse a variable that begins as ours do and is none.

    Raises:
        ConfigError: with the nearest right name.
    """
    ours = {CMD_ARGS, *(PREFIX + name.upper() for name in names)}
    known = ours | {PREFIX + absent.name.upper() for absent in ABSENT}
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and variable not in known and not _is_service(variable, text):
            raise ConfigError(None, f"environment {variable}", f"no such setting{suggest(variable, ours)}")


def _translate(setting: Setting, variable: str, text: str) -> object:
    translate = (setting.env_parse or {}).get(variable)
    if translate is None:
        return text
    try:
        return translate(text)
    except ValueError as error:
        raise ConfigError(variable, "environment", str(error), text) from error


def _is_service(variable: str, text: str) -> bool:
    return bool(_SERVICE.search(variable)) or (variable.endswith("_PORT") and "://" in text)
