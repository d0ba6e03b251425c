"""Heeler: a pre-fork application server for Python whose worker classes are plugins.

Importing this package imports none of socket, ssl, threading, asyncio: a worker
class that patches the standard library must be able to do so first.
"""

from collections.abc import Callable

from heeler.plugins.errors import (
    AppLoadError,
    BindError,
    BootError,
    ConfigError,
    HeelerError,
    PluginError,
    RequestTimeout,
    StopError,
)
from heeler.plugins.exit_status import ExitStatus

__all__ = [
    "AppLoadError",
    "BindError",
    "BootError",
    "ConfigError",
    "ExitStatus",
    "HeelerError",
    "PluginError",
    "RequestTimeout",
    "StopError",
    "__version__",
    "run",
]

__version__ = "0.1.0.dev0"


def run(app: str | Callable[..., object] | None, /, **settings: object) -> ExitStatus:
    """Serve `app` from this process until somebody stops it, as the command `heeler` would.

    The calling process becomes the arbiter: it binds, forks the workers and obeys signals (TERM and INT
    stop it). When this returns, its signal handlers, loggers, directory and descriptors are its own again.

    Args:
        app: the application, or its name as on the command line (`"module:attribute"`); None for a worker
            class that needs none. The object is inherited by the workers, which so import nothing.
        settings: by their names: `bind="127.0.0.1:8000", workers=4`. They alone count, with what hosting
            platforms set (`PORT`, `WEB_CONCURRENCY`, `FORWARDED_ALLOW_IPS`) below them: neither the command
            line nor a config file nor `HEELER_*` variables are read.

    Returns:
        The exit status that the command would end with: OK after a stop. Where an application does not
        boot, its traceback stands on stderr.

    Raises:
        HeelerError: a setting is wrong, or an address cannot be bound; nothing is left behind.
        RuntimeError: this is not the main thread.

    Process: any that is not a worker. It had better have no threads yet: workers do not inherit them.
    """
    from heeler.arbiter import programmatic

    return programmatic.run(app, settings)
