"""How many workers `workers = auto` means, and which numbers contradict each other."""

import math
import os
import pathlib
from collections.abc import Callable

import pytest

from heeler.arbiter.config import worker_count
from heeler.arbiter.config.worker_count import WORKER_BYTES, Choice, Facts, choose, most_workers, settle
from heeler.plugins.config import Config, Value
from heeler.plugins.errors import ConfigError
from heeler.workers.auto_worker import AutoWorker
from heeler.workers.sync import SyncWorker
from heeler.workers.thread_worker import ThreadWorker

GIB = 1 << 30
FACTS = Facts(machine_cpus=8, allowed_cpus=8, quota_cpus=math.inf, memory_bytes=64 * GIB)


def one_each(cpus: float) -> int:
    """A worker for each CPU."""
    return math.ceil(cpus)


def chosen(facts: Facts, worker_bytes: int = WORKER_BYTES, least: int = 1, most: float = math.inf) -> tuple[int, str]:
    """Return how many workers there are to be, and which limit has decided."""
    choice = choose(facts, one_each, worker_bytes, least, most)
    return choice.workers, choice.decided_by


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (FACTS, (8, "cpus")),
        (Facts(8, 3, math.inf, 64 * GIB), (3, "affinity")),
        (Facts(8, 8, 1.5, 64 * GIB), (2, "cpu.max")),
        (Facts(8, 8, 0.1, 64 * GIB), (1, "cpu.max")),
        (Facts(8, 2, 6.0, 64 * GIB), (2, "affinity")),
        (Facts(8, 8, math.inf, GIB // 2), (3, "memory")),
        (Facts(8, 8, math.inf, GIB // 16), (1, "memory")),
    ],
)
def test_least_limit_decides(facts: Facts, expected: tuple[int, str]) -> None:
    """CPUs, those of them that may be used, the time of them, and memory, which keeps room for one worker more."""
    assert chosen(facts) == expected


def test_what_people_say_decides_in_the_end() -> None:
    """The bounds of the number, and how much memory a worker may use."""
    assert chosen(FACTS, least=2, most=4) == (4, "workers_max")
    assert chosen(Facts(8, 1, math.inf, GIB), least=2, most=4) == (2, "workers_min")
    assert chosen(FACTS, worker_bytes=16 * GIB) == (3, "memory")


def test_figures_are_told() -> None:
    """One line says which limit has decided, and what it was found from."""
    told = choose(Facts(8, 8, 1.5, 2 * GIB), one_each, WORKER_BYTES, 1, math.inf).fields()
    assert told == {"workers": 2, "decided_by": "cpu.max", "cpus": "1.5", "memory": "2G", "each": "128M"}


@pytest.mark.parametrize(("cpus", "expected"), [(0.5, 2), (1, 3), (1.5, 4), (4, 9)])
def test_workers_that_wait_are_more(cpus: float, expected: int) -> None:
    """A `sync` worker does nothing while its application waits; one of another class does."""
    assert SyncWorker.workers_for(cpus) == expected
    assert ThreadWorker.workers_for(cpus) == math.ceil(cpus)


@pytest.mark.parametrize(
    ("interface", "threads", "name"),
    [("", 1, "sync"), ("wsgi", 1, "sync"), ("wsgi", 4, "thread"), ("asgi", 1, "asyncio")],
)
def test_class_that_the_application_chooses_counts(interface: str, threads: int, name: str) -> None:
    """Where no class is named; and every other class is what it is."""
    assert AutoWorker.becomes(interface, threads).name == name
    assert SyncWorker.becomes(interface, threads) is SyncWorker


# -- the facts


def _written(root: pathlib.Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, math.inf),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, math.inf),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"}, math.inf),
        (
            {
                "proc/self/cgroup": "0::/shop.slice/shop.service\n",
                "sys/fs/cgroup/shop.slice/shop.service/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/shop.slice/cpu.max": "100000 50000\n",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/docker/41\n2:memory:/docker/41\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/docker/41/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu/docker/41/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/of/the/host\n0::/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
    ],
)
def test_quota_of_the_control_groups(tmp_path: pathlib.Path, files: dict[str, str], expected: float) -> None:
    """Of versions 1 and 2, the least of those that lie within each other; none where nothing is said."""
    assert worker_count.read(_written(tmp_path, files)).quota_cpus == expected


def test_memory_of_the_control_groups(tmp_path: pathlib.Path) -> None:
    """The limit counts, not what the machine has."""
    root = _written(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1048576\n"})
    assert worker_count.read(root).memory_bytes == 1 << 20


def test_affinity_is_read_afresh() -> None:
    """A reload sees what has changed since."""
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert worker_count.read().allowed_cpus == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert worker_count.read().allowed_cpus == len(allowed)


# -- the settings


def _config(given: dict[str, object]) -> Config:
    values = {"workers": 1, "workers_min": None, "workers_max": None, "max_worker_memory": 0} | given
    return Config(
        {name: Value(value, "command line" if name in given else "default") for name, value in values.items()}
    )


def settled(given: dict[str, object], facts: Callable[[], Facts] = lambda: FACTS) -> tuple[Config, Choice | None]:
    """Return what those settings come to."""
    return settle(_config(given), one_each, facts)


def test_number_is_left_alone() -> None:
    """Without `auto` nobody looks at the machine, and without bounds there are none."""

    def facts() -> Facts:
        raise AssertionError("nobody has asked")

    config, choice = settled({"workers": 4}, facts)
    assert (config.workers, config.workers_min, config.workers_max, choice) == (4, None, None, None)
    assert most_workers(config) == 4


def test_auto_becomes_a_number() -> None:
    """Its source says what was given, and what has decided."""
    config, choice = settled({"workers": "auto"})
    assert (config.workers, config.source("workers")) == (8, "command line: auto, by cpus")
    assert choice is not None and choice.decided_by == "cpus"


def test_auto_counts_the_memory_that_a_worker_may_use() -> None:
    """A size, or a share of what there is."""
    assert settled({"workers": "auto", "max_worker_memory": 16 * GIB})[0].workers == 3
    assert settled({"workers": "auto", "max_worker_memory": "25%"})[1].worker_bytes > 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"workers_min": 2, "workers_max": 6}, (2, 2, 6)),
        ({"workers": 4, "workers_min": 2, "workers_max": 6}, (4, 2, 6)),
        ({"workers": 4, "workers_min": 2}, (4, 2, 4)),
        ({"workers": 4, "workers_max": 6}, (4, 4, 6)),
        ({"workers_max": 6}, (1, 1, 6)),
        ({"workers": "auto", "workers_min": 2}, (8, 2, 8)),
        ({"workers": "auto", "workers_min": 2, "workers_max": 6}, (6, 2, 6)),
    ],
)
def test_bound_that_is_not_given_is_the_number(given: dict[str, object], expected: tuple[int, int, int]) -> None:
    """And where both are, one begins with the fewest."""
    config = settled(given)[0]
    assert (config.workers, config.workers_min, config.workers_max) == expected
    assert most_workers(config) == expected[2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"workers_min": 3, "workers_max": 2},
            "workers_min = 3 (command line): more than workers_max = 2 (command line)",
        ),
        (
            {"workers": 3, "workers_max": 2},
            "workers = 3 (command line): more than workers_max = 2 (command line)",
        ),
        (
            {"workers": 1, "workers_min": 2, "workers_max": 4},
            "workers = 1 (command line): less than workers_min = 2 (command line)",
        ),
        ({"workers_min": 2}, "workers = 1 (default): less than workers_min = 2 (command line)"),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(given: dict[str, object], message: str) -> None:
    """Both are named, and where they come from."""
    with pytest.raises(ConfigError) as caught:
        settled(given)
    assert str(caught.value) == message
