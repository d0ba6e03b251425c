"""What an init system tells the process that it starts, by variables (systemd.exec(5)).

Read once and then removed: what they say is for this process, and for none that it forks.
"""

import dataclasses
import os
from collections.abc import MutableMapping
from typing import Final

from heeler.arbiter import listen_fds
from heeler.arbiter.listen_fds import Passed

NOTIFY: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = ("WATCHDOG_USEC", "WATCHDOG_PID")
VARIABLES: Final = (NOTIFY, *_WATCHDOG)
"""Those by which it wants to hear something."""


@dataclasses.dataclass(frozen=True, slots=True)
class InitSystem:
    """What it says.

    Args:
        notify_socket: where it wants to hear how the server is; None where it does not.
        watchdog_s: how long it bears silence; None is for ever.
        pid: of the process that it started, and takes for the server.
        passed: the sockets that it passed on.
    """

    notify_socket: str | None = None
    watchdog_s: float | None = None
    pid: int = 0
    passed: tuple[Passed, ...] = ()


def take(environ: MutableMapping[str, str] | None = None, pid: int | None = None) -> InitSystem:
    """Return what the init system says to this process, and remove it from the variables.

    Args:
        environ: the variables; those of this process by default.
        pid: of the process; this one by default. What was meant for another is left alone.
    """
    environ = os.environ if environ is None else environ
    pid = os.getpid() if pid is None else pid
    return InitSystem(
        environ.pop(NOTIFY, None) or None, _take_watchdog(environ, pid), pid, tuple(listen_fds.take(environ, pid))
    )


def give_back(init: InitSystem) -> None:
    """Have the variables say again where to tell how this process is: the server was only a part of its life."""
    if init.notify_socket is not None:
        os.environ[NOTIFY] = init.notify_socket
    if init.watchdog_s is not None:
        os.environ.update(WATCHDOG_USEC=str(round(init.watchdog_s * 1e6)), WATCHDOG_PID=str(init.pid))


def _take_watchdog(environ: MutableMapping[str, str], pid: int) -> float | None:
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    text = environ.get("WATCHDOG_USEC", "")
    for name in _WATCHDOG:
        environ.pop(name, None)
    return int(text) / 1e6 if text.isascii() and text.isdigit() and int(text) else None
