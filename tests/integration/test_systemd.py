"""What the server tells systemd, as systemd hears it: on a real socket for datagrams."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from support import gate, processes
from support.client import Client, get
from support.reexec import Line
from support.server import Server, StartError, heeler
from support.service_manager import ServiceManager, passing

_APP = """\
import json, os

NAMES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS")

def app(environ, start_response):
    start_response("200 OK", [])
    return [json.dumps([name for name in NAMES if name in os.environ]).encode()]
"""

_ONE_IS_LATE = """\
import os

try:
    os.close(os.open("first", os.O_CREAT | os.O_EXCL))
except FileExistsError:
    with open("gate") as gate:
        gate.read()

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""
"""Of two workers, one boots at once, and the other once the gate is opened."""
_ONLY_SERVING = 'import os\nif "HEELER_CHECK_CONFIG" not in os.environ:\n    '
"""The beginning of an application that a check finds nothing wrong with."""


@pytest.fixture(name="systemd")
def _systemd() -> Iterator[ServiceManager]:
    with ServiceManager() as manager:
        yield manager


def read_all(systemd: ServiceManager, server: Server) -> list[str]:
    """Stop the server, and return all that was said of its start, its reloads and its end."""
    assert server.stop() == 0
    systemd.hear_all()
    assert {heard.pid for heard in systemd.heard} == {server.pid}
    return systemd.said("READY", "RELOADING", "STOPPING")


@pytest.mark.parametrize("abstract", [False, True])
def test_a_service_says_that_it_is_ready_and_that_it_stops(abstract: bool) -> None:
    """Once each, in this order, by the arbiter itself; and no child knows where to say anything."""
    with ServiceManager(abstract=abstract) as systemd:
        variables = {**systemd.env, "WATCHDOG_USEC": "60000000"}
        with Server("app:app", "-w", "2", env=variables, files={"app.py": _APP}) as server:
            heard = systemd.wait_for("READY=1")
            assert (heard.value("STATUS") or "").startswith("serving, ")
            assert heard.value("MAINPID") is None  # it is the one that systemd has started
            assert json.loads(get(server.address).text) == []
            assert read_all(systemd, server) == ["READY=1", "STOPPING=1"]
            said = systemd.said("READY", "STATUS")
            assert said[0] == "STATUS=starting, 0 of 2 workers"
            assert said[-1] == "STATUS=stopping, 0 workers left"
            assert said.index("READY=1") > 0


@pytest.mark.slow
def test_a_service_is_ready_with_its_first_worker(systemd: ServiceManager) -> None:
    """The other one is still in its boot."""
    server = Server("app:app", "-w", "2", env=systemd.env, files={"app.py": _ONE_IS_LATE})
    os.mkfifo(server.directory / "gate")
    with server:
        systemd.wait_for("READY=1", "STATUS=serving, 1 of 2 workers")
        assert read_all(systemd, server) == ["READY=1", "STOPPING=1"]


def test_a_service_may_be_ready_with_its_last_worker(systemd: ServiceManager) -> None:
    """`notify_ready = all`: not as long as one of them is in its boot."""
    args = ("-w", "2", "--notify-ready", "all")
    server = Server("app:app", *args, env=systemd.env, files={"app.py": _ONE_IS_LATE})
    os.mkfifo(server.directory / "gate")
    with server:
        systemd.wait_for("STATUS=serving, 1 of 2 workers")
        assert get(server.address).status == 200
        (server.directory / "gate").write_text("")
        systemd.wait_for("READY=1", "STATUS=serving, 2 workers")
        assert read_all(systemd, server) == ["READY=1", "STOPPING=1"]


