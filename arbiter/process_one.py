"""Process 1, of a container mostly: what Heeler does if it is that, and what it says if a shell is.

The kernel keeps from process 1 each signal that it has no handler for, TERM too. A shell has none for
TERM, and hands on none: it waits for its command, and the container is killed in the end.
"""

import os
import signal
from types import FrameType
from typing import Final

_SHELLS: Final = frozenset({"sh", "ash", "bash", "busybox", "dash", "ksh", "mksh", "yash", "zsh"})
_MOST: Final = 200


def obey_at_once() -> None:
    """Have this process end by TERM, INT and QUIT, where it is process 1, until a server takes the signals over."""
    if os.getpid() == 1:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)  # as a shell tells of it: by the signal itself process 1 cannot end


def shell_in_front() -> str:
    """Return the command of the shell that is process 1, has started this process, and hands on no TERM.

    Returns:
        The command; empty where there is no such shell, or where it cannot be told.
    """
    try:
        # One at a terminal gives each command a group of its own.
        if os.getppid() != 1 or os.getpgid(0) != os.getpgid(1):
            return ""
        with open("/proc/1/cmdline", "rb") as file:
            words = file.read().decode("utf-8", "replace").rstrip("\0").split("\0")
        with open("/proc/1/status", encoding="utf-8", errors="replace") as file:
            status = file.read()
    except OSError:
        return ""
    return "" if hands_on(words[0], status) else " ".join(words)[:_MOST]


def hands_on(program: str, status: str) -> bool:
    """Return whether a process may be taken to hand on TERM: it is no shell, or has a trap for it.

    Args:
        program: its name, as it was called.
        status: its /proc/PID/status.
    """
    if os.path.basename(program).lstrip("-") not in _SHELLS:
        return True
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
