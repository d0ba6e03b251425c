"""HUP, TTIN, TTOU and USR1: what people tell a running server."""

import signal
import socket

import pytest

from support import processes
from support.client import get
from support.held import FILES as GATE
from support.held import Crowd, Gate
from support.reexec import Line
from support.server import Server

_FIRST = 'def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"first"]\n'
_SECOND = _FIRST.replace("first", "second")


def test_a_reload_brings_new_code_to_every_slot() -> None:
    """HUP: every worker is replaced, and what is served comes from the new code."""
    with Server("app:app", "-w", "4", files={"app.py": _FIRST}) as server:
        server.wait_for_log("worker ready", 4)
        before = server.worker_pids()
        server.write("app.py", _SECOND)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done generation=2")
        assert get(server.address).body == b"second"
        assert not any(processes.is_alive(pid) for pid in before)
        assert len(server.worker_pids()) == 4


def test_a_reload_says_what_it_cannot_apply() -> None:
    """A changed setting that needs a new start is named, with what holds on; the others are applied."""
    files = {"app.py": _FIRST, "heeler.conf.py": "pidfile = 'one.pid'\nworkers = 1\n"}
    with Server("app:app", files=files) as server:
        server.write("heeler.conf.py", "pidfile = 'two.pid'\nworkers = 2\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done generation=2")
        assert "setting not reloaded setting=pidfile given=two.pid in_force=one.pid" in server.log()
        assert server.log().count("setting not reloaded") == 1
        assert len(server.worker_pids()) == 2


_BROKEN = "raise RuntimeError('a secret')"


def test_what_is_not_reloaded_is_not_in_force_for_new_workers_either() -> None:
    """A worker of another dispatch would serve nobody, and one for development would show an error to everybody."""
    with Server("app:app", files={"app.py": _FIRST, "heeler.conf.py": "workers = 1\n"}, tracebacks=True) as server:
        server.write("heeler.conf.py", "workers = 1\ndispatch = 'request'\nreload = True\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done generation=2")
        assert "setting not reloaded setting=dispatch given=request in_force=kernel" in server.log()
        assert "setting not reloaded setting=reload" in server.log()
        server.wait_for_log("worker exited")
        assert get(server.address).status == 200
        server.write("app.py", _BROKEN)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed generation=3")
        assert get(server.address).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_an_arbiter_that_stops_binds_nothing_again(number: signal.Signals) -> None:
    """HUP after TERM, as systemd may send it, and after USR2: new connections are not taken to be left alone."""
    files = {"app.py": GATE["app.py"], "heeler.conf.py": "workers = 1\nreuse_port = True\n"}
    with (
        Server("app:app", files=files, exit_status=None) as server,
        Line(server) as line,
        Gate(server) as gate,
        Crowd(server) as crowd,
    ):
        (running,) = crowd.ask("/held")
        held = gate.next()
        if number == signal.SIGUSR2:
            line.replace()
        else:
            server.signal(number)
            server.wait_for_log("stopping")
        before = _listening(server.pid)
        start = server.log_size()
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGUSR1)  # is obeyed after it
        server.wait_for_log("logs reopened", start=start)
        assert _listening(server.pid) == before
        held.open()
        assert running.read_response().status == 200


def _listening(pid: int) -> int:
    """How many sockets a process has."""
    return sum(link.startswith("socket:") for link in processes.open_descriptors(pid).values())


