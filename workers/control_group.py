"""Where Linux tells what a process's control groups allow it, in versions 1 and 2.

Decides which folders those are; what stands in their files is known to who asks.
"""

import os
from collections.abc import Iterator
from typing import Literal


def folders(root: str, controller: str) -> Iterator[tuple[Literal[1, 2], str]]:
    """Yield this process's groups and those around them, whose limits hold too: the version, and the folder.

    In a container the path may be that of the host, where only the root can be seen: it is the container's.

    Args:
        root: where `proc` and `sys` are.
        controller: for which controller, as version 1 calls it.
    """
    mounts = os.path.join(root, "sys/fs/cgroup")
    for line in text_of(os.path.join(root, "proc/self/cgroup")).splitlines():
        _, controllers, group = line.split(":", 2)
        for above in _with_parents(group):
            if not controllers:
                yield 2, f"{mounts}{above}"
                yield 2, f"{mounts}/unified{above}"
            elif controller in controllers.split(","):
                yield 1, f"{mounts}/{controller}{above}"


def _with_parents(group: str) -> Iterator[str]:
    """`/a/b`, `/a`, and nothing for the root."""
    while group := group.rstrip("/"):
        yield group
        group = group.rpartition("/")[0]
    yield ""


def text_of(path: str) -> str:
    """Return what a file says; nothing where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
