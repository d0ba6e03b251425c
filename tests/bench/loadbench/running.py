"""A server under test: started on a free port and one processor, seen to answer, ended with its whole process group."""

import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loadbench import processes
from loadbench.environment import APPS, HOME, LOGS
from loadbench.servers import Server

BOOT_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
GREETING = b"Hello, world!"
LISTENER = "heeler: listener"  # the title of the process that hands out, where one does


class NotServing(Exception):
    """The server did not start, or does not answer as the application would."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. `pid` is the root of its process tree."""

    pid: int
    port: int


def free_port() -> int:
    """Return a TCP port that nobody has on 127.0.0.1 right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def argv(server: Server, port: int) -> list[str]:
    """Return the command line of `server` with every placeholder filled in."""
    programs = HOME / server.environment / "bin"
    values = {"bin": str(programs), "python": str(programs / "python"), "port": str(port)}
    return [word.format(**values) for word in shlex.split(server.command)]


def fetch(port: int, timeout_s: float = 2.0) -> bytes:
    """Send one plain request and return all that comes back on the connection.

    Raises: OSError while nobody listens, or the answer takes longer than `timeout_s`.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        received = bytearray()
        while not received.endswith(GREETING):
            data = client.recv(65536)
            if not data:
                break
            received += data
        return bytes(received)


def wait_ready(process: subprocess.Popen[bytes], port: int, deadline: float) -> None:
    """Wait until the server gives the application's answer.

    Raises: NotServing when it ends, or does not answer before `deadline` (monotonic seconds).
    """
    problem = "it did not listen"
    while time.monotonic() < deadline:
        try:
            answer = fetch(port)
        except OSError as error:
            problem = str(error)
        else:
            if answer.startswith(b"HTTP/1.") and answer[8:13] == b" 200 " and answer.endswith(GREETING):
                return
            problem = f"it answered {answer[:80]!r}"
        try:
            # The pause between two attempts, cut short by the server's end.
            status = process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
        raise NotServing(f"ended with status {status}")
    raise NotServing(f"not ready after {BOOT_TIMEOUT_S:g} s: {problem}")


def has_listener(server: Server) -> bool:
    """Tell whether the row is to have a listener process."""
    return any(f"--dispatch {mode} " in server.command for mode in ("connection", "request"))


def end(process: subprocess.Popen[bytes]) -> None:
    """End the server: TERM to its first process, then KILL to whatever is left of its process group."""
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_line(log: Path) -> str:
    """Return the last line that is not blank of a log, or nothing."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


@contextmanager
def serving(server: Server, cpu: int | str) -> Iterator[Running]:
    """Run `server` on processor `cpu`, ready when the block is entered, gone when it is left.

    Raises: NotServing, with the last line the server wrote, or where it lacks the listener that it should have.
    """
    port = free_port()
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{server.name}.log"
    command = ["taskset", "-c", str(cpu), *argv(server, port)]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            cwd=APPS,
            env={**environ, "PYTHONPATH": str(APPS)},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        try:
            wait_ready(process, port, time.monotonic() + BOOT_TIMEOUT_S)
        except NotServing as error:
            raise NotServing(f"{error}; {last_line(log)}") from error
        if has_listener(server) and not processes.titled(process.pid, LISTENER):
            raise NotServing("it serves, but has no listener process: this --dispatch is not in force")
        yield Running(process.pid, port)
    finally:
        end(process)
