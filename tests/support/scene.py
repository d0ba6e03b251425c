"""A server that is brought into a state of `signal_model`, and held in it until the test has seen enough."""

import contextlib
import json
import os
import re
import select
import signal
import sys
import time
from types import TracebackType
from typing import Final, Self

from typing_extensions import override

from support import held, processes
from support.client import Client, build_request, get
from support.server import Server
from support.signal_model import HOLDING, PID_FILE, SOCKET_FILE, State

END_S: Final = 20.0
"""How long any end is waited for at most."""

_MARK: Final = "imports-wait"
_FILES: Final = {
    "app.py": f"""\
{held.FILES["app.py"]}
if os.path.exists("{_MARK}") and "HEELER_CHECK_CONFIG" not in os.environ:
    gate = socket.socket(socket.AF_UNIX)
    gate.connect("gate")
    gate.sendall(b"%d import\\n" % os.getpid())
    while gate.recv(1):
        pass
    gate.close()
"""
}
# Nothing here ends by a deadline.
_ARGS: Final = ("-w", "1", "--pid", PID_FILE, "--graceful-timeout", "120", "--timeout", "120", "--boot-timeout", "120")
_SETTLED: Final = "logs reopened"
_TURNS: Final = 50
"""So many turns of its loop an arbiter has to reap who has ended."""


class Unready(Server):
    """A server that is not waited for, unless the test says so.

    Args are those of `Server`.
    """

    _reader = -1

    @override
    def _await_ready(self, reader: int) -> None:
        self._reader = os.dup(reader)

    def wait_for_ready(self) -> None:
        """Wait until it serves."""
        super()._await_ready(self._reader)

    @override
    def _clean_up(self, error: BaseException | None) -> None:
        super()._clean_up(error)
        if self._reader != -1:
            os.close(self._reader)


