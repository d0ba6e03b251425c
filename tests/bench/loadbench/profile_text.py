"""What strace and py-spy wrote, read: calls of the kernel, and samples of stacks."""

from collections import Counter
from dataclasses import dataclass

# Where a process without work stands; with native stacks py-spy cannot tell it from one that runs.
WAITS = frozenset({"epoll_wait", "epoll_pwait", "poll", "ppoll", "select", "__select", "pselect"})


@dataclass(frozen=True, slots=True)
class Calls:
    """How often one call of the kernel was made, and how often it failed (EAGAIN is a failure)."""

    name: str
    count: int
    errors: int


def parse_strace_counts(text: str) -> list[Calls]:
    """Read the table that `strace -c` writes, most frequent first; the line of totals is left out."""
    calls = []
    for line in text.splitlines():
        fields = line.split()
        # "% time, seconds, usecs/call, calls, [errors], syscall"
        if len(fields) in (5, 6) and fields[3].isdigit() and fields[-1] != "total":
            calls.append(Calls(fields[-1], int(fields[3]), int(fields[4]) if len(fields) == 6 else 0))
    return sorted(calls, key=lambda call: call.count, reverse=True)


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples by function: those in which it ran itself, and those in which it was anywhere on the stack.

    `waiting` counts the samples in which the process waited for events; they are in none of the others.
    """

    total: int
    waiting: int
    own: Counter[str]
    inclusive: Counter[str]


def parse_stacks(text: str) -> Samples:
    """Read py-spy's raw format, `frame;frame;frame COUNT` a line, the innermost frame last.

    A frame is `function (file:line)`; without line numbers the samples of one function fall together.
    """
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    waiting = 0
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if not stack or not count.isdigit():
            continue
        frames = [frame.strip() for frame in stack.split(";")]
        if frames[-1].partition(" ")[0] in WAITS:
            waiting += int(count)
            continue
        own[frames[-1]] += int(count)
        for frame in set(frames):
            inclusive[frame] += int(count)
    return Samples(own.total(), waiting, own, inclusive)
