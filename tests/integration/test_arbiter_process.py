"""The server as a process among others: pid file, background, user, title, status."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator

import pytest

from support import processes, readable
from support.client import get
from support.gate import FILES, Waiting
from support.server import APPS, Server, environment, heeler

_EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "examples"


def test_the_pid_file_stands_while_the_server_runs() -> None:
    """It holds the arbiter's process id, and is gone at the end."""
    with Server("app:app", "--pid", "x.pid", files=FILES) as server:
        path = server.directory / "x.pid"
        assert path.read_text() == f"{server.pid}\n"
        server.stop()
        assert not path.exists()


def test_a_pid_file_in_use_is_refused_and_a_stale_one_replaced() -> None:
    """A second server with the same pid file does not start; a file that a crash has left is no obstacle."""
    with Server("app:app", "--pid", "x.pid", files=FILES) as server:
        path = server.directory / "x.pid"
        done = heeler("hello:app", "-b", "127.0.0.1:0", "--pid", str(path))
        assert done.status == 78
        assert f"process {server.pid} is running" in done.stderr
        assert path.read_text() == f"{server.pid}\n"
    with Server("app:app", "--pid", "x.pid", files={**FILES, "x.pid": f"{server.pid}\n"}) as server:
        assert (server.directory / "x.pid").read_text() == f"{server.pid}\n"


def test_titles_say_who_is_who() -> None:
    """The process list shows the arbiter, each worker with its slot, and the server's name."""
    with Server("app:app", "-w", "2", "--name", "shop", files=FILES) as server:
        server.wait_for_log("worker ready", 2)
        titles = {_title(pid) for pid in (server.pid, *server.worker_pids())}
        assert titles == {"heeler: arbiter [shop]", "heeler: worker 1 [shop]", "heeler: worker 2 [shop]"}


