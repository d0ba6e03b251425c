"""What the processes of a server take: descriptors, memory, shared memory, files; and what is left of them.

By role, so that it can be compared with itself after the processes were replaced by others.
"""

import os
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heeler.plugins.conformance import processes
from heeler.plugins.conformance.processes import Process

ROLES: Final = ("arbiter", "listener", "worker")
_SHM: Final = Path("/dev/shm")


def role_of(pid: int) -> str:
    """Return what a process is by its title; `other` where it is none of ours, or not yet or no more."""
    words = processes.title(pid).removeprefix("heeler: ").split()
    return words[0] if words and words[0] in ROLES else "other"


def family(session: int) -> list[Process]:
    """Return all processes of a session, those included that have ended and wait to be reaped."""
    return [one for one in processes.all_processes() if one.session == session]


def with_role(session: int, role: str) -> list[int]:
    """Return the living processes of a session that have this role, lowest first."""
    return sorted(one.pid for one in family(session) if not one.is_zombie and role_of(one.pid) == role)


@dataclass(frozen=True, slots=True)
class Shape:
    """What must be the same at the end as it was at the start.

    Args:
        roles: how many processes of each role.
        zombies: how many have ended, and their parents have not waited for them.
        descriptors: how many of each kind the processes of a role have. Together: with `dispatch = reuseport` it
            is by chance which of the workers is lent the socket of a vacant slot.
        shared: what is mapped of shared memory, by role, and how often.
        shm: what lies in /dev/shm.
        files: what lies in the folder for temporary files.
    """

    roles: Counter[str]
    zombies: int
    descriptors: Counter[str]
    shared: Counter[str]
    shm: frozenset[str]
    files: frozenset[str]

    def differences(self, other: "Shape") -> list[str]:
        """Return where another differs, one line each."""
        found = []
        for name in self.__slots__:
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                if isinstance(mine, (Counter, frozenset)):
                    mine, its = sorted_text(mine - its), sorted_text(its - mine)
                found.append(f"{name}: {mine} at the start only, {its} at the end only")
        return found


def sorted_text(found: Counter[str] | frozenset[str]) -> str:
    """Return what there is, as text; `nothing` where there is nothing."""
    return ", ".join(f"{count} {name}" for name, count in sorted(Counter(found).items())) or "nothing"


def shape_of(session: int, temporary: Path, strangers: Collection[str] = ()) -> Shape:
    """Look at the processes of a session.

    Args:
        session: its number.
        temporary: their folder for temporary files.
        strangers: what lay in /dev/shm before they were there.
    """
    members = family(session)
    roles: Counter[str] = Counter()
    descriptors: Counter[str] = Counter()
    shared: Counter[str] = Counter()
    for one in members:
        if one.is_zombie:
            continue
        role = role_of(one.pid)
        roles[role] += 1
        try:
            kinds = Counter(re.sub(r":\[\d+\]", "", name) for name in processes.open_descriptors(one.pid).values())
            maps = Path(f"/proc/{one.pid}/maps").read_text(encoding="utf-8", errors="replace")
        except (OSError, ValueError):
            continue  # it has just ended: the shape is another one now
        descriptors.update({f"{role}: {kind}": count for kind, count in kinds.items()})
        names = [line.split(maxsplit=5)[-1] for line in maps.splitlines() if "/memfd:" in line or "/dev/shm/" in line]
        shared.update(f"{role}: {name}" for name in names)
    zombies = sum(one.is_zombie for one in members)
    left = frozenset(os.listdir(_SHM)) - frozenset(strangers)
    files = frozenset(str(path.relative_to(temporary)) for path in temporary.rglob("*"))
    return Shape(roles, zombies, descriptors, shared, left, files)


def shared_names() -> frozenset[str]:
    """Return what lies in /dev/shm."""
    return frozenset(os.listdir(_SHM))


def pss_kib(session: int) -> int:
    """Return the memory of all processes of a session, what is shared counted once.

    Files are left out: the share of a process in those depends on who else runs Python on this machine.
    """
    pids = [one.pid for one in family(session) if not one.is_zombie]
    return sum(processes.memory_kib(pid, field) for pid in pids for field in ("Pss_Anon", "Pss_Shmem"))
