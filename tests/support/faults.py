"""Has the system fail a process, and watches what that costs it."""

import collections
import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import pytest

from support import processes

_END_S: Final = 10.0


@contextlib.contextmanager
def injected(pid: int, *faults: str, children: bool = False) -> Iterator[None]:
    """Have system calls of a process fail as long as the block lasts.

    Args:
        pid: the process.
        faults: as strace(1) has them, `accept4:error=ENFILE:when=1..2`.
        children: whether those of children that it makes meanwhile fail too.
    """
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    command = ["strace", "-o", "/dev/null", "-p", str(pid)]
    command += [word for fault in faults for word in ("-e", f"inject={fault}")]
    if children:
        command.append("-f")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tool:
        assert tool.stderr is not None
        line = tool.stderr.readline()
        try:
            assert "attached" in line, line
            yield
        finally:
            tool.terminate()
            tool.communicate(timeout=_END_S)


class Watched:
    """Sees that a process holds no more in the end than it held, and was asleep for most of the time.

    Args:
        pid: the process.
        busy: how much of the time it may use the processor for at most, besides half a second.
    """

    def __init__(self, pid: int, busy: float = 0.2) -> None:
        self._pid: Final = pid
        self._busy: Final = busy

    def __enter__(self) -> Self:
        self._held = _kinds(self._pid)
        self._used_s, self._begun_at = processes.cpu_s(self._pid), time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            return
        used_s, took_s = processes.cpu_s(self._pid) - self._used_s, time.monotonic() - self._begun_at
        assert used_s < 0.5 + self._busy * took_s, f"{used_s} s of processor time in {took_s} s"
        # What it said before it let go of something, the test may have read before.
        until = time.monotonic() + _END_S
        while more := _kinds(self._pid) - self._held:
            assert time.monotonic() < until, f"it has kept {more}"


def _kinds(pid: int) -> collections.Counter[str]:
    """How many of each kind a process holds."""
    return collections.Counter(link.partition(":[")[0] for link in processes.open_descriptors(pid).values())
