"""USR2: another arbiter takes the place of the one that serves, or does not, and nobody notices."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import sys
import threading
from collections.abc import Iterator

import pytest

from support import processes
from support.client import get
from support.load import Load
from support.reexec import Line
from support.server import APPS, Server, heeler

_FIRST = 'def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"first"]\n'
_SECOND = _FIRST.replace("first", "second")
_ONLY_SERVING = 'import os, threading\nif "HEELER_CHECK_CONFIG" not in os.environ:\n    '
"""The beginning of an application that a check finds nothing wrong with."""
_HANGS = _ONLY_SERVING + "threading.Event().wait()\n" + _SECOND


# -- nothing is lost


@pytest.mark.slow
@pytest.mark.parametrize(
    "args",
    [
        ("-k", "sync"),
        ("-k", "asyncio"),
        ("-k", "sync", "--dispatch", "reuseport"),
        ("-k", "sync", "--dispatch", "request"),
        ("-k", "asyncio", "--dispatch", "connection"),
    ],
    ids=["sync", "asyncio", "reuseport", "request", "connection"],
)
def test_two_in_a_row_under_load_lose_nothing(args: tuple[str, ...]) -> None:
    """USR2 twice under 8 kept connections and 100 new ones a second: every request is answered."""
    with Server("hello:app", "-w", "2", *args) as server, Line(server) as line:
        server.wait_for_log("worker ready", 2)
        with Load(server, keeping=8) as load:
            for _ in range(2):
                load.go_on(50)
                line.replace()
            line.await_end_of_the_others()
            load.go_on(50)
        assert load.lost == []
        assert len(load.new_s) > 50
        assert server._popen.poll() == 0, "something was cut"


@pytest.mark.slow
def test_on_a_unix_socket_nothing_is_lost_and_its_file_stays(tmp_path: pathlib.Path) -> None:
    """The file is the same one all along, and goes with the last arbiter."""
    path = tmp_path / "x.sock"
    bind = (f"unix:{path}", "unix:@heeler-test-" + str(os.getpid()), "127.0.0.1:0")
    with Server("hello:app", "-w", "2", bind=bind) as server, Line(server) as line:
        before = path.stat().st_ino
        with Load(str(path), keeping=8) as load:
            for _ in range(2):
                load.go_on(50)
                line.replace()
                assert get(server.address).status == 200
                with socket.socket(socket.AF_UNIX) as abstract:
                    abstract.connect("\0" + bind[1].removeprefix("unix:@"))
            line.await_end_of_the_others()
            load.go_on(50)
        assert load.lost == []
        assert path.stat().st_ino == before
    assert not path.exists()


# -- what the new one is


def test_the_new_arbiter_runs_new_code_with_new_settings_at_the_addresses_it_is_to_have() -> None:
    """What is bound already is kept, whatever it is called now; the rest is bound, or given up."""
    old = f"old-{os.getpid()}.sock"
    first = f"workers = 1\nbind = ['127.0.0.1:0', 'unix:{old}', 'unix:both.sock']\n"
    with Server("app:app", bind=(), files={"app.py": _FIRST, "heeler.conf.py": first}) as server, Line(server) as line:
        port = server.address[1]
        both = (server.directory / "both.sock").stat().st_ino
        server.write("app.py", _SECOND)
        second = f"workers = 2\nbind = ['127.0.0.1:{port}', 'unix:new.sock', 'unix:./both.sock']\n"
        server.write("heeler.conf.py", second)
        line.replace()
        line.await_end_of_the_others()
        for address in (server.address, str(server.directory / "new.sock"), str(server.directory / "both.sock")):
            assert get(address).body == b"second"
        assert (server.directory / "both.sock").stat().st_ino == both
        assert not (server.directory / old).exists()
        assert len(processes.children_of(line.pid)) == 2
        assert old not in pathlib.Path("/proc/net/unix").read_text(), "given up, and still open"


@pytest.mark.parametrize(("before", "after"), [("kernel", "reuseport"), ("reuseport", "kernel"), ("kernel", "request")])
def test_the_dispatch_may_be_another_one(before: str, after: str) -> None:
    """Also from one socket for all to one for each slot, and back: the port stays, and no queue is closed."""
    conf = "workers = 2\ndispatch = '{}'\n"
    with (
        Server("app:app", files={"app.py": _FIRST, "heeler.conf.py": conf.format(before)}) as server,
        Line(server) as line,
    ):
        server.wait_for_log("worker ready", 2)
        server.write("heeler.conf.py", conf.format(after))
        with Load(server, keeping=2) as load:
            line.replace()
            line.await_end_of_the_others()
            load.go_on(20)
        assert load.lost == []


def test_a_descriptor_from_elsewhere_is_handed_down() -> None:
    """`fd://N`: the new arbiter has it under the same number, though it is nobody's to bind again."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        bind = (f"fd://{sock.fileno()}",)
        with Server("hello:app", bind=bind, pass_fds=(sock.fileno(),)) as server, Line(server) as line:
            for _ in range(2):
                line.replace()
                line.await_end_of_the_others()
                assert get(server.address).status == 200


