"""How much memory a worker uses, and how much it may."""

import itertools
import mmap
import os
import pathlib

import pytest

from heeler.workers import memory
from heeler.workers.messages import TOO_LARGE
from heeler.workers.quota import stagger

_MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
_SIZE = 64 << 20
_NEVER = 2**63 - 1


@pytest.mark.parametrize("kind", ["rss", "pss"])
def test_what_a_process_touches_counts(kind: str) -> None:
    """64 MB more that were written to are 64 MB more that are used; to ask by process id is the same."""
    before = memory.used_bytes(kind)
    assert before is not None
    with mmap.mmap(-1, _SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as touched:
        for at in range(0, _SIZE, mmap.PAGESIZE):
            touched[at] = 1
        used = memory.used_bytes(kind, os.getpid())
        assert used is not None
        assert _SIZE * 0.9 < used - before < _SIZE * 1.5


@pytest.mark.parametrize("kind", ["rss", "pss"])
def test_a_process_that_is_gone_uses_nothing_that_is_known(kind: str) -> None:
    """There is no process 0."""
    assert memory.used_bytes(kind, 0) is None
    assert memory.retirement(kind, 1, 0) is None


def _written(root: pathlib.Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("files", "available"),
    [
        ({}, _MACHINE),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1048576\n"}, 1 << 20),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, _MACHINE),
        (
            {
                "proc/self/cgroup": "0::/system.slice/shop.service\n",
                "sys/fs/cgroup/system.slice/shop.service/memory.max": "4194304\n",
                "sys/fs/cgroup/system.slice/memory.max": "2097152\n",
            },
            2 << 20,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/docker/1f\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "8388608\n",
            },
            8 << 20,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/a:b/c\n",
                "sys/fs/cgroup/memory/a:b/c/memory.limit_in_bytes": "3145728\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            3 << 20,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/unified/memory.max": "5242880\n"}, 5 << 20),
    ],
    ids=["none", "v2", "v2 without limit", "v2 nested", "v1 in a container", "v1 nested", "both versions"],
)
def test_what_the_server_may_use(tmp_path: pathlib.Path, files: dict[str, str], available: int) -> None:
    """The least limit of the control groups it is in, in either version, or what the machine has."""
    assert memory.available_bytes(_written(tmp_path, files)) == available


def test_a_share_is_of_what_the_server_may_use() -> None:
    """A size is a size."""
    assert memory.limit_bytes("50%") == int(memory.available_bytes() / 2)
    assert memory.limit_bytes(1 << 20) == 1 << 20


def test_a_worker_is_weighed_from_time_to_time_and_asks_once() -> None:
    """Not before it is ready, nor on each turn; and no more once it has said what there is to say."""
    scales = memory.Scales("rss", 1 << 40)
    assert scales.due_ns == _NEVER
    scales.begin()
    assert scales.due_ns == 0
    assert scales.weigh(5_000_000_000) is None
    assert scales.due_ns == 5_500_000_000
    scales = memory.Scales("pss", 1 << 20)
    why = scales.weigh(5_000_000_000)
    assert why is not None
    assert (why.reason, why.limit) == (TOO_LARGE, "1M")
    assert scales.due_ns == _NEVER
    scales = memory.Scales("rss", 0)
    scales.begin()
    assert scales.due_ns == _NEVER


@pytest.mark.parametrize(
    ("size", "text"), [(1 << 30, "1G"), (3 << 29, "1.5G"), (137_887_744, "131.5M"), (1 << 20, "1M"), (5000, "5K")]
)
def test_sizes_for_people(size: int, text: str) -> None:
    """In the largest unit there is one of."""
    assert memory.size_text(size) == text


def test_no_slot_has_the_share_of_another() -> None:
    """Neither of the jitter of requests nor of that of lifetimes."""
    shares = sorted(stagger(100.0, slot) for slot in range(1, 33))
    assert shares[0] > 0.0
    assert shares[-1] < 100.0
    assert min(larger - smaller for smaller, larger in itertools.pairwise(shares)) > 1.0