class Scene:
    """A server of one worker in a state, as long as a `with` block lasts, which is to see its end.

    Args:
        worker_class: its worker class.
        state: where the block finds it.
        args: further arguments.
    """

    def __init__(self, worker_class: str, state: State, *args: str) -> None:
        # A process that ABRT ends is to leave no core.
        python = ("prlimit", "--core=0", sys.executable)
        args = ("-k", worker_class, *_ARGS, *args)
        self.server: Final = Unready(
            "app:app", *args, bind=(f"unix:{SOCKET_FILE}",), files=_FILES, python=python, exit_status=None
        )
        self.state: Final = state
        self.path: Final = str(self.server.directory / SOCKET_FILE)
        self.pid = 0
        """The arbiter's."""
        self.successor = 0
        """The new arbiter's, while it boots."""
        self.workers = 0
        """How many serve."""
        self.imports: Final[list[held.Held]] = []
        """Those that wait."""
        self._running: tuple[Client, held.Held] | None = None
        self._waiting: Final[list[Client]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._gate = stack.enter_context(held.Gate(self.server))
            if self.state is State.BOOTING:
                self.have_imports_wait()
            stack.enter_context(self.server)
            stack.callback(self._close_clients)
            self.pid = self.server.pid
            self._begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    # -- into the state

    def _begin(self) -> None:
        if self.state is State.BOOTING:
            self.await_import()
            return
        self.server.wait_for_ready()
        self.workers = 1
        if self.state in HOLDING:
            self.hold()
        if self.state is State.DRAINING:
            self.send(signal.SIGTERM)
            self.server.wait_for_log("stopping how=graceful")
        elif self.state in (State.RELOADING, State.REEXECUTING):
            self.have_imports_wait()
            self.send(signal.SIGHUP if self.state is State.RELOADING else signal.SIGUSR2)
            self.await_import()
        if self.state is State.REEXECUTING:
            self.successor = self.find_successor(0)

    def have_imports_wait(self) -> None:
        """Have all imports wait from now on."""
        self.server.write(_MARK, "")

    def await_import(self) -> int:
        """Wait until another import waits; return the worker's process id."""
        one = self._gate.next()
        assert one.path == "import", one
        self.imports.append(one)
        return one.pid

    def hold(self) -> int:
        """Have a request run until `answer`; return the worker's process id."""
        client = self._client()
        client.send(build_request("GET", "/held"))
        self._running = client, self._gate.next()
        return self._running[1].pid

    def find_successor(self, start: int) -> int:
        """Return the process id of the new arbiter of which the log tells from there on."""
        self.server.wait_for_log("successor started pid=", start=start)
        found = re.search(r"successor started pid=(\d+)", self.server.log(start))
        assert found is not None
        return int(found[1])

    # -- what is done to it

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the arbiter."""
        os.kill(self.pid, number)

    def ask(self) -> None:
        """Send a request that may have to wait until `answer`."""
        client = self._client()
        client.send(build_request("GET", "/", {"Connection": "close"}))
        self._waiting.append(client)

    def is_answered_at_once(self) -> bool:
        """Whether a request is, where none runs, nor waits for the first worker."""
        return get(self.path).status == 200

    def answer(self) -> None:
        """Let the request that runs be answered, and see that all are that wait."""
        if self._running is not None:
            client, one = self._running
            one.open()
            assert client.read_response().status == 200
            client.close()
            self._running = None
        for client in self._waiting:
            assert client.read_response().status == 200
            client.close()
        self._waiting.clear()

    def go_on(self) -> None:
        """Let go of the imports that wait, and have none wait from now on."""
        (self.server.directory / _MARK).unlink(missing_ok=True)
        for one in self.imports:
            one.open()
        self.imports.clear()

    def _client(self) -> Client:
        return Client(self.path, END_S)

    def _close_clients(self) -> None:
        for client in self._waiting:
            client.close()
        if self._running is not None:
            self._running[0].close()

    # -- what is seen of it

    def bury_imports(self, count: int) -> None:
        """See that so many of the imports that waited have ended, and no others."""
        for _ in range(count):
            # The test's end of the socket of one that has ended is readable.
            ended = select.select([one.sock for one in self.imports], [], [], END_S)[0]
            assert ended, "no import has ended"
            (one,) = (one for one in self.imports if one.sock is ended[0])
            assert processes.wait_ended([one.pid], END_S) == []
            one.open()
            self.imports.remove(one)
        assert not select.select([one.sock for one in self.imports], [], [], 0)[0], "an import has ended"

    def settle(self) -> None:
        """See that the arbiter has dealt with all that it was sent, and reaped all who have ended."""
        for _ in range(_TURNS):
            # Of signals that wait at the same time the lowest is taken first: only what comes after
            # the answer to this one is certain to be taken after the others.
            for _ in range(2):
                start = self.server.log_size()
                self.send(signal.SIGUSR1)
                self.server.wait_for_log(_SETTLED, start=start)
            if not any(one.is_zombie for one in self._children()):
                return
        raise AssertionError(f"not reaped: {self._children()}")

    def said(self, start: int) -> str:
        """Return what stands in the log from there on, but for answers to `settle`."""
        return "".join(line for line in self.server.log(start).splitlines(True) if _SETTLED not in line)

    @property
    def is_held(self) -> bool:
        """Whether a request runs until `answer`."""
        return self._running is not None

    def wait_for_rest(self) -> None:
        """Wait until no worker has anything in its books."""
        from heeler.arbiter.running_server import open_board
        from heeler.arbiter.status import report

        board, until = open_board(self.pid), time.monotonic() + END_S
        while '"request"' in (found := json.dumps(report(board, time.monotonic_ns())["children"])):
            assert time.monotonic() < until, found

    def check_held(self) -> None:
        """See that what is to wait still does: the request that runs, and imports."""
        self.bury_imports(0)
        if self._running is not None:
            assert held.is_silent([self._running[0]], 0)

    def check(self) -> None:
        """See that it is in its state, and nobody is refused or has ended who should not."""
        assert processes.is_alive(self.pid)
        self.check_held()
        expected = self.workers + (1 if self.successor else len(self.imports))
        assert len(self._children()) == expected
        if self.state is State.IDLE:
            assert self.is_answered_at_once()
        elif self.state is not State.DRAINING:
            self.ask()

    def see_it_cut(self, start: int = 0) -> None:
        """See that the request that runs is not answered, and counted as lost, once from there on in the log."""
        if self._running is not None:
            client, one = self._running
            with client, contextlib.suppress(ConnectionResetError):
                assert client.sock.recv(1) == b""
            self.server.wait_for_log("request lost", start=start)
            assert self.server.log(start).count("request lost") == 1
            one.open()
            self._running = None

    def await_end(self, status: int) -> None:
        """Wait until the arbiter is gone, whoever else is left, and see its exit status (negative: a signal)."""
        assert processes.wait_ended([self.pid], END_S) == []
        if self.pid == self.server.pid:
            found = self.server._popen.wait()
        else:
            found = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert found == status

    def see_all_gone(self, status: int, leaves: frozenset[str] = frozenset()) -> None:
        """Wait until all of it is gone; see the arbiter's exit status, and which files are left."""
        self.await_end(status)
        family = [one.pid for one in processes.all_processes() if one.session == self.server.pid and not one.is_zombie]
        assert processes.wait_ended(family, END_S) == []
        assert {name for name in (PID_FILE, SOCKET_FILE) if (self.server.directory / name).exists()} == leaves

    def succeed(self) -> None:
        """Wait until the new arbiter alone is there."""
        if processes.is_alive(self.pid):
            self.server.wait_for_log("stopping how=handed_over")
            self.await_end(0)
        self.pid, self.successor = self.successor, 0
        assert (self.server.directory / PID_FILE).read_text() == f"{self.pid}\n"

    def _children(self) -> list[processes.Process]:
        return [one for one in processes.all_processes() if one.parent == self.pid]