def test_it_is_started_as_the_first_one_was(tmp_path: pathlib.Path) -> None:
    """The console script, its relative path, its environment, and a directory that is a link to another one by now."""
    releases = [tmp_path / name for name in ("one", "two")]
    app = """\
import os

def app(environ, start_response):
    start_response("200 OK", [])
    return [" ".join([NAME, os.environ.get("MARK", ""), os.environ.get("X", "")]).encode()]
"""
    for release in releases:
        (release / "bin").mkdir(parents=True)
        (release / "app.py").write_text(app.replace("NAME", repr(release.name)))
        script = release / "bin" / "heeler"
        script.write_text(f"#!{sys.executable} -I\nfrom heeler.arbiter.cli import main\nraise SystemExit(main())\n")
        script.chmod(0o755)
    current = tmp_path / "current"
    current.symlink_to(releases[0])
    hook = "def pre_exec(server): server.log.info('HOOK pre_exec %s', server.pid)\nraw_env = ['X=1']\n"
    (releases[0] / "heeler.conf.py").write_text(hook)
    launch = ("-c", "import os, sys; os.chdir(sys.argv[1]); os.execv('bin/heeler', ['heeler', *sys.argv[4:]])")
    env = {"PWD": str(current), "MARK": "kept"}
    with (
        Server("app:app", env=env, python=(sys.executable, *launch, str(current))) as server,
        Line(server) as line,
    ):
        assert get(server.address).text == "one kept 1"
        current.unlink()
        current.symlink_to(releases[1])
        line.replace()
        line.await_end_of_the_others()
        assert get(server.address).text == "two kept "
        assert f"HOOK pre_exec {server.pid}" in server.log()


def test_the_counts_go_on() -> None:
    """What the old workers have answered is counted by the new arbiter, up to the last response."""
    with Server("hello:app") as server, Line(server) as line:
        for _ in range(3):
            get(server.address)
        line.replace()
        line.await_end_of_the_others()
        get(server.address)
        line.replace()
        server.wait_for_log("stopped", 2)
        found = json.loads(heeler("status", "--json", "--pid", str(line.pid)).stdout)
        assert found["gone"]["requests"] == 4
        assert sum(found["gone"]["latency"]) == 4


# -- what fails


def _expect_the_old_one(server: Server, line: Line, start: int, reason: str) -> None:
    """See that the attempt has failed for that reason, in one line, and left no trace but that."""
    server.wait_for_log("re-exec failed", start=start)
    server.wait_for_log(reason, start=start)
    assert server.log(start).count("re-exec failed") == 1
    assert get(server.address).body == b"first"
    assert (server.directory / "x.pid").read_text() == f"{line.pid}\n"
    shown = heeler("status", "--pid", str(line.pid))
    assert "re-exec failed" in shown.stdout, shown
    assert stat.S_ISSOCK((server.directory / "x.sock").stat().st_mode)


@contextlib.contextmanager
def _served(*args: str, **files: str) -> Iterator[tuple[Server, Line]]:
    """A server with a pid file, a Unix socket and a TCP socket, whose application is `_FIRST`."""
    every = {"app.py": _FIRST, **{f"{name}.py": text for name, text in files.items()}}
    bind = ("127.0.0.1:0", "unix:x.sock")
    server = Server("app:app", "--pid", "x.pid", *args, files=every, bind=bind, tracebacks=True)
    with server, Line(server) as line:
        yield server, line


def test_a_broken_application_is_found_out_before_anything_is_started() -> None:
    """The check fails: the log has the traceback; the next attempt, with better code, succeeds."""
    with _served() as (server, line):
        server.write("app.py", "1 / 0\n")
        start = line.ask()
        _expect_the_old_one(server, line, start, "ZeroDivisionError: division by zero")
        assert "successor started" not in server.log()
        server.write("app.py", _SECOND)
        line.replace()
        line.await_end_of_the_others()
        assert get(server.address).body == b"second"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (_ONLY_SERVING + "1 / 0\n" + _SECOND, "ZeroDivisionError: division by zero"),
        (_HANGS, "not ready within boot_timeout = 1 s"),
        ("import threading\nthreading.Event().wait()\n", "the check of the new command: not done within boot_timeout"),
    ],
    ids=["raises", "hangs", "hangs in the check"],
)
def test_an_application_that_does_not_boot_in_the_new_one_is_rolled_back(text: str, reason: str) -> None:
    """It raises, or hangs until `boot_timeout`: the new arbiter is gone, the old one serves on."""
    with _served("--boot-timeout", "1") as (server, line):
        server.write("app.py", text)
        start = line.ask()
        _expect_the_old_one(server, line, start, reason)
        server.write("app.py", _SECOND)
        if "not done" in reason:  # what was given up takes a moment to end, and until then no other is begun
            server.wait_for_log("re-exec over", start=start)
        line.replace()
        line.await_end_of_the_others()
        assert get(server.address).body == b"second"