def _title(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0")


def test_workers_hold_no_descriptor_of_the_arbiter_or_of_each_other() -> None:
    """A worker's only way to the arbiter is its own channel; an end too many would hide an end-of-file."""
    with Server("app:app", "-w", "3", files=FILES) as server:
        server.wait_for_log("worker ready", 3)
        arbiter = processes.open_descriptors(server.pid)
        for pid in server.worker_pids():
            mine = set(processes.open_descriptors(pid).values())
            shared = {link for link in arbiter.values() if link.startswith("socket:")} & mine
            assert len(shared) == 1, "the listening socket and nothing else"


def test_workers_give_up_root() -> None:
    """With `user` and `group` the workers run as these, without root's groups; who is not root is refused."""
    if os.geteuid() != 0:
        done = heeler("hello:app", "--user", "nobody", "-b", "127.0.0.1:0")
        assert done.status == 3
        assert "needs root" in done.stderr
        return
    server = Server("app:app", "--user", "nobody", "--group", "65534", files=FILES, python=readable.python())
    server.directory.chmod(0o755)
    with server:
        status = pathlib.Path(f"/proc/{server.worker_pids()[0]}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert set(fields["Uid"].split()) == {"65534"}
        assert set(fields["Gid"].split()) == {"65534"}
        assert fields["Groups"].split() == ["65534"]
        assert os.stat(f"/proc/{server.pid}").st_uid == 0


def test_a_check_imports_the_application_as_the_user_of_the_workers() -> None:
    """The application may belong to somebody who is not to become root: its code does not run as root."""
    app = "import os\nprint('uid', os.getuid())\ndef app(environ, start_response): ...\n"
    command = [*readable.python(), "-m", "heeler", "app:app", "--check-config", "--user", "65534"]
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "app.py").write_text(app)
        pathlib.Path(folder).chmod(0o755)
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if os.geteuid() == 0:
        assert done.stdout.startswith("uid 65534\n"), done.stderr
    else:
        assert "needs root" in done.stderr


def test_the_arbiter_stays_small() -> None:
    """Under 20 MiB of memory with a Flask application in its only worker, since the arbiter never imports it."""
    with Server(f"{_EXAMPLES / 'flask_app.py'}:app", "-w", "1") as server:
        assert get(server.address).status == 200
        (worker,) = server.worker_pids()
        pss_kib = processes.memory_kib(server.pid)
        print(f"PSS of the arbiter {pss_kib} KiB, of its worker {processes.memory_kib(worker)} KiB")
        assert pss_kib < 20 << 10


# -- in the background


def test_a_daemon_returns_once_it_serves(tmp_path: pathlib.Path) -> None:
    """The command ends with 0 when the first worker is ready, and the server goes on by itself."""
    path = tmp_path / "x.sock"
    pidfile = tmp_path / "x.pid"
    with _stopped_afterwards(pidfile):
        done = heeler("hello:app", "-D", "-b", f"unix:{path}", "--pid", str(pidfile))
        assert done.status == 0, done.stderr
        assert get(str(path)).status == 200
        assert os.getsid(int(pidfile.read_text())) != os.getsid(0)
    assert not path.exists()


def test_the_scaler_brings_workers_back_that_were_sent_away(tmp_path: pathlib.Path) -> None:
    """`heeler scale auto` after WINCH: as many as at the start, since a load that nobody serves is not seen."""
    path, pidfile, log = tmp_path / "x.sock", tmp_path / "x.pid", tmp_path / "log"
    args = ("--workers-min", "1", "--workers-max", "4", "--error-logfile", str(log))
    with _stopped_afterwards(pidfile):
        done = heeler("hello:app", "-D", "-b", f"unix:{path}", "--pid", str(pidfile), *args)
        assert done.status == 0, done.stderr
        worker = processes.children_of(int(pidfile.read_text()))
        os.kill(int(pidfile.read_text()), signal.SIGWINCH)
        assert processes.wait_ended(worker, 10.0) == []
        assert heeler("scale", "auto", "--pidfile", str(pidfile)).status == 0
        assert get(str(path)).status == 200
    assert 'workers changed workers=1 before=0 by="heeler scale"' in log.read_text()


@contextlib.contextmanager
def _stopped_afterwards(pidfile: pathlib.Path) -> Iterator[None]:
    processes.become_subreaper()
    pid = 0
    try:
        yield
        pid = int(pidfile.read_text())
    finally:
        pid = pid or int(pidfile.read_text())
        processes.kill(pid, signal.SIGTERM)
        assert processes.wait_ended([pid], 10.0) == []
        processes.reap(pid)


def test_a_daemon_that_cannot_start_says_so(tmp_path: pathlib.Path) -> None:
    """The failure of the background is the failure of the command: text and exit status."""
    (tmp_path / "broken.py").write_text("1 / 0\n")
    done = heeler("broken:app", "-D", "-b", "127.0.0.1:0", cwd=tmp_path)
    assert done.status == 3
    assert "ZeroDivisionError" in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = heeler("hello:app", "-D", "-b", f"127.0.0.1:{taken.getsockname()[1]}", cwd=APPS)
    assert done.status == 69
    assert len(done.stderr.splitlines()) == 1


# -- status


def test_status_shows_what_each_worker_is_in() -> None:
    """`heeler status` names the request in flight, without asking the server; a worker's pid will do too."""
    with Server("app:app", "-w", "2", "--pid", "x.pid", files=FILES) as server:
        server.wait_for_log("worker ready", 2)
        get(server.address)
        waiting = Waiting(server)
        done = heeler("status", "--pidfile", str(server.directory / "x.pid"))
        assert done.status == 0, done.stderr
        assert f"arbiter {server.pid}" in done.stdout
        assert "GET /wait" in done.stdout
        assert "secret" not in done.stdout
        found = json.loads(heeler("status", "--json", "--pid", str(server.worker_pids()[0])).stdout)
        waiting.open()
    assert [child["slot"] for child in found["children"]] == [1, 2]
    assert {child["state"] for child in found["children"]} == {"ready"}
    assert [one["request"] for child in found["children"] for one in child["running"]] == ["GET /wait"]


def test_status_shows_a_reload_that_has_failed() -> None:
    """The operator sees it without reading the log, until the next one."""
    with Server("app:app", files=FILES, tracebacks=True) as server:
        server.write("app.py", "1 / 0\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed")
        assert "reload failed" in heeler("status", "--pid", str(server.pid)).stdout


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--pid", "4194303"), "there is no process 4194303"),
        (("--pid", str(os.getppid())), "is no Heeler"),
        (("--pidfile", "/nowhere"), "holds no process id"),
    ],
)
def test_status_of_what_is_not_there_is_one_line(args: tuple[str, ...], says: str) -> None:
    """No traceback, one line, and a status that is not 0."""
    done = heeler("status", *args)
    assert done.status == 1
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr
