"""What the system may refuse: each ends in service, or in an end that says why, and never in a hang."""

import os
import pathlib
import signal
import sys

import pytest

from support import processes
from support.client import get
from support.faults import Watched, injected
from support.held import FILES as HELD
from support.held import Crowd, Gate, freeze, statuses
from support.reexec import Line
from support.scene import Unready
from support.server import Server

pytestmark = pytest.mark.slow

_FIRST = 'def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"first"]\n'
_SECOND = _FIRST.replace("first", "second")
_NO_MEMORY = 'reason="Cannot allocate memory"'


# -- fork


@pytest.mark.parametrize("dispatch", ["kernel", "request"])
def test_a_fork_without_memory_in_service(dispatch: str) -> None:
    """ENOMEM for those who are to replace a worker, and a listener, that died: said each time, and tried again."""
    with Server("hello:app", "-w", "1", "--dispatch", dispatch) as server:
        assert get(server.address).status == 200
        children = processes.children_of(server.pid)
        with (
            Watched(server.pid),
            injected(server.pid, f"clone,clone3,fork,vfork:error=ENOMEM:when=1..{len(children) + 1}"),
        ):
            for pid in children:
                processes.kill(pid)
            server.wait_for_log(_NO_MEMORY, len(children) + 1)
            server.wait_for_log("worker ready", 2)
            if dispatch == "request":
                server.wait_for_log("listener ready")
            assert get(server.address).status == 200
            assert server.log().count(_NO_MEMORY) == len(children) + 1


def test_a_fork_without_memory_in_a_reload() -> None:
    """HUP, and no process for the new code: the reload has failed, the old worker serves on, the next one succeeds."""
    with Server("app:app", files={"app.py": _FIRST}) as server:
        server.write("app.py", _SECOND)
        with Watched(server.pid):
            with injected(server.pid, "clone,clone3,fork,vfork:error=ENOMEM"):
                server.signal(signal.SIGHUP)
                server.wait_for_log('reload failed generation=2 reason="fork: Cannot allocate memory"')
            assert get(server.address).body == b"first"
            server.signal(signal.SIGHUP)
            server.wait_for_log("reload done generation=3")
            assert get(server.address).body == b"second"


@pytest.mark.parametrize("nth", [1, 2], ids=["check", "new arbiter"])
def test_a_fork_without_memory_in_a_reexec(nth: int) -> None:
    """USR2, and no process for the check, or for the new arbiter: the old one serves on, the next one succeeds."""
    with Server("hello:app") as server, Line(server) as line:
        with Watched(server.pid), injected(server.pid, f"clone,clone3,fork,vfork:error=ENOMEM:when={nth}"):
            start = line.ask()
            server.wait_for_log("re-exec failed", start=start)
            assert "could not be started: Cannot allocate memory" in server.log(start)
            assert get(server.address).status == 200
        line.replace()
        line.await_end_of_the_others()
        assert get(server.address).status == 200


def test_no_fork_at_all_from_the_start() -> None:
    """It says so, tries again after growing pauses, and obeys TERM."""
    user = ("setpriv", "--reuid", "54323", "--regid", "54323", "--clear-groups")
    reading = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", "--")
    with Unready("hello:app", python=("prlimit", "--nproc=1", *user, *reading, sys.executable)) as server:
        server.wait_for_log("fork failed slot=1", 4)
        assert processes.cpu_s(server.pid) < 2
        assert server.stop() == 0
        assert "stopped" in server.log()


# -- exec


def _environment_of_its_own(folder: pathlib.Path) -> pathlib.Path:
    """Return an interpreter that nobody else uses, and that has the modules of this one."""
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(os.path.realpath(sys.executable))
    (folder / "pyvenv.cfg").write_text(f"home = {pathlib.Path(os.path.realpath(sys.executable)).parent}\n")
    return python


_BREAK = """\
import os, sys

def pre_exec(server):
    if os.path.exists("break"):
        os.rename("broken", sys.executable)
"""


@pytest.mark.parametrize("at", ["check", "new arbiter"])
@pytest.mark.parametrize(
    ("mode", "reason"), [(0o644, "Permission denied"), (0o755, "No such file or directory")], ids=["EACCES", "ENOENT"]
)
def test_an_exec_that_fails(mode: int, reason: str, at: str, tmp_path: pathlib.Path) -> None:
    """The interpreter cannot be executed any more: a line says so, the old arbiter serves on; a later one succeeds."""
    python = _environment_of_its_own(tmp_path)
    modules = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    files = {"app.py": _FIRST, "heeler.conf.py": _BREAK, "broken": "#!/nowhere/python\n"}
    with Server("app:app", files=files, python=(str(python),), env=modules) as server, Line(server) as line:
        broken = server.directory / "broken"
        broken.chmod(mode)
        with Watched(server.pid):
            if at == "check":
                broken.rename(python)
            else:
                server.write("break", "")
            start = line.ask()
            server.wait_for_log("re-exec failed", start=start)
            server.wait_for_log(f"{reason}: '{python}'", start=start)
            assert get(server.address).body == b"first"
        (server.directory / "break").unlink(missing_ok=True)
        python.unlink()
        python.symlink_to(os.path.realpath(sys.executable))
        line.replace()
        line.await_end_of_the_others()
        assert get(server.address).body == b"first"


# -- accept


@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED", "EPROTO", "EPERM", "EINTR"])
@pytest.mark.parametrize("dispatch", ["kernel", "request"])
def test_accept_that_fails(dispatch: str, error: str) -> None:
    """Three times in a row: who waited is served all the same, by the same process, which did not spin."""
    with Server("hello:app", "-w", "1", "--dispatch", dispatch) as server:
        assert get(server.address).status == 200
        (pid,) = server.worker_pids() if dispatch == "kernel" else server.listener_pids()
        with Watched(pid, 1.0), injected(pid, f"accept4,accept:error={error}:when=1..3"), Crowd(server) as crowd:
            assert statuses(crowd.ask(count=5)) == [200] * 5
        children = processes.children_of(server.pid)
        assert pid in children
        if error in ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"):
            assert "accept paused" in server.log()


# -- a channel that is full


def test_a_stop_reaches_a_worker_whose_channel_was_full() -> None:
    """TERM to a server whose worker has read nothing for long: it hears of the stop once it reads, and cuts nobody."""
    with (
        Server("app:app", "-w", "1", "--graceful-timeout", "60", files=HELD) as server,
        Gate(server) as gate,
        Crowd(server) as crowd,
    ):
        (running,) = crowd.ask("/held")
        held = gate.next()
        with Watched(server.pid, 1.0):
            freeze(held.pid)
            for count in range(1, _MESSAGES + 1):
                server.signal(signal.SIGUSR1)
                server.wait_for_log("logs reopened", count)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping how=graceful")
        processes.kill(held.pid, signal.SIGCONT)
        held.open()
        assert running.read_response().status == 200
        assert server.wait() == 0
        assert "worker killed" not in server.log()


_MESSAGES = 600
"""More than the socket has room for."""