def test_an_arbiter_that_hangs_or_is_killed_is_rolled_back() -> None:
    """Its hook never returns: it is ended at the deadline. It is killed: the same at once."""
    hook = "import os, threading\ndef on_starting(server):\n    if os.path.exists('hang'): threading.Event().wait()\n"
    with _served("--boot-timeout", "1", "-c", "conf.py", conf=hook) as (server, line):
        server.write("hang", "")
        start = line.ask()
        _expect_the_old_one(server, line, start, "the new arbiter: not done within boot_timeout = 1 s")
        server.wait_for_log("re-exec over", start=start)
        start = line.ask()
        processes.kill(line.started(start))
        _expect_the_old_one(server, line, start, "the new arbiter: signal SIGKILL")


def test_a_pid_file_that_cannot_be_written_rolls_it_back() -> None:
    """It is found out late, when all workers of the new arbiter serve; what that took over is the old one's again."""
    files = {"app.py": _FIRST, "run/x.pid": ""}
    with Server("app:app", "--pid", "run/x.pid", files=files, bind=("127.0.0.1:0", "unix:x.sock")) as server:
        shutil.rmtree(server.directory / "run")
        server.signal(signal.SIGUSR2)
        server.wait_for_log("re-exec failed")
        assert "cannot be written" in server.log()
        assert get(str(server.directory / "x.sock")).body == b"first"
        assert get(server.address).body == b"first"


def test_logs_that_are_moved_away_meanwhile_are_opened_again_by_both() -> None:
    """USR1 to the old arbiter, the only one that the pid file names: the new one writes to the new file, too."""
    with _served("--error-logfile", "error.log") as (server, line):
        log, gate = server.directory / "error.log", server.directory / "gate"
        os.mkfifo(gate)
        waits = "import sys; print('booting', file=sys.stderr, flush=True); open('gate').read()\n"
        server.write("app.py", _ONLY_SERVING + waits + _SECOND)
        line.ask()
        server.wait_for_log("booting")
        log.rename(server.directory / "moved.log")
        server.signal(signal.SIGUSR1)
        while not log.exists() or "logs reopened" not in log.read_text():
            assert get(server.address).body == b"first"
        gate.open("w").close()
        assert processes.wait_ended([server.pid], 20.0) == []
        line.pids.append(int((server.directory / "x.pid").read_text()))
        assert get(server.address).body == b"second"
        os.kill(line.pid, signal.SIGTERM)
        assert processes.wait_ended([line.pid], 20.0) == []
        assert f"[{line.pid}] INFO  stopping" in log.read_text()


def test_only_one_at_a_time() -> None:
    """Another USR2, HUP and TTIN are refused meanwhile, each with a line; a stop ends old and new."""
    with _served() as (server, line):
        server.write("app.py", _HANGS)
        start = line.ask()
        new = line.started(start)
        line.ask()
        server.wait_for_log('re-exec refused reason="one is under way"')
        server.signal(signal.SIGHUP)
        server.wait_for_log('reload failed generation=2 reason="a re-exec is under way"')
        server.signal(signal.SIGTTIN)
        server.wait_for_log('workers not changed reason="a re-exec is under way"')
        assert get(server.address).body == b"first"
        assert server.stop() == 0
        assert not processes.is_alive(new)
        assert "re-exec given up" in server.log(start)
        assert not (server.directory / "x.pid").exists()
        assert not (server.directory / "x.sock").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_of_the_old_one_after_the_new_one_has_taken_over_ends_only_the_old_one(number: signal.Signals) -> None:
    """TERM changes nothing, since it drains already; what is in flight there is served."""
    with _served() as (server, line):
        old = line.pid
        line.replace()
        processes.kill(old, number)
        assert processes.wait_ended([old], 20.0) == []
        assert server._popen.wait() == 0
        assert get(server.address).body == b"first"


