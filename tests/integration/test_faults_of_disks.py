"""Disks that are full of the server's own files: logs, and the pid file."""

import contextlib
import pathlib
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from support import processes
from support.client import get
from support.faults import Watched
from support.server import WORKER_CLASSES, Server, heeler

pytestmark = pytest.mark.slow

_ROOM = 64 << 10


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder that holds `_ROOM` bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@contextlib.contextmanager
def _full(disk: pathlib.Path) -> Iterator[None]:
    """The disk holds nothing more as long as the block lasts."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 512):
            pass
    yield
    ballast.unlink()


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_logs_on_a_full_disk(worker_class: str, disk: pathlib.Path) -> None:
    """All is served, reloaded and reopened; once there is room, the log goes on, and says how much is missing."""
    error = disk / "all.log"  # the lines of requests fill what the file has of the disk already
    args = ("-k", worker_class, "-w", "1", "--error-logfile", str(error), "--access-logfile", str(error))
    with Server("hello:app", *args) as server:
        assert get(server.address).status == 200
        (worker,) = server.worker_pids()
        with Watched(server.pid):
            with _full(disk):
                for _ in range(100):
                    assert get(server.address).status == 200
                size = error.stat().st_size
                server.signal(signal.SIGUSR1)
                server.signal(signal.SIGHUP)
                assert processes.wait_ended([worker], 20.0) == []
                assert get(server.address).status == 200
                assert error.stat().st_size == size, "the disk was not full"
            server.signal(signal.SIGTTIN)
            _wait_for_line(server, error, "log lines lost count=")
            _wait_for_line(server, error, "worker ready slot=2")
            assert get(server.address).status == 200
            server.signal(signal.SIGTTOU)
            _wait_for_line(server, error, "worker exited slot=2")
        assert server.log() == "", "what does not fit elsewhere is not for stderr"
        assert server.stop() == 0
        assert error.read_text().rstrip().endswith("stopped")


def _wait_for_line(server: Server, path: pathlib.Path, phrase: str) -> None:
    """Wait until a file holds a phrase."""
    until = time.monotonic() + 20.0
    while phrase not in path.read_text():
        assert time.monotonic() < until, f"{phrase!r} does not come: {path.read_text()[-2000:]}"
        assert processes.wait_ended([server.pid], 0.01) == [server.pid]


def test_a_start_with_its_logs_on_a_full_disk(disk: pathlib.Path) -> None:
    """It starts, serves and stops as ever."""
    args = ("--error-logfile", str(disk / "error.log"), "--access-logfile", str(disk / "access.log"))
    with _full(disk), Server("hello:app", *args) as server:
        assert get(server.address).status == 200
        assert server.stop() == 0


def test_a_start_with_its_pid_file_on_a_full_disk(disk: pathlib.Path) -> None:
    """One line and an exit status: whoever waits for the pid file must not wait in vain."""
    with _full(disk):
        done = heeler("hello:app", "-b", "127.0.0.1:0", "--pid", str(disk / "x.pid"))
    assert done.status == 78
    assert len(done.stderr.splitlines()) == 1
    assert "No space left on device" in done.stderr
    assert list(disk.iterdir()) == []