def test_a_reload_is_told_from_its_begin_to_its_end(systemd: ServiceManager) -> None:
    """RELOADING and the time in one datagram; READY once nobody of the old generation is left."""
    with Server("hello:app", "-w", "2", env=systemd.env) as server:
        systemd.wait_for("READY=1")
        before = time.monotonic_ns() // 1000
        server.signal(signal.SIGHUP)
        begun = systemd.wait_for("RELOADING=1")
        assert before <= int(begun.value("MONOTONIC_USEC") or 0) <= time.monotonic_ns() // 1000
        systemd.wait_for("READY=1", "STATUS=serving, 2 workers")
        server.wait_for_log("reload done")
        assert read_all(systemd, server) == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_a_reload_that_fails_ends_too(systemd: ServiceManager) -> None:
    """The new code does not boot: READY, and STATUS says why the old code serves on."""
    with Server("app:app", env=systemd.env, files={"app.py": _APP}, tracebacks=True) as server:
        systemd.wait_for("READY=1")
        server.write("app.py", "raise RuntimeError('no such table')")
        server.signal(signal.SIGHUP)
        ended = systemd.wait_for("READY=1")
        assert ended.value("STATUS") == "serving, 1 worker; reload failed: RuntimeError: no such table"
        server.write("app.py", _APP)
        server.signal(signal.SIGHUP)
        assert systemd.wait_for("READY=1").value("STATUS") == "serving, 1 worker"
        assert read_all(systemd, server) == [*["READY=1", "RELOADING=1"] * 2, "READY=1", "STOPPING=1"]


def test_a_reload_that_is_refused_ends_at_once(systemd: ServiceManager) -> None:
    """The settings are wrong: RELOADING, then READY, and STATUS names the setting."""
    files = {"app.py": _APP, "heeler.conf.py": "workers = 1"}
    with Server("app:app", env=systemd.env, files=files) as server:
        systemd.wait_for("READY=1")
        server.write("heeler.conf.py", "workers = 'many'")
        server.signal(signal.SIGHUP)
        systemd.wait_for("RELOADING=1")
        assert "reload failed: workers = 'many'" in (systemd.wait_for("READY=1").value("STATUS") or "")
        assert read_all(systemd, server) == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_a_stop_in_the_midst_of_a_reload_is_told_as_a_stop(systemd: ServiceManager) -> None:
    """No READY comes after STOPPING, though the reload is over with it."""
    server = Server("app:app", env=systemd.env, files={"app.py": _APP})
    os.mkfifo(server.directory / "gate")
    with server:
        systemd.wait_for("READY=1")
        server.write("app.py", "open('gate').read()")
        server.signal(signal.SIGHUP)
        systemd.wait_for("RELOADING=1")
        assert read_all(systemd, server) == ["READY=1", "RELOADING=1", "STOPPING=1"]


@pytest.mark.slow
def test_the_watchdog_is_fed_by_a_loop_that_turns(systemd: ServiceManager) -> None:
    """Again and again; but not while the arbiter is stuck in a hook."""
    files = {"app.py": _APP, "heeler.conf.py": "def on_reload(server):\n    open('gate').read()\n"}
    server = Server("app:app", env={**systemd.env, "WATCHDOG_USEC": "400000"}, files=files)
    os.mkfifo(server.directory / "gate")
    with server:
        systemd.wait_for("READY=1")
        for _ in range(3):
            systemd.wait_for("WATCHDOG=1")
        server.signal(signal.SIGHUP)
        systemd.wait_for("RELOADING=1")
        with pytest.raises(TimeoutError):
            systemd.hear(timeout_s=1.0)
        (server.directory / "gate").write_text("")
        systemd.wait_for("READY=1")
        systemd.wait_for("WATCHDOG=1")


