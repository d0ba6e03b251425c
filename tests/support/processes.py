"""Looks at other processes: with the eyes of the conformance kit."""

from heeler.plugins.conformance.processes import (
    Process,
    all_processes,
    become_subreaper,
    children_of,
    is_alive,
    kill,
    look_up,
    memory_kib,
    open_descriptors,
    peak_kib,
    reap,
    wait_ended,
)

__all__ = [
    "Process",
    "all_processes",
    "become_subreaper",
    "children_of",
    "cpu_s",
    "is_alive",
    "kill",
    "look_up",
    "memory_kib",
    "open_descriptors",
    "peak_kib",
    "reap",
    "wait_ended",
]


def cpu_s(pid: int) -> float:
    """Return the processor time that `pid` has used."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9
