"""`--check-config`: everything short of binding, in this process."""

import os

from heeler.arbiter.commands.output import complain, line
from heeler.arbiter.config.loader import Loaded
from heeler.plugins.errors import AppLoadError, ConfigError
from heeler.plugins.exit_status import ExitStatus
from heeler.plugins.registry import find_logger
from heeler.workers import privileges
from heeler.workers.application import load, traceback_of
from heeler.workers.interface import check_pair


def check(loaded: Loaded) -> int:
    """Import the application, see that the worker class serves its kind, and say that all is well.

    Raises:
        AppLoadError: the application is not there, or is of another kind.
    """
    interfaces = loaded.worker_class.interfaces
    check_logs(loaded)
    # As in a worker: the application's code may belong to somebody who is not to become root.
    privileges.drop(loaded.config.user, loaded.config.group, loaded.config.initgroups)
    named = "no application"
    if loaded.application:
        try:
            application = load(loaded.application, any_kind=not interfaces)
        except AppLoadError:
            raise
        except BaseException as error:  # whatever the application's import raises is its author's to see
            complain(traceback_of(error))
            return ExitStatus.BOOT
        check_pair(loaded.application, application.interface, loaded.plugin.name, interfaces)
        kind = f" ({application.interface.upper()})" if application.interface and interfaces else ""
        named = f"{application.target}{kind}"
    line(f"heeler: all is well: {named}, worker class {loaded.plugin.name}")
    return ExitStatus.OK


def check_logs(loaded: Loaded) -> None:
    """Refuse a logger class or a log configuration that is not there.

    Raises:
        HeelerError: naming it.
    """
    config = loaded.config
    if config.logger_class:
        find_logger(config.logger_class).load()
    for name in ("logconfig", "logconfig_json"):
        path = getattr(config, name)
        if path and not os.path.isfile(path):
            raise ConfigError(name, config.source(name), "no such file", path)
