"""What a server's processes have used, read from /proc: CPU time and memory of a whole process tree.

It knows nothing of servers or load; everything is found by process id; a title tells apart those of one tree.
"""

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of /proc/PID/stat that are used here. `ticks` counts the process and the children it has reaped."""

    pid: int
    parent: int
    ticks: int


def parse_stat(text: str) -> Stat:
    """Read a line of /proc/PID/stat, whose second field is a name that may hold spaces and parentheses.

    Source: proc_pid_stat(5), fields 4 (ppid) and 14 to 17 (utime, stime, cutime, cstime).
    """
    pid, _, rest = text.partition(" ")
    fields = rest[rest.rindex(")") + 2 :].split()
    return Stat(int(pid), int(fields[1]), sum(int(field) for field in fields[11:15]))


def parse_pss_kib(text: str) -> int:
    """Read the proportional set size, in KiB, from the text of /proc/PID/smaps_rollup; 0 where it has none."""
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def parse_busy_ticks(text: str, cpu: int) -> int:
    """Return from the text of /proc/stat the ticks in which processor `cpu` was not idle, or was stolen.

    Interrupts count too: the loopback device's packets are handled in the sender's time, which is in its CPU time.
    Source: proc_stat(5): user nice system idle iowait irq softirq steal.
    Raises: ValueError where there is no such processor.
    """
    for line in text.splitlines():
        name, *fields = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields[:8])
            return user + nice + system + irq + softirq + steal
    raise ValueError(f"/proc/stat has no processor {cpu}")


def busy_seconds(cpu: int) -> float:
    """Return how long processor `cpu` has been busy since the machine started."""
    return parse_busy_ticks((PROC / "stat").read_text(), cpu) / TICKS_PER_SECOND


def reaped_seconds() -> float:
    """Return the CPU time of all the children of this process that have ended, wrk's among them."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def tree_of(root: int, stats: list[Stat]) -> list[Stat]:
    """Return the process `root` and all its descendants among `stats`."""
    members = {root}
    found = [stat for stat in stats if stat.pid == root]
    while True:
        more = [stat for stat in stats if stat.parent in members and stat.pid not in members]
        if not more:
            return found
        members.update(stat.pid for stat in more)
        found += more


def all_stats(proc: Path = PROC) -> Iterator[Stat]:
    """Read every process there is; one that ends meanwhile is left out."""
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                yield parse_stat((entry / "stat").read_text(errors="replace"))
            except (FileNotFoundError, ProcessLookupError):
                continue


def tree(root: int) -> list[Stat]:
    """Return the live process tree under `root`."""
    return tree_of(root, list(all_stats()))


def title(pid: int) -> str:
    """Return the title of a process, as ps shows it; nothing if it is gone."""
    try:
        return (PROC / str(pid) / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def titled(root: int, beginning: str) -> list[Stat]:
    """Return the processes of the tree under `root` whose title is `beginning`, or goes on after it."""
    return [stat for stat in tree(root) if f"{title(stat.pid)} ".startswith(f"{beginning} ")]


def cpu_seconds(root: int) -> float:
    """Return the CPU time, user and system, that the tree under `root` has used, with its reaped children."""
    return sum(stat.ticks for stat in tree(root)) / TICKS_PER_SECOND


def pss_kib(root: int) -> int:
    """Return the proportional set size, in KiB, of the tree under `root`."""
    return sum(pss_kib_of(stat) for stat in tree(root))


def pss_kib_of(stat: Stat) -> int:
    """Return the proportional set size, in KiB, of one process; 0 if it is gone."""
    try:
        return parse_pss_kib((PROC / str(stat.pid) / "smaps_rollup").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0
