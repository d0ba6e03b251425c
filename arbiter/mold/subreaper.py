"""Being the parent of what one's children leave behind: so that workers forked by the mold are the arbiter's.

Linux alone can do that (PR_SET_CHILD_SUBREAPER).
"""

import ctypes
from typing import Final, Self

from heeler.workers import orphan

_SET: Final = 36
_GET: Final = 37


def is_possible() -> bool:
    """Whether a process can be one here."""
    return orphan.prctl is not None


class Subreaper:
    """This process, as long as it is one.

    Args:
        was: whether it was one before.

    Resource handling: `close` makes it what it was.
    """

    def __init__(self, was: bool) -> None:
        self._was: Final = was

    @classmethod
    def become(cls) -> Self:
        """Have this process adopt whom its children, and theirs, leave behind from now on.

        Process: the arbiter; it is not inherited by those that it forks.
        """
        assert orphan.prctl is not None, "nobody adopts on this system"
        was = ctypes.c_int()
        orphan.prctl(_GET, ctypes.byref(was), 0, 0, 0)
        orphan.prctl(_SET, 1, 0, 0, 0)
        return cls(bool(was.value))

    def close(self) -> None:
        """Be what it was before."""
        if not self._was and orphan.prctl is not None:
            orphan.prctl(_SET, 0, 0, 0, 0)
