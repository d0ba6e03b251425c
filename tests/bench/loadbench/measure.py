"""One server measured in one round, and the median of a server's rounds."""

from dataclasses import asdict, dataclass
from statistics import median

from loadbench import load, processes, running
from loadbench.servers import Server

WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class Measure:
    """What a server did under one kind of load: one run, or the medians of several.

    Args:
        per_second: requests, or echoes, per second.
        cpu_us: CPU time of the server's process tree for one of them, microseconds.
        cpu_share: CPU time of the tree over the time that passed; under 0.9 the server was not what held things up.
        noise: share of the time that others (processes, other guests of the host) had the server's processor or the
            load's, whichever is more; over 5 % the rates say little.
        p50_us, p99_us: latency, microseconds.
        errors: requests that failed, all rounds together.
        pss_kib: proportional set size of the tree after the load, KiB.
        spread: (largest - smallest) / median of per_second over the rounds; 0 for one run.
    """

    per_second: float
    cpu_us: float
    cpu_share: float
    noise: float
    p50_us: float
    p99_us: float
    errors: int
    pss_kib: int
    spread: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Return the figures for JSON."""
        return asdict(self)


class Watch:
    """What the server's process tree, the load and others have used of their two processors since it was made.

    Args:
        pid: the root of the tree.
        cpus: the server's processor, the load's.
    """

    def __init__(self, pid: int, cpus: tuple[int, int]) -> None:
        self._pid, self._cpus = pid, cpus
        self._busy_s = [processes.busy_seconds(cpu) for cpu in cpus]
        self._used_s, self._load_s = processes.cpu_seconds(pid), processes.reaped_seconds()

    def used(self) -> tuple[float, float]:
        """Return the seconds that the tree used, and those that others used of the processor where they used most.

        Those of the load count when its process has ended.
        """
        used = processes.cpu_seconds(self._pid) - self._used_s
        load_used = processes.reaped_seconds() - self._load_s
        busy = [processes.busy_seconds(cpu) - before for cpu, before in zip(self._cpus, self._busy_s, strict=True)]
        # On a machine of one processor both run on it.
        known = (used, load_used) if self._cpus[0] != self._cpus[1] else (used + load_used,) * 2
        return used, max(0.0, *(taken - ours for taken, ours in zip(busy, known, strict=True)))


def under_load(target: running.Running, kind: str, seconds: float, cpus: tuple[int, int]) -> Measure:
    """Load a server that is up, and take its CPU time before and after. `cpus`: the server's processor, the load's.

    Raises: load.LoadError.
    """
    watch = Watch(target.pid, cpus)
    result = load.run(target.port, kind, seconds, cpus[1])
    used, noise = watch.used()
    if result.requests == 0:
        raise load.LoadError("not one request was answered")
    return Measure(
        per_second=result.per_second,
        cpu_us=used / result.requests * 1e6,
        cpu_share=used / result.seconds,
        noise=noise / result.seconds,
        p50_us=result.p50_us,
        p99_us=result.p99_us,
        errors=result.errors,
        pss_kib=processes.pss_kib(target.pid),
    )


def one_round(server: Server, kinds: tuple[str, ...], seconds: float, cpus: tuple[int, int]) -> dict[str, Measure]:
    """Start `server`, put each kind of load on it in turn, end it. `cpus`: the server's processor, the load's.

    Raises: running.NotServing, load.LoadError.
    """
    with running.serving(server, cpus[0]) as target:
        load.warm_up(target.port, kinds[0], WARM_UP_S, cpus[1])
        return {kind: under_load(target, kind, seconds, cpus) for kind in kinds}


def medians(rounds: list[Measure]) -> Measure:
    """Return the median of each figure; errors are added up. `rounds` is not empty."""
    rates = [measure.per_second for measure in rounds]
    return Measure(
        per_second=median(rates),
        cpu_us=median(measure.cpu_us for measure in rounds),
        cpu_share=median(measure.cpu_share for measure in rounds),
        noise=median(measure.noise for measure in rounds),
        p50_us=median(measure.p50_us for measure in rounds),
        p99_us=median(measure.p99_us for measure in rounds),
        errors=sum(measure.errors for measure in rounds),
        pss_kib=round(median(measure.pss_kib for measure in rounds)),
        spread=(max(rates) - min(rates)) / median(rates),
    )