def test_reloads_leave_no_descriptor_behind() -> None:
    """Good reloads and bad ones: in the end the arbiter holds what it held before, and so do its workers."""
    with Server("app:app", "-w", "2", files={"app.py": _FIRST}, tracebacks=True) as server:
        server.wait_for_log("worker ready", 2)
        before = [_kinds(pid) for pid in (server.pid, *server.worker_pids())]
        for generation in range(2, 8, 2):
            server.signal(signal.SIGHUP)
            server.wait_for_log(f"reload done generation={generation}")
            server.wait_for_log("worker exited", 3 * (generation // 2) - 1)
            server.write("app.py", "1 / 0")
            server.signal(signal.SIGHUP)
            server.wait_for_log(f"reload failed generation={generation + 1}")
            server.wait_for_log("worker exited", 3 * (generation // 2))
            server.write("app.py", _FIRST)
        assert [_kinds(pid) for pid in (server.pid, *server.worker_pids())] == before


def _kinds(pid: int) -> list[str]:
    """What a process holds, without the numbers that make each unique."""
    return sorted(link.partition(":[")[0] for link in processes.open_descriptors(pid).values())


@pytest.mark.parametrize("broken", ["def app(:\n", "import nothing_of_that_name\n", "raise SystemExit(1)\n"])
def test_broken_code_leaves_the_old_workers_serving(broken: str) -> None:
    """HUP with an application that does not import: nobody notices but the log."""
    with Server("app:app", "-w", "2", files={"app.py": _FIRST}, tracebacks=True) as server:
        server.wait_for_log("worker ready", 2)
        before = server.worker_pids()
        server.write("app.py", broken)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed generation=2")
        assert get(server.address).body == b"first"
        assert set(before) <= set(server.worker_pids())
        server.write("app.py", _SECOND)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done generation=3")
        assert get(server.address).body == b"second"


@pytest.mark.parametrize("broken", ["workers = \n", "raise SystemExit(1)\n", "raise KeyboardInterrupt\n"])
def test_a_broken_config_module_leaves_the_old_workers_serving(broken: str) -> None:
    """HUP with a config module that does not parse, or ends otherwise: a line in the log, nothing else happens."""
    files = {"app.py": _FIRST, "heeler.conf.py": "workers = 1\n"}
    with Server("app:app", files=files) as server:
        before = server.worker_pids()
        server.write("heeler.conf.py", broken)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed generation=2")
        assert server.worker_pids() == before
        assert get(server.address).body == b"first"
        server.write("heeler.conf.py", "workers = 3\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done")
        assert len(server.worker_pids()) == 3


def test_a_reload_that_hangs_fails_at_the_boot_deadline() -> None:
    """HUP with code that hangs in its import: the new worker is given up, the old one serves on."""
    with Server("app:app", "--boot-timeout", "1", files={"app.py": _FIRST}, tracebacks=True) as server:
        before = server.worker_pids()
        server.write("app.py", "import threading\nthreading.Event().wait()\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed generation=2")
        assert get(server.address).body == b"first"
        server.wait_for_log("worker exited")
        assert server.worker_pids() == before


def test_a_reload_may_move_the_server() -> None:
    """HUP with another address: the new one is served, and the old one is closed once nobody needs it."""
    files = {"app.py": _FIRST, "heeler.conf.py": "bind = ['127.0.0.1:0', 'unix:old.sock']\n"}
    with Server("app:app", files=files, bind=()) as server:
        server.write("heeler.conf.py", "bind = ['127.0.0.1:0', 'unix:new.sock']\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done")
        assert get(server.address).body == b"first"
        assert get(str(server.directory / "new.sock")).body == b"first"
        assert not (server.directory / "old.sock").exists()


def test_an_address_that_a_reload_gave_up_is_free() -> None:
    """Nobody listens there any more, neither the arbiter nor a worker; a later reload may go back to it."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    first, second = f"bind = '127.0.0.1:{port}'\nworkers = 2\n", "bind = 'unix:x.sock'\nworkers = 2\n"
    with Server("app:app", bind=(), files={"app.py": _FIRST, "heeler.conf.py": first}) as server:
        server.write("heeler.conf.py", second)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done generation=2")
        with pytest.raises(ConnectionRefusedError):
            get(("127.0.0.1", port))
        server.write("heeler.conf.py", first)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done generation=3")
        assert get(("127.0.0.1", port)).body == b"first"


def test_a_reload_that_cannot_bind_changes_nothing() -> None:
    """HUP with an address that is taken: the old addresses are served on."""
    files = {"app.py": _FIRST, "heeler.conf.py": "bind = ['127.0.0.1:0']\n"}
    with Server("app:app", files=files, bind=()) as server:
        server.write("heeler.conf.py", "bind = ['127.0.0.1:0', 'unix:/nowhere/x.sock']\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed")
        assert get(server.address).body == b"first"


def test_ttin_and_ttou_change_the_number_of_workers() -> None:
    """TTIN adds a worker, TTOU takes one away, and one always remains."""
    with Server("app:app", files={"app.py": _FIRST}) as server:
        server.signal(signal.SIGTTIN)
        server.wait_for_log("worker ready", 2)
        assert len(server.worker_pids()) == 2
        server.signal(signal.SIGTTOU)
        server.wait_for_log("worker exited", 1)
        server.signal(signal.SIGTTOU)
        assert get(server.address).body == b"first"
        assert len(server.worker_pids()) == 1


def test_usr1_opens_the_logs_again() -> None:
    """After the log file was moved away and USR1, all write to a new file of the old name."""
    with Server("app:app", "--error-logfile", "error.log", files={"app.py": _FIRST}) as server:
        log, moved = server.directory / "error.log", server.directory / "moved.log"
        assert "serving" in log.read_text()
        log.rename(moved)
        server.signal(signal.SIGUSR1)
        server.signal(signal.SIGTTIN)
        server.stop()
        assert "stopping" in log.read_text()
        assert "stopping" not in moved.read_text()


def test_hooks_of_the_arbiter_are_called_and_cannot_break_it() -> None:
    """Each hook runs at its moment; what one raises is logged and goes no further."""
    config = """\
def on_starting(server): server.log.info("HOOK on_starting")
def when_ready(server): server.log.info("HOOK when_ready %s", server.address)
def on_reload(server): server.log.info("HOOK on_reload")
def nworkers_changed(server, new, old): server.log.info("HOOK nworkers_changed %s %s", new, old)
def pre_fork(server, worker): server.log.info("HOOK pre_fork %s", worker.age)
def child_exit(server, worker): raise ValueError("HOOK child_exit %s" % worker.pid)
def on_exit(server): server.log.info("HOOK on_exit")
"""
    with Server("app:app", files={"app.py": _FIRST, "heeler.conf.py": config}, tracebacks=True) as server:
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done")
        assert server.stop() == 0
        for said in ("on_starting", "when_ready ['127", "on_reload", "nworkers_changed 1 None", "pre_fork 2"):
            assert f"HOOK {said}" in server.log()
        assert server.log().count("hook failed hook=child_exit") == 2
        assert server.log().rstrip().endswith("HOOK on_exit")
