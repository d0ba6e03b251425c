"""How a worker learns that its arbiter is gone, and what makes sure of its end.

End-of-file on the channel tells a worker whose loop turns. One that is stuck in the
application never reads it; so the kernel sends it a signal as well, and once it knows,
a thread of C code ends it at a deadline, whatever Python code does or does not do.
"""

import faulthandler
import signal
import sys
from collections.abc import Callable
from typing import Final

NOTICE: Final[signal.Signals | None] = getattr(signal, "SIGPWR", None)
"""What the kernel sends when the parent ends; nobody else has a use for it. None where there is none."""

MARGIN_S: Final = 1.0
"""Beyond `graceful_timeout`: a worker whose loop turns has cut what was left, and is gone by then."""

_PR_SET_PDEATHSIG: Final = 1


def _find_prctl() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes  # some Pythons are built without

        found: Callable[..., int] = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return None
    return found


prctl: Final = _find_prctl()
"""Found when this is imported: a worker that has given up root may not be allowed to read Python's own files."""


def ask_for_notice() -> bool:
    """Have the kernel send `NOTICE` when the parent of this process ends; that must be the arbiter.

    A change of user or group takes this back, so it comes after that. The parent may be gone already:
    look at the channel afterwards.

    Returns:
        False where the system has no such thing (macOS), or this Python cannot ask for it. Then only
        end-of-file on the channel tells, and a worker that is stuck in the application outlives its arbiter.
    """
    return prctl is not None and NOTICE is not None and prctl(_PR_SET_PDEATHSIG, int(NOTICE), 0, 0, 0) == 0


def set_limit(seconds: float) -> None:
    """End this process in that many seconds, after writing the stack of every thread to stderr."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=2)
