"""`--check-config`: everything short of binding, in this process."""

import os

from heeler.arbiter.commands.output import complain, line
from heeler.arbiter.config.loader import Loaded
from heeler.plugins.errors import AppLoadError, ConfigError
from heeler.plugins.exit_status import ExitStatus
from heeler.plugins.registry import find_logger, workers
from heeler.workers.application import Application, load, traceback_of


def check(loaded: Loaded) -> int:
    """Import the application, see that the worker class serves its kind, and say that all is well.

    Raises:
        AppLoadError: the application is not there, or is of another kind.
    """
    try:
        application = load(loaded.application)
    except AppLoadError:
        raise
    except BaseException as error:  # whatever the application's import raises is its author's to see
        complain(traceback_of(error))
        return ExitStatus.BOOT
    check_interface(loaded, application)
    check_logs(loaded)
    kind = application.interface.upper()
    line(f"heeler: all is well: {application.target} ({kind}), worker class {loaded.plugin.name}")
    return ExitStatus.OK


def check_interface(loaded: Loaded, application: Application) -> None:
    """Refuse an application of a kind that the worker class does not serve.

    Raises:
        AppLoadError: naming the worker class that would be right.
    """
    served = loaded.worker_class.interfaces
    if not served or application.interface in served:
        return
    kinds = " and ".join(sorted(served)).upper()
    reason = (
        f"{application.target} is an {application.interface.upper()} application,"
        f" and worker class {loaded.plugin.name!r} serves {kinds}; {_right(application.interface)}"
    )
    raise AppLoadError(loaded.application, reason)


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


def _right(interface: str) -> str:
    """Return which worker class to take instead."""
    ours = {"wsgi": "sync", "asgi": "asyncio"}[interface]
    if ours in {plugin.name for plugin in workers()}:
        return f"say -k {ours}"
    return f"`{ours}` would be right, which is not in this version yet"