def test_the_new_one_goes_on_where_the_old_one_dies_in_its_boot(tmp_path: pathlib.Path) -> None:
    """KILL of the old arbiter: the new one has the sockets, and takes over all the rest."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with _served() as (server, line):
        server.write("app.py", _ONLY_SERVING + f"open({str(gate)!r}).read()\n" + _SECOND)
        start = line.ask()
        line.pids.append(line.started(start))
        processes.kill(server.pid)
        server.wait_for_log("taken over")
        threading.Thread(target=lambda: gate.open("w").close(), daemon=True).start()
        server.wait_for_log("worker ready", 2)
        assert get(server.address).body == b"second"
        assert (server.directory / "x.pid").read_text() == f"{line.pid}\n"


def test_a_new_one_that_cannot_write_its_pid_file_serves_where_the_old_one_is_dead(tmp_path: pathlib.Path) -> None:
    """There is nobody to leave the place to; it says so, and obeys a reload as any other."""
    gate, directory = tmp_path / "gate", tmp_path / "run"
    os.mkfifo(gate)
    directory.mkdir()
    files = {"app.py": _FIRST, "heeler.conf.py": f"workers = 1\npidfile = '{directory / 'x.pid'}'\n"}
    with Server("app:app", files=files, exit_status=None) as server, Line(server) as line:
        server.write("app.py", _ONLY_SERVING + f"open({str(gate)!r}).read()\n" + _SECOND)
        start = line.ask()
        line.pids.append(line.started(start))
        shutil.rmtree(directory)
        processes.kill(server.pid)
        server.wait_for_log("pid file not written")
        server.wait_for_log("taken over")
        threading.Thread(target=lambda: gate.open("w").close(), daemon=True).start()
        server.wait_for_log("worker ready", 2)
        assert get(server.address).body == b"second"
        server.write("app.py", _FIRST)
        server.write("heeler.conf.py", "workers = 1\n")
        os.kill(line.pid, signal.SIGHUP)
        server.wait_for_log("reload done")
        assert get(server.address).body == b"first"


# -- the pid file, and the background


class _Watcher:
    """Reads a pid file again and again; it must name one of the arbiters at every moment."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.seen: list[str] = []

    def __enter__(self) -> list[str]:
        self._thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._over.wait(0.0005):
            text = self._path.read_text() if self._path.exists() else "missing"
            if text not in self.seen[-1:]:
                self.seen.append(text)


def test_the_pid_file_names_who_serves_at_every_moment() -> None:
    """The old arbiter until the new one serves, from then on that; it is never missing, never half written."""
    with _served("-w", "2") as (server, line), _Watcher(server.directory / "x.pid") as seen:
        line.replace()
        line.replace()
        line.await_end_of_the_others()
    assert seen == [f"{pid}\n" for pid in line.pids]
    assert not (server.directory / "x.pid").exists()


def test_a_daemon_is_replaced_by_a_daemon(tmp_path: pathlib.Path) -> None:
    """It belongs to no terminal either, and the pid file leads to it; WINCH sends its workers away, HUP brings them."""
    path, pidfile, log = tmp_path / "x.sock", tmp_path / "x.pid", tmp_path / "error.log"
    processes.become_subreaper()
    args = ("-D", "-b", f"unix:{path}", "--pid", str(pidfile), "--error-logfile", str(log))
    done = heeler("hello:app", *args)
    assert done.status == 0, done.stderr
    old = new = int(pidfile.read_text())
    session = os.getsid(old)
    try:
        with Load(str(path), keeping=2) as load:
            os.kill(old, signal.SIGUSR2)
            assert processes.wait_ended([old], 20.0) == []
            load.go_on(20)
        assert load.lost == []
        new = int(pidfile.read_text())
        assert new != old
        assert os.getsid(new) == session != os.getsid(0)
        assert os.readlink(f"/proc/{new}/fd/2") == "/dev/null"
        workers = processes.children_of(new)
        os.kill(new, signal.SIGWINCH)
        assert processes.wait_ended(workers, 20.0) == []
        os.kill(new, signal.SIGHUP)
        assert get(str(path)).status == 200
    finally:
        for pid in {old, new}:
            processes.kill(pid, signal.SIGTERM)
            assert processes.wait_ended([pid], 20.0) == []
            processes.reap(pid)
    assert not path.exists()


def test_what_a_program_serves_cannot_be_executed_again(tmp_path: pathlib.Path) -> None:
    """`heeler.run`: USR2 is refused, with a line that says why."""
    program = (
        "import heeler, sys\nfrom hello import app\nheeler.run(app, bind='127.0.0.1:0', ready_fd=int(sys.argv[-1]))\n"
    )
    path = tmp_path / "program.py"
    path.write_text(program)
    launch = (
        sys.executable,
        "-c",
        f"import runpy, sys; sys.path.insert(0, {str(APPS)!r}); runpy.run_path({str(path)!r})",
    )
    with Server(None, bind=(), python=launch) as server:
        server.signal(signal.SIGUSR2)
        server.wait_for_log("re-exec refused")
        assert get(server.address).status == 200
