"""What the settings change in this process before anything of the user's is imported."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from heeler.plugins.config import Config
from heeler.plugins.errors import ConfigError


def put_first(directories: Sequence[str]) -> None:
    """Put `directories`, in this order, at the head of Python's module path."""
    sys.path[:] = [*directories, *(entry for entry in sys.path if entry not in directories)]


def working_directory(named: str, directory: Path, source: str) -> str:
    """Return the whole path of the directory to work in.

    Raises:
        ConfigError: there is no such directory.
    """
    path = os.path.abspath(directory / named)
    if not os.path.isdir(path):
        raise ConfigError("chdir", source, "no such directory", named)
    return path


def module_path(config: Config, directory: Path) -> list[str]:
    """Return the directories that modules are looked for in first."""
    extra = [part.strip() for part in (config.pythonpath or "").split(",")]
    return list(dict.fromkeys([config.chdir, *(os.path.abspath(directory / part) for part in extra if part)]))


def enter(config: Config, before: Config | None, environ: Mapping[str, str]) -> None:
    """Go to the working directory and set the variables of `raw_env`.

    Args:
        config: the settings in force from now on.
        before: those in force until now, whose variables are taken back first.
        environ: the variables as they were when the command was started.

    Raises:
        ConfigError: the directory cannot be entered.
    """
    if before:
        leave(before, environ)
    os.environ.update(_variables(config))
    try:
        os.chdir(config.chdir)
    except OSError as error:
        raise ConfigError("chdir", config.source("chdir"), str(error.strerror), config.chdir) from error


def leave(config: Config, environ: Mapping[str, str]) -> None:
    """Take back the variables of `raw_env`.

    Args:
        config: the settings that were in force.
        environ: the variables as they were before.
    """
    for name in _variables(config):
        if name in environ:
            os.environ[name] = environ[name]
        else:
            os.environ.pop(name, None)


def _variables(config: Config) -> dict[str, str]:
    return dict(given.split("=", 1) for given in config.raw_env)
