"""`workers = auto` in a control group of the system's own."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from heeler.workers import control_group
from support.server import Server, environment

ENTER = """
import os, sys
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""Goes into a control group, and runs Python there."""

ON_ONE_CPU = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""Goes to one CPU, and runs Python there."""


class Group:
    """A control group whose CPU time is limited."""

    def __init__(self, version: int, parent: str) -> None:
        self._version = version
        self.folder = pathlib.Path(parent, f"heeler-test-{os.getpid()}")

    def make(self) -> None:
        """Make it.

        Raises:
            OSError: that is not for us to do.
        """
        self.folder.mkdir()
        try:
            self.limit(100)
        except OSError:
            self.folder.rmdir()
            raise

    def limit(self, cpus: float) -> None:
        """Have it use so many CPUs."""
        quota = int(cpus * 100_000)
        name, text = ("cpu.max", f"{quota} 100000") if self._version == 2 else ("cpu.cfs_quota_us", str(quota))
        (self.folder / name).write_text(text)

    @property
    def python(self) -> tuple[str, ...]:
        """The interpreter, in it."""
        return (sys.executable, "-c", ENTER, str(self.folder))


@pytest.fixture
def group() -> Iterator[Group]:
    """A group for a server, below the one that this process is in."""
    found = [Group(*one) for one in control_group.folders("/", "cpu")]
    for made in found:
        with contextlib.suppress(OSError):
            made.make()
            break
    else:
        pytest.skip("no control group with a limit of CPU time can be made here")
    yield made
    made.folder.rmdir()


def test_a_limit_of_the_control_group_decides(group: Group) -> None:
    """The settings say so before a start, the log at the start, and again in a reload that finds another limit."""
    group.limit(0.5)
    told = subprocess.run(
        [*group.python, "-m", "heeler", "config", "--changed", "-w", "auto", "-k", "thread"],
        env=environment({}),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert told.stdout == "workers = 1 (command line: auto, by cpu.max)\nworker_class = 'thread' (command line)\n"
    with Server("hello:app", "-w", "auto", python=group.python) as server:
        server.wait_for_log("worker ready", 2)
        assert "workers chosen workers=2 decided_by=cpu.max cpus=0.5 memory=" in server.log()
        assert len(server.worker_pids()) == 2
        group.limit(0.75)
        start = server.log_size()
        server.signal(signal.SIGHUP)
        server.wait_for_log("workers chosen workers=3 decided_by=cpu.max cpus=0.75", start=start)
        server.wait_for_log("reload done", start=start)
        assert len(server.worker_pids()) == 3


def test_affinity_decides() -> None:
    """A process that may run on one CPU has a worker there."""
    allowed = os.sched_getaffinity(0)
    if len(allowed) == os.cpu_count() == 1:
        pytest.skip("there is one CPU alone")
    limited = (sys.executable, "-c", ON_ONE_CPU, str(min(allowed)))
    with Server("hello:app", "-w", "auto", "-k", "thread", python=limited) as server:
        server.wait_for_log("worker ready")
        assert "workers chosen workers=1 decided_by=affinity cpus=1 " in server.log()
