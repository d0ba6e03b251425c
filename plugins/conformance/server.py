"""Runs a real `heeler` in processes of its own, for as long as a `with` block lasts.

    with Server("hello:app", "-w", "2") as server:
        response = get(server.address, "/")

The server binds port 0 and says where it listens over a pipe; nothing sleeps. When the
block ends the server is stopped, and no process of its family may be left.
"""

import contextlib
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import ClassVar, Final, Self

from heeler.plugins.conformance import processes
from heeler.plugins.conformance.command import environment
from heeler.plugins.conformance.output import Output

START_S: Final = 30.0
STOP_S: Final = 20.0
LOG_S: Final = 15.0


class StartError(AssertionError):
    """The server did not become ready; the text holds what it wrote."""


class Server:
    """A server, from ready to gone.

    Args:
        app: the application as on the command line, or None where the arguments or files name it.
        args: further arguments.
        bind: addresses; empty where the arguments or files say so themselves.
        env: changes to the environment, None removes a variable.
        cwd: where it starts; the server's own `directory` where None.
        files: texts by path, written to `directory` first.
        python: the interpreter and what else stands before `-m heeler`.
        pass_fds: descriptors it inherits.
        tracebacks: True where the log is expected to hold a traceback.
        exit_status: what the stop at the end of the block must give; None = anything.
        stop_timeout_s: how long that stop may take.
    """

    _running: ClassVar[set[int]] = set()
    """The servers of this process, so that none takes another for its own orphan."""
    _starting: ClassVar[threading.Lock] = threading.Lock()
    """Held while one is started: from its birth on it must stand in `_running`."""

    def __init__(
        self,
        app: str | None,
        *args: str,
        bind: Sequence[str] = ("127.0.0.1:0",),
        env: Mapping[str, str | None] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        files: Mapping[str, str] | None = None,
        python: Sequence[str] = (sys.executable,),
        pass_fds: Sequence[int] = (),
        tracebacks: bool = False,
        exit_status: int | None = 0,
        start_timeout_s: float = START_S,
        stop_timeout_s: float = STOP_S,
    ) -> None:
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="heeler-test-"))
        for path, text in (files or {}).items():
            self.write(path, text)
        self.cwd = self.directory if cwd is None else pathlib.Path(cwd)
        self._command = [*python, "-m", "heeler", *([app] if app is not None else [])]
        for one in bind:
            self._command += ["--bind", one]
        self._args = args
        self._environ = environment(env)
        self._pass_fds = tuple(pass_fds)
        self._tracebacks = tracebacks
        self._exit_status = exit_status
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self.addresses: list[str] = []
        """The addresses it serves on, as it wrote them."""

    # -- Life ----------------------------------------------------------------

    def __enter__(self) -> Self:
        processes.become_subreaper()
        self._stderr, self._stdout = Output(), Output()
        ready_reader, ready_writer = os.pipe()
        try:
            with self._starting:
                self._popen = subprocess.Popen(
                    [*self._command, "--ready-fd", str(ready_writer), *self._args],
                    env=self._environ,
                    cwd=self.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=self._stdout.writer,
                    stderr=self._stderr.writer,
                    pass_fds=(ready_writer, *self._pass_fds),
                    start_new_session=True,
                )
                self.pid: int = self._popen.pid
                self._running.add(self.pid)
            for fd in (ready_writer, self._stdout.writer, self._stderr.writer):
                os.close(fd)
            self._await_ready(ready_reader)
        except BaseException as error:
            self._clean_up(error)
            raise
        finally:
            os.close(ready_reader)
        return self

    def _await_ready(self, reader: int) -> None:
        deadline, said = time.monotonic() + self._start_timeout_s, b""
        ended = os.pidfd_open(self.pid)
        try:
            while not said.endswith(b"\n"):
                remaining_s = max(0.0, deadline - time.monotonic())
                readable = select.select([reader, ended], [], [], remaining_s)[0]
                chunk = os.read(reader, 65536) if reader in readable else b""
                said += chunk
                if not chunk:
                    raise StartError(self._start_fault(overdue=not readable))
        finally:
            os.close(ended)
        self.addresses = [line.removeprefix("http://") for line in said.decode().splitlines()]

    def _start_fault(self, *, overdue: bool) -> str:
        if overdue:
            return f"not ready after {self._start_timeout_s} s:\n{self.log()}"
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._popen.wait(self._stop_timeout_s)
            self._stderr.wait_ended(self._stop_timeout_s)
            return f"ended with status {status} before it was ready:\n{self.log()}"
        return f"closed its ready descriptor, and said nothing:\n{self.log()}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        faults: list[str] = []
        if self._popen.poll() is None:
            # What failed already is not waited for.
            timeout_s = self._stop_timeout_s if error is None else min(1.0, self._stop_timeout_s)
            status = self._stop_now(timeout_s)
            if status is None:
                faults.append(f"still running {timeout_s} s after TERM")
            elif self._exit_status is not None and status != self._exit_status:
                faults.append(f"ended with status {status}, not {self._exit_status}")
        left = processes.wait_ended([one.pid for one in self._family()], 5.0)
        faults += [f"left behind: {processes.look_up(pid)}" for pid in left]
        if not self._tracebacks and "Traceback (most recent call last)" in self.log():
            faults.append("a traceback stands in the log")
        if faults and error is None:
            fault = AssertionError("; ".join(faults))
            self._clean_up(fault)
            raise fault
        self._clean_up(error)

    def _clean_up(self, error: BaseException | None) -> None:
        """End what is left of the family; where something failed keep the folder, and note the log."""
        if hasattr(self, "_popen"):
            for one in self._family():
                processes.kill(one.pid)
            if self._popen.poll() is None:
                self._popen.kill()
            self._popen.wait(self._stop_timeout_s)
            for one in self._family(zombies=True):
                processes.wait_ended([one.pid], 5.0)
                processes.reap(one.pid)
            self._running.discard(self.pid)
        for output in (self._stderr, self._stdout):
            output.wait_ended(5.0)
        if error is not None:
            self.write("stderr.log", self.log())
            self.write("stdout.log", self.stdout())
            error.add_note(f"--- kept: {self.directory}\n--- stderr of the server:\n{self.log()}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _family(self, *, zombies: bool = False) -> list[processes.Process]:
        """Return what descends from the server, the server itself left out.

        Its session gives most of them away; one that made a session of its own is known by
        having this process for a parent once its own is gone.
        """
        with self._starting:
            us, others = os.getpid(), {os.getsid(0), *self._running} - {self.pid}
            every = processes.all_processes()
        found = []
        for one in every:
            ours = one.session == self.pid or (one.parent == us and one.session not in others)
            if ours and one.pid != self.pid:
                if one.is_zombie and one.parent == us and not zombies:
                    processes.reap(one.pid)
                elif zombies or not one.is_zombie:
                    found.append(one)
        return found

    # -- Commands ------------------------------------------------------------

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the arbiter."""
        self._popen.send_signal(number)

    def wait(self, timeout_s: float = STOP_S) -> int:
        """Wait for the arbiter's end and return its exit status (negative: the signal that ended it)."""
        status = self._popen.wait(timeout_s)
        self._stderr.wait_ended(5.0)
        return status

    def stop(self, timeout_s: float = STOP_S) -> int:
        """Send TERM and return the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def _stop_now(self, timeout_s: float) -> int | None:
        try:
            return self.stop(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def write(self, path: str, text: str) -> pathlib.Path:
        """Write a file below the server's own folder and return its path."""
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    # -- Looks ---------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int]:
        """The first TCP address as (host, port)."""
        text = next(one for one in self.addresses if not one.startswith(("unix:", "fd:")))
        host, _, port = text.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def url(self) -> str:
        """The first TCP address as a URL without a path."""
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def worker_pids(self) -> list[int]:
        """Return the arbiter's living children that serve requests."""
        return [pid for pid in processes.children_of(self.pid) if not _is(pid, "listener", "watcher", "mold")]

    def listener_pids(self) -> list[int]:
        """Return the arbiter's living children that accept connections for others."""
        return [pid for pid in processes.children_of(self.pid) if _is(pid, "listener")]

    def mold_pids(self) -> list[int]:
        """Return the arbiter's living children from which workers are forked."""
        return [pid for pid in processes.children_of(self.pid) if _is(pid, "mold")]

    def log(self, start: int = 0) -> str:
        """Return what the server has written to stderr, from the byte `start` on."""
        return self._stderr.text(start)

    def log_size(self) -> int:
        """Return how much it has written: a `start` for a later look."""
        return self._stderr.size()

    def stdout(self) -> str:
        """Return what the server has written to stdout."""
        return self._stdout.text()

    def wait_for_log(self, phrase: str, count: int = 1, *, start: int = 0, timeout_s: float = LOG_S) -> None:
        """Wait until `phrase` stands `count` times in the log, counted from the byte `start`."""
        if not self._stderr.wait_for(phrase, count, start, timeout_s):
            seen = self.log(start).count(phrase)
            raise AssertionError(f"{phrase!r} stands {seen} times in the log, not {count}:\n{self.log(start)}")

    def wait_for_stdout(self, phrase: str, count: int = 1, *, timeout_s: float = LOG_S) -> None:
        """Wait until `phrase` stands `count` times in what it wrote to stdout."""
        if not self._stdout.wait_for(phrase, count, 0, timeout_s):
            raise AssertionError(f"{phrase!r} is not {count} times in:\n{self.stdout()}")


def _is(pid: int, *roles: str) -> bool:
    return processes.title(pid).startswith(tuple(f"heeler: {role}" for role in roles))