def test_a_watchdog_for_another_process_is_not_fed(systemd: ServiceManager) -> None:
    """WATCHDOG_PID is somebody else."""
    variables = {**systemd.env, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": str(os.getpid())}
    with Server("hello:app", env=variables) as server:
        assert get(server.address).status == 200
        read_all(systemd, server)
        assert systemd.said("WATCHDOG") == []


@pytest.mark.slow
def test_a_drain_asks_for_more_time(systemd: ServiceManager) -> None:
    """With STOPPING, and again and again as long as a request is answered."""
    with Server("app:app", env=systemd.env, files=gate.FILES) as server:
        systemd.wait_for("READY=1")
        waiting = gate.Waiting(server)
        server.signal(signal.SIGTERM)
        systemd.wait_for("STOPPING=1", "EXTEND_TIMEOUT_USEC=6000000", "STATUS=stopping, 1 worker left")
        systemd.wait_for("EXTEND_TIMEOUT_USEC=6000000")
        assert waiting.open().status == 200
        assert server.wait() == 0


def test_a_quick_drain_asks_for_nothing(systemd: ServiceManager) -> None:
    """It may not last longer than a moment."""
    with Server("hello:app", "--graceful-timeout", "1", env=systemd.env) as server:
        read_all(systemd, server)
        assert systemd.said("EXTEND_TIMEOUT_USEC") == []


def test_a_start_that_fails_says_why(systemd: ServiceManager, tmp_path: pathlib.Path) -> None:
    """STATUS has the last line of the application's traceback."""
    (tmp_path / "app.py").write_text("raise RuntimeError('no such table')")
    done = heeler("app:app", "-b", "127.0.0.1:0", env=systemd.env, cwd=tmp_path)
    assert done.status == 3
    systemd.hear_all()
    assert systemd.said("READY") == []
    assert systemd.said("STATUS")[-1] == "STATUS=start failed: RuntimeError: no such table"


@pytest.mark.parametrize("address", ["/nowhere/at/all", "vsock:2:1234"])
def test_a_server_whom_nobody_hears_serves_all_the_same(address: str) -> None:
    """One line says so, however often it has something to tell."""
    with Server("hello:app", env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"}) as server:
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done")
        assert get(server.address).status == 200
        assert server.stop() == 0
        assert server.log().count("systemd not told") == 1


def test_a_systemd_that_is_busy_is_told_later(systemd: ServiceManager) -> None:
    """There is no room for a datagram: the server serves, and says that it is ready once there is."""
    filled = systemd.fill()
    with Server("hello:app", env=systemd.env) as server:
        assert get(server.address).status == 200
        for _ in range(filled):
            assert systemd.hear().lines == ("X_FILLED=1",)
        systemd.wait_for("READY=1")
        assert "systemd not told" not in server.log()


def test_a_daemon_says_which_process_it_is(systemd: ServiceManager, tmp_path: pathlib.Path) -> None:
    """It is not the one that systemd has started; its pid file is there before systemd reads it."""
    pidfile = tmp_path / "x.pid"
    processes.become_subreaper()
    done = heeler("hello:app", "-b", "127.0.0.1:0", "--daemon", "--pid", str(pidfile), env=systemd.env)
    assert done.status == 0, done.stderr
    pid = int(pidfile.read_text())
    try:
        assert systemd.wait_for("READY=1").value("MAINPID") == str(pid)
    finally:
        processes.kill(pid, signal.SIGTERM)
        assert processes.wait_ended([pid], 10.0) == []
        processes.reap(pid)
    systemd.wait_for("STOPPING=1")


# -- another arbiter takes over


def test_a_new_arbiter_is_announced_by_the_old_one(systemd: ServiceManager) -> None:
    """MAINPID by the one that systemd believes; from then on only the new one speaks, and no stop is told."""
    with Server("app:app", "-w", "2", env=systemd.env, files={"app.py": _APP}) as server, Line(server) as line:
        systemd.wait_for("STATUS=serving, 2 workers")
        systemd.hear_all()
        systemd.forget()
        line.replace()
        announced = systemd.wait_for("MAINPID=")
        assert announced.lines == (f"MAINPID={line.pid}",)
        systemd.wait_for("READY=1", "STATUS=serving, 2 workers")
        line.await_end_of_the_others()
        assert json.loads(get(server.address).text) == []
        systemd.hear_all()
        at = systemd.heard.index(announced) + 1
        assert {heard.pid for heard in systemd.heard[:at]} == {server.pid}
        assert {heard.pid for heard in systemd.heard[at:]} == {line.pid}
        assert systemd.said("READY", "STOPPING", "RELOADING") == ["READY=1"]
        processes.kill(line.pid, signal.SIGTERM)
        assert systemd.wait_for("STOPPING=1").pid == line.pid


def test_a_new_arbiter_keeps_silent_until_it_is_announced(systemd: ServiceManager) -> None:
    """There is no room for MAINPID: the old one stays until there is, with all else done, and the new one waits too."""
    with Server("hello:app", env=systemd.env) as server, Line(server) as line:
        systemd.wait_for("READY=1")
        systemd.hear_all()
        filled = systemd.fill()
        line.replace()
        server.wait_for_log("worker exited")
        assert get(server.address).status == 200
        for _ in range(filled):
            assert systemd.hear().lines == ("X_FILLED=1",)
        assert systemd.hear().lines == (f"MAINPID={line.pid}",)
        assert systemd.wait_for("READY=1").pid == line.pid
        line.await_end_of_the_others()


@pytest.mark.parametrize(
    ("guard", "who"), [("", "the check of the new command"), (_ONLY_SERVING, "the new arbiter")], ids=["check", "boot"]
)
def test_a_re_exec_that_fails_is_told_by_the_old_arbiter(systemd: ServiceManager, guard: str, who: str) -> None:
    """STATUS says why it serves on; the new one has said nothing."""
    with Server("app:app", env=systemd.env, files={"app.py": _APP}, tracebacks=True) as server:
        systemd.wait_for("READY=1")
        server.write("app.py", guard + "raise RuntimeError('no such table')\n" + _APP)
        server.signal(signal.SIGUSR2)
        systemd.wait_for(f"STATUS=serving, 1 worker; re-exec failed: {who}: RuntimeError: no such table")
        server.write("app.py", _APP)
        assert read_all(systemd, server) == ["READY=1", "STOPPING=1"]


def test_passed_sockets_and_the_watchdog_go_on_to_a_new_arbiter(systemd: ServiceManager) -> None:
    """Under their names, those too that are not served yet; and it is the new one that is watched."""
    with socket.create_server(("127.0.0.1", 0)) as web, socket.create_server(("127.0.0.1", 0)) as admin:
        python, fds = passing(web, admin, names="web:admin"), (web.fileno(), admin.fileno())
        variables, conf = {**systemd.env, "WATCHDOG_USEC": "60000000"}, "bind = ['fd://{}']\n"
        files = {"app.py": _APP, "heeler.conf.py": conf.format("admin")}
        with (
            Server("app:app", bind=(), env=variables, files=files, python=python, pass_fds=fds) as server,
            Line(server) as line,
        ):
            assert systemd.wait_for("READY=1").pid == server.pid
            for sock, name, other in ((admin, "admin", "web"), (web, "web", "admin")):
                server.write("heeler.conf.py", conf.format(name))
                start = server.log_size()
                line.replace()
                assert systemd.wait_for("READY=1", "WATCHDOG=1").pid == line.pid
                line.await_end_of_the_others()
                address = "{}:{}".format(*sock.getsockname())
                server.wait_for_log(f"socket inherited address={address} name={name}", start=start)
                server.wait_for_log(f"socket not served name={other}", start=start)
                assert json.loads(get(sock.getsockname()).text) == []


def test_systemd_keeps_what_a_new_arbiter_has_bound(systemd: ServiceManager) -> None:
    """The new one says so, once it is believed; the old one has nothing removed at its end."""
    conf = "bind = ['unix:{}.sock', 'unix:b.sock']; fd_store = True\n"
    files = {"app.py": _APP, "heeler.conf.py": conf.format("a")}
    with Server("app:app", bind=(), env=systemd.env, files=files) as server, Line(server) as line:
        systemd.wait_for("READY=1")
        systemd.hear_all()
        systemd.forget()
        server.write("heeler.conf.py", conf.format("c"))
        line.replace()
        systemd.wait_for("READY=1")
        line.await_end_of_the_others()
        systemd.hear_all()
        assert systemd.said("FDSTORE", "FDNAME", "FDSTOREREMOVE") == [
            *("FDSTOREREMOVE=1", "FDNAME=heeler-bind-unix%3Aa.sock"),
            *("FDSTORE=1", "FDNAME=heeler-bind-unix%3Ac.sock"),
            *("FDSTORE=1", "FDNAME=heeler-bind-unix%3Ab.sock"),  # systemd knows that it has this one
        ]
        assert {heard.pid for heard in systemd.heard if heard.value("FDNAME")} == {line.pid}
        processes.kill(line.pid, signal.SIGTERM)
        systemd.wait_for("FDSTOREREMOVE=1", "FDNAME=heeler-bind-unix%3Ab.sock")


# -- socket activation


def test_passed_sockets_are_served_and_named() -> None:
    """Each with the name that systemd has for it; `bind` is for a start without systemd."""
    with socket.create_server(("127.0.0.1", 0)) as web, socket.create_server(("127.0.0.1", 0)) as admin:
        python, fds = passing(web, admin, names="web:admin"), (web.fileno(), admin.fileno())
        with Server("hello:app", python=python, pass_fds=fds) as server:
            for sock, name in ((web, "web"), (admin, "admin")):
                address = "{}:{}".format(*sock.getsockname())
                server.wait_for_log(f"socket inherited address={address} name={name}")
                assert get(sock.getsockname()).status == 200


def test_a_passed_socket_is_meant_by_its_name() -> None:
    """Beside another address; what is not meant is not served, and the log says so."""
    with socket.create_server(("127.0.0.1", 0)) as web, socket.create_server(("127.0.0.1", 0)) as admin:
        python, fds = passing(web, admin, names="web:admin"), (web.fileno(), admin.fileno())
        with Server("hello:app", bind=("fd://admin", "127.0.0.1:0"), python=python, pass_fds=fds) as server:
            assert server.addresses[0] == "{}:{}".format(*admin.getsockname())
            assert len(server.addresses) == 2
            assert get(admin.getsockname()).status == 200
            server.wait_for_log("socket not served name=web")


def test_a_passed_socket_comes_back_with_a_later_reload() -> None:
    """A reload gives it up, and the next one serves it again: its number has not become something else's."""
    files = {"app.py": _APP, "heeler.conf.py": "bind = ['fd://web', 'unix:x.sock']"}
    with socket.create_server(("127.0.0.1", 0)) as web:
        python = passing(web, names="web")
        with Server("app:app", bind=(), python=python, pass_fds=(web.fileno(),), files=files) as server:
            for count, bind in enumerate(("['unix:x.sock']", "['unix:x.sock', 'fd://web']"), 1):
                server.write("heeler.conf.py", f"bind = {bind}")
                server.signal(signal.SIGHUP)
                server.wait_for_log("reload done", count)
            assert get(web.getsockname()).status == 200
            assert get(str(server.directory / "x.sock")).status == 200


def test_a_name_that_systemd_has_not_passed_is_refused() -> None:
    """Status 69, and one line that has the names that there are."""
    done = heeler("hello:app", "-b", "fd://web")
    assert done.status == 69
    assert done.stderr == (
        "heeler: error: cannot listen on fd://web: no socket of that name was passed;"
        " there are no names (LISTEN_FDNAMES)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as sock:
        python = passing(sock, names="admin")
        with pytest.raises(StartError, match="no socket of that name was passed; there is: admin"):
            Server("hello:app", bind=("fd://web",), python=python, pass_fds=(sock.fileno(),)).__enter__()


# -- sockets that systemd keeps


@pytest.mark.slow
@pytest.mark.parametrize("args", [(), ("--dispatch", "request"), ("--dispatch", "reuseport"), ("unix",)])
def test_a_crash_of_the_arbiter_turns_nobody_away(
    systemd: ServiceManager, tmp_path: pathlib.Path, args: tuple[str, ...]
) -> None:
    """Who connects while there is no server waits in the queues that systemd keeps, and the next server answers."""
    path = tmp_path / "x.sock"
    bind, options = ((f"unix:{path}",), ()) if args == ("unix",) else (("127.0.0.1:0",), args)
    sockets = 2 if "reuseport" in args else 1
    options = ("-w", "2", "--fd-store", *options)
    with Server("hello:app", *options, bind=bind, env=systemd.env, exit_status=None) as server:
        kept = [systemd.wait_for("FDSTORE=1") for _ in range(sockets)]
        systemd.wait_for("READY=1")
        address = str(path) if args == ("unix",) else server.address
        family = processes.children_of(server.pid)
        server.signal(signal.SIGKILL)
        server.wait()
        assert processes.wait_ended(family, 15.0) == []
    names = ":".join(heard.value("FDNAME") or "" for heard in kept)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket(fileno=heard.fds[0])) for heard in kept]
        clients = [stack.enter_context(Client(address)) for _ in range(8)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        python, fds = passing(*socks, names=names), [one.fileno() for one in socks]
        server = Server("hello:app", *options, bind=bind, env=systemd.env, python=python, pass_fds=fds)
        with server:
            assert address == str(path) or server.address == address
            assert [client.read_response().status for client in clients] == [200] * 8
            assert server.stop() == 0
            systemd.wait_for("FDSTOREREMOVE=1", f"FDNAME={kept[0].value('FDNAME')}")
            systemd.wait_for("STOPPING=1")
        assert not path.exists()


def test_systemd_keeps_what_is_bound_after_a_reload(systemd: ServiceManager) -> None:
    """What the new settings bind too, and no more what only the old ones did; a reload that fails changes nothing."""
    files = {"app.py": _APP, "heeler.conf.py": "bind = ['unix:a.sock', 'unix:b.sock']; fd_store = True"}
    with Server("app:app", bind=(), env=systemd.env, files=files, tracebacks=True) as server:
        systemd.wait_for("READY=1")
        assert systemd.said("FDNAME") == ["FDNAME=heeler-bind-unix%3Aa.sock", "FDNAME=heeler-bind-unix%3Ab.sock"]
        for app, end in (("1 / 0", "reload failed"), (_APP, "reload done")):
            systemd.forget()
            server.write("app.py", app)
            server.write("heeler.conf.py", "bind = ['unix:c.sock', 'unix:b.sock']; fd_store = True")
            server.signal(signal.SIGHUP)
            server.wait_for_log(end)
            systemd.wait_for("READY=1")
            gone = "c" if end == "reload failed" else "a"
            assert systemd.said("FDSTORE", "FDNAME", "FDSTOREREMOVE") == [
                *("FDSTORE=1", "FDNAME=heeler-bind-unix%3Ac.sock"),
                *("FDSTOREREMOVE=1", f"FDNAME=heeler-bind-unix%3A{gone}.sock"),
            ]


def test_what_was_kept_and_is_not_wanted_any_more_is_given_up(systemd: ServiceManager) -> None:
    """The settings have changed since: the port is free for whoever asks for it now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        host, port = sock.getsockname()
        python = passing(sock, names=f"heeler-bind-elsewhere%3A{port}")
        with Server("hello:app", "--fd-store", env=systemd.env, python=python, pass_fds=(sock.fileno(),)) as server:
            assert server.address != (host, port)
            systemd.wait_for("READY=1")
            said = systemd.said("FDSTORE", "FDSTOREREMOVE", "FDNAME")
            assert said == [
                *("FDSTOREREMOVE=1", f"FDNAME=heeler-bind-elsewhere%3A{port}"),
                *("FDSTORE=1", "FDNAME=heeler-bind-127.0.0.1%3A0"),
            ]


def test_systemd_keeps_nothing_unless_it_is_asked_to(systemd: ServiceManager) -> None:
    """What a socket unit has made is its own; what the server binds is gone with it."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        passed = passing(sock, names="web")
        for args, python, fds in (((), (sys.executable,), ()), (("--fd-store",), passed, (sock.fileno(),))):
            with Server("hello:app", *args, env=systemd.env, python=python, pass_fds=fds) as server:
                assert get(server.address).status == 200
                assert server.stop() == 0
            systemd.hear_all()
            assert systemd.said("FDSTORE", "FDSTOREREMOVE") == []
