"""What a server must let go of that was forked from a test's process, to be nobody but itself.

Descriptors other than standard streams and TCP connections are kept: an application given as an object may use them.
"""

import gc
import logging
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Collection
from typing import Final

from heeler.arbiter import forking

_TCP: Final = (socket.AF_INET, socket.AF_INET6)


def cut(log_fd: int, kept: Collection[int], mask: set[int]) -> None:
    """Cut the ties between this process and the one that it was forked from.

    Args:
        log_fd: where stdout and stderr lead from now on.
        kept: descriptors that are to stay, whatever they are.
        mask: the signals that are to be held back from now on.

    Process: the one that becomes the arbiter, right after the fork.
    """
    gc.freeze()  # what the test holds is not to be finalized here too
    os.setsid()  # Ctrl-C is for the test, which then stops its servers
    forking.forget_exit_handlers()
    _reset_signals(mask)
    _reset_hooks()
    _lead_streams(log_fd)
    _leave_connections(kept)
    _leave_event_loop()


def _reset_signals(mask: set[int]) -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _reset_hooks() -> None:
    """Have what goes wrong here end in the log, and not in lists of pytest that nobody will read."""
    sys.excepthook, sys.unraisablehook = sys.__excepthook__, sys.__unraisablehook__
    threading.excepthook = threading.__excepthook__
    for handler in tuple(logging.root.handlers):
        if type(handler).__module__.startswith("_pytest."):
            logging.root.removeHandler(handler)


def _lead_streams(log_fd: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for fd in (1, 2):
        os.dup2(log_fd, fd)
    # Line by line, since tests look at the log while the server runs.
    sys.stdout, sys.stderr = (
        open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - stay
        for fd in (1, 2)
    )


def _leave_connections(kept: Collection[int]) -> None:
    """Let go of TCP sockets: held open here, their peers would never see the test close them.

    /dev/null takes their place, so that an object of the test's that closes its socket closes none of ours.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for fd in map(int, os.listdir("/dev/fd")):
        if fd not in kept and _is_tcp(fd):
            os.dup2(null, fd, inheritable=False)
    os.close(null)


def _is_tcp(fd: int) -> bool:
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return False
        sock = socket.SocketType(fileno=fd)  # not the class that a test may have patched
    except OSError:  # it was that of the listing
        return False
    is_tcp = sock.family in _TCP and sock.type == socket.SOCK_STREAM
    sock.detach()
    return is_tcp


def _leave_event_loop() -> None:
    """Be outside of the event loop that the test may run in, as Python 3.12 and later see to themselves."""
    if sys.version_info < (3, 12) and (events := sys.modules.get("asyncio.events")) is not None:
        events._set_running_loop(None)
        if (policy := events._event_loop_policy) is not None:
            policy._local = events.BaseDefaultEventLoopPolicy._Local()
