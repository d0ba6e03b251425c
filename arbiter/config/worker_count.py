"""How many workers there are to be: what `workers = auto` means here, and between which bounds their number may change.

`read` finds out what this process may use; what follows from that is pure.
"""

import dataclasses
import math
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from heeler.plugins.config import Config
from heeler.plugins.errors import ConfigError
from heeler.workers import control_group, memory

AUTO: Final = "auto"

WORKER_BYTES: Final = 128 << 20
"""What a worker is taken to need where `max_worker_memory` does not say it.

Measured after some requests: 24M are resident for an application without a framework, 35M with Flask, and 50M with
FastAPI, or with Django and its admin. What an application has of its own may well be as much again.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What this process may use.

    Args:
        machine_cpus: how many the machine has.
        allowed_cpus: how many of them it may run on: its affinity, which its cpuset bounds.
        quota_cpus: how many it may have the time of, by its control groups; infinite where they say nothing.
        memory_bytes: the least limit of its control groups, or what the machine has.
    """

    machine_cpus: int
    allowed_cpus: int
    quota_cpus: float
    memory_bytes: int

    @property
    def cpus(self) -> float:
        """How many it can use."""
        return min(self.allowed_cpus, self.quota_cpus)


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """What `workers = auto` has come to.

    Args:
        workers: how many.
        decided_by: which of all the limits.
        facts: what it was found from.
        worker_bytes: what a worker was taken to need.
    """

    workers: int
    decided_by: str
    facts: Facts
    worker_bytes: int

    # Any: each value has a type of its own.
    def fields(self) -> dict[str, Any]:
        """Return what the log says of it."""
        return {
            "workers": self.workers,
            "decided_by": self.decided_by,
            "cpus": f"{self.facts.cpus:g}",
            "memory": memory.size_text(self.facts.memory_bytes),
            "each": memory.size_text(self.worker_bytes),
        }


def read(root: str = "/") -> Facts:
    """Find it out, afresh each time.

    Args:
        root: where `proc` and `sys` are.
    """
    machine = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    return Facts(machine, allowed, min(_quotas(root), default=math.inf), memory.available_bytes(root))


def _quotas(root: str) -> Iterator[float]:
    """Each share of the CPUs' time that holds for this process."""
    for version, folder in control_group.folders(root, "cpu"):
        if version == 2:
            quota, _, period = control_group.text_of(f"{folder}/cpu.max").partition(" ")
        else:
            quota = control_group.text_of(f"{folder}/cpu.cfs_quota_us")
            period = control_group.text_of(f"{folder}/cpu.cfs_period_us")
        # Without a limit version 2 says `max`, and version 1 says -1.
        if quota.isdecimal() and period.isdecimal() and int(period):
            yield int(quota) / int(period)


def choose(facts: Facts, workers_for: Callable[[float], int], worker_bytes: int, least: int, most: float) -> Choice:
    """Return how many workers fit.

    Args:
        facts: what there is.
        workers_for: how many make use of so many CPUs.
        worker_bytes: what each needs; there is to be room for one more, which replaces another.
        least: how many there are to be whatever there is.
        most: how many at most.
    """
    by_cpus, by_memory = workers_for(facts.cpus), max(1, facts.memory_bytes // worker_bytes - 1)
    workers, decided_by = min(by_cpus, by_memory), _cpu_limit(facts) if by_cpus <= by_memory else "memory"
    if workers > most:
        workers, decided_by = int(most), "workers_max"
    if workers < least:
        workers, decided_by = least, "workers_min"
    return Choice(workers, decided_by, facts, worker_bytes)


def _cpu_limit(facts: Facts) -> str:
    if facts.quota_cpus < facts.allowed_cpus:
        return "cpu.max"
    return "affinity" if facts.allowed_cpus < facts.machine_cpus else "cpus"


def settle(
    config: Config, workers_for: Callable[[float], int], facts: Callable[[], Facts] = read
) -> tuple[Config, Choice | None]:
    """Return the settings with numbers in them: of workers at the start, and, where one bound is given, of both.

    Args:
        config: as given.
        workers_for: as of `choose`.
        facts: finds out what there is; called with `workers = auto` alone.

    Raises:
        ConfigError: the numbers contradict each other.
    """
    choice = None
    least, most = config.workers_min, config.workers_max
    if least is not None and most is not None and least > most:
        raise _contradiction(config, "workers_min", "more than", "workers_max")
    if config.workers == AUTO:
        each = memory.limit_bytes(config.max_worker_memory) or WORKER_BYTES
        choice = choose(facts(), workers_for, each, least or 1, most or math.inf)
        source = f"{config.source('workers')}: auto, by {choice.decided_by}"
        config = config.replace("workers", choice.workers, source)
    elif least is not None and most is not None and config.source("workers") == "default":
        config = config.replace("workers", least, "workers_min")
    if least is None and most is None:
        return config, choice
    if least is not None and config.workers < least:
        raise _contradiction(config, "workers", "less than", "workers_min")
    if most is not None and config.workers > most:
        raise _contradiction(config, "workers", "more than", "workers_max")
    config = config.replace(
        "workers_min", least or config.workers, config.source("workers_min" if least else "workers")
    )
    config = config.replace("workers_max", most or config.workers, config.source("workers_max" if most else "workers"))
    return config, choice


def _contradiction(config: Config, name: str, how: str, other: str) -> ConfigError:
    value = getattr(config, name)
    reason = f"{how} {other} = {getattr(config, other)} ({config.source(other)})"
    return ConfigError(name, config.source(name), reason, value)


def most_workers(config: Config) -> int:
    """Return how many workers there may be at a time, those that replace others apart."""
    return max(int(config.workers), int(config.workers_max or 0))
