"""The sample worker class `resp`: accept loop and life cycle, without HTTP."""

import contextlib
import json
import os
import pathlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from support import processes
from support.client import Client
from support.samples import install
from support.server import Server, heeler

STORE = "heeler_resp.store"
LARGE = b"x" * 8_000_000
GATED = """\
import sys

def app(name, *words):
    sys.stderr.write("command begun\\n")
    return open("gate", "rb").read()
"""
FAILING = """\
def app(name, *words):
    if name == b"EXIT":
        raise SystemExit(3)
    raise RuntimeError("on purpose")
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder into which pip has installed the sample."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, "heeler_resp")
    return folder


def serving(site: pathlib.Path, app: str | None, *args: str, **options: Any) -> Server:
    """Return a server of the class."""
    return Server(app, "-k", "resp", *args, env={"PYTHONPATH": str(site)}, **options)


@pytest.fixture
def server(site: pathlib.Path) -> Iterator[Server]:
    """One worker, with a store."""
    with serving(site, STORE, "--keep-alive", "30") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A connection to it."""
    with Client(server.address) as client:
        yield client


def command(*words: bytes) -> bytes:
    """Return a command as it is sent."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def ask(client: Client, *words: bytes) -> bytes:
    """Send a command; return the first line of its reply."""
    client.send(command(*words))
    return line(client)


def line(client: Client) -> bytes:
    """Return a line that comes, with its end."""
    return client.read_until(b"\r\n") + b"\r\n"


def child(server: Server) -> dict[str, Any]:
    """Return the figures of the only worker."""
    done = heeler("status", "--json", "--pid", str(server.pid))
    (found,) = json.loads(done.stdout)["children"]
    return dict(found)


# -- the protocol


def test_clients_of_redis_are_served(server: Server) -> None:
    """redis-py takes it for a Redis, as far as it goes: alone, in pipelines, and side by side."""
    host, port = server.address
    with redis.Redis(host, port, protocol=2) as one, redis.Redis(host, port, protocol=2) as two:
        assert one.ping() is True
        assert one.echo("wuff") == b"wuff"
        assert one.set("dog", "Rex\r\n") is True
        assert two.get("dog") == b"Rex\r\n"
        assert two.get("cat") is None
        with one.pipeline(transaction=False) as pipeline:
            for _ in range(1000):
                pipeline.incr("count")
            assert pipeline.execute() == list(range(1, 1001))
        assert two.mget("dog", "cat", "count") == [b"Rex\r\n", None, b"1000"]
        assert two.delete("dog", "cat") == 1
        with pytest.raises(redis.ResponseError, match="unknown command"):
            one.lpush("list", "x")
        with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
            one.execute_command("GET")


def test_people_are_served(client: Client) -> None:
    """A line is a command, and `QUIT` is the end."""
    client.send(b"ping\nECHO woof\r\n\r\nQUIT\r\nPING\r\n")
    assert client.read_to_end() == b"+PONG\r\n$4\r\nwoof\r\n+OK\r\n"


def test_commands_may_come_in_pieces(client: Client) -> None:
    """However they are cut; and several at once."""
    client.send_pieces(bytes([byte]) for byte in command(b"SET", b"k", b"\r\n*$") + command(b"GET", b"k") * 2)
    assert client.read_bytes(5 + 2 * 10) == b"+OK\r\n" + b"$4\r\n\r\n*$\r\n" * 2


def test_clients_that_are_slow_to_read_keep_nobody_waiting(server: Server, client: Client) -> None:
    """What they do not take waits for them, and no more of their commands are run meanwhile."""
    assert ask(client, b"SET", b"large", LARGE) == b"+OK\r\n"
    before = child(server)["requests"]
    client.send(command(b"GET", b"large") * 50)
    with Client(server.address) as other:
        assert ask(other, b"PING") == b"+PONG\r\n"
    assert child(server)["requests"] - before < 10
    for _ in range(50):
        assert line(client) == b"$%d\r\n" % len(LARGE)
        assert client.read_bytes(len(LARGE) + 2) == LARGE + b"\r\n"


def test_what_is_no_command_is_refused(server: Server, client: Client) -> None:
    """With what it is about, and the end; what came before is answered."""
    client.send(command(b"PING") + b"*1\r\nGET / HTTP/1.1\r\n\r\n" + command(b"PING"))
    assert client.read_to_end() == b"+PONG\r\n-ERR Protocol error: expected $ and a number\r\n"
    assert child(server)["refused"] == 1


def test_failing_application(site: pathlib.Path) -> None:
    """The client is told no more than that, the log has the rest, and the worker goes on."""
    with serving(site, "app", files={"app.py": FAILING}, tracebacks=True) as server, Client(server.address) as client:
        assert ask(client, b"ANY", b"secret") == b"-ERR internal error\r\n"
        assert ask(client, b"PING") == b"+PONG\r\n"
        server.wait_for_log("command failed command=b'ANY'")
        server.wait_for_log("on purpose")
        assert "secret" not in server.log()


def test_no_application_is_needed(site: pathlib.Path) -> None:
    """What the worker class answers itself, it answers."""
    with serving(site, None) as server, Client(server.address) as client:
        assert ask(client, b"PING") == b"+PONG\r\n"
        assert ask(client, b"GET", b"x") == b"-ERR unknown command b'GET'\r\n"


# -- limits and counts


def test_commands_are_counted(server: Server, client: Client) -> None:
    """With how they ended, and the bytes."""
    sent = [command(b"SET", b"a", b"b"), command(b"GET", b"a"), command(b"NONE")]
    client.send(b"".join(sent))
    replies = b"+OK\r\n$1\r\nb\r\n-ERR unknown command b'NONE'\r\n"
    assert client.read_bytes(len(replies)) == replies
    found = child(server)
    assert (found["connections"], found["accepted"], found["capacity"], found["in_flight"]) == (1, 1, 1, 0)
    assert (found["requests"], found["status_2xx"], found["status_4xx"]) == (3, 2, 1)
    assert (found["bytes_in"], found["bytes_out"]) == (len(b"".join(sent)), len(replies))


@contextlib.contextmanager
def at_the_gate(server: Server) -> Iterator[Client]:
    """A command that runs until `let_through`."""
    os.mkfifo(server.directory / "gate")
    with Client(server.address) as client:
        client.send(command(b"WAIT", b"secret"))
        server.wait_for_log("command begun")
        yield client


def let_through(server: Server) -> None:
    """Have it answered."""
    threading.Thread(target=lambda: (server.directory / "gate").write_bytes(b"through"), daemon=True).start()


def test_command_in_flight_is_named(site: pathlib.Path) -> None:
    """By its name alone: the rest may be a secret. A worker that dies in it leaves a line in the log."""
    with serving(site, "app", files={"app.py": GATED}) as server:
        with at_the_gate(server):
            found = child(server)
            assert [found["in_flight"], *(each["request"] for each in found["running"])] == [1, "WAIT"]
            (pid,) = server.worker_pids()
            os.kill(pid, signal.SIGKILL)
            server.wait_for_log("worker ready", 2)
        assert "WAIT" in server.log() and "secret" not in server.log()
        with Client(server.address) as client:
            assert ask(client, b"PING") == b"+PONG\r\n"


def test_idle_clients_are_let_go(site: pathlib.Path) -> None:
    """After `keepalive`; new ones after `header_timeout`, and those within a command after `body_timeout`."""
    args = ("--keep-alive", "0.3", "--header-timeout", "0.3", "--body-timeout", "0.3")
    with serving(site, STORE, *args) as server, contextlib.ExitStack() as stack:
        kept, silent, slow = (stack.enter_context(Client(server.address)) for _ in range(3))
        assert ask(kept, b"PING") == b"+PONG\r\n"
        slow.send(command(b"PING")[:-1])
        assert [client.read_to_end() for client in (kept, silent, slow)] == [b"", b"", b""]
        assert [child(server)[name] for name in ("connections", "timeouts")] == [0, 1]


def test_no_keep_alive(site: pathlib.Path) -> None:
    """`--keep-alive 0` ends a connection after what has come together is answered."""
    with serving(site, STORE, "--keep-alive", "0") as server, Client(server.address) as client:
        client.send(command(b"PING") * 3)
        assert client.read_to_end() == b"+PONG\r\n" * 3


def test_clients_wait_for_room(site: pathlib.Path) -> None:
    """No more than `worker_connections` are let in; the next is, once one leaves."""
    args = ("--worker-connections", "2", "--keep-alive", "30")
    with serving(site, STORE, *args) as server, contextlib.ExitStack() as stack:
        one, two, three = (stack.enter_context(Client(server.address)) for _ in range(3))
        assert [ask(client, b"PING") for client in (one, two)] == [b"+PONG\r\n"] * 2
        three.send(command(b"PING"))
        assert ask(one, b"PING") == b"+PONG\r\n"
        assert child(server)["accepted"] == 2
        two.close()
        assert line(three) == b"+PONG\r\n"


def test_max_requests_lose_nothing(site: pathlib.Path) -> None:
    """A worker that has run its share is replaced; every command is answered all the while."""
    with serving(site, None, "--max-requests", "20", "--keep-alive", "30") as server:
        first = server.worker_pids()
        for _ in range(20):
            with Client(server.address) as client:
                assert ask(client, b"PING") == b"+PONG\r\n"
                assert ask(client, b"ECHO", b"x") == b"$1\r\n"
        assert processes.wait_ended(first, 15.0) == []
        assert "max_requests" in server.log()


# -- life


def test_term_drains(site: pathlib.Path) -> None:
    """A command that is coming in is answered, so is one on its way over an idle connection; then it ends."""
    with serving(site, STORE, "--keep-alive", "30") as server, contextlib.ExitStack() as stack:
        half, kept, idle = (stack.enter_context(Client(server.address)) for _ in range(3))
        assert [ask(client, b"PING") for client in (half, kept, idle)] == [b"+PONG\r\n"] * 3
        half.send(command(b"ECHO", b"woof")[:-3])
        assert ask(kept, b"PING") == b"+PONG\r\n"  # so the worker has read the half by now
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        assert ask(kept, b"PING") == b"+PONG\r\n"
        half.send(b"f\r\n")
        assert half.read_to_end() == b"$4\r\nwoof\r\n"
        assert (kept.read_to_end(), idle.read_to_end()) == (b"", b"")
        assert server.wait(10) == 0


def test_drain_ends_at_its_deadline(site: pathlib.Path) -> None:
    """A command that never comes in whole is cut, and the exit status says so."""
    args = ("--graceful-timeout", "0.5")
    with serving(site, STORE, *args, exit_status=75) as server, Client(server.address) as client:
        client.send(command(b"PING")[:-1])
        with Client(server.address) as other:
            assert ask(other, b"PING") == b"+PONG\r\n"
        assert server.stop() == 75
        assert client.read_to_end() == b""


def test_hup_keeps_connections_of_the_old_worker(site: pathlib.Path) -> None:
    """It finishes the command that runs, while the new one serves."""
    with serving(site, "app", files={"app.py": GATED}) as server:
        old = server.worker_pids()
        with at_the_gate(server) as client:
            server.signal(signal.SIGHUP)
            server.wait_for_log("worker ready", 2)
            with Client(server.address) as other:
                assert ask(other, b"PING") == b"+PONG\r\n"
            let_through(server)
            assert client.read_to_end() == b"$7\r\nthrough\r\n"
        server.wait_for_log("reload done")
        assert processes.wait_ended(old, 10.0) == []


def test_closed_clients_leave_no_descriptor(server: Server) -> None:
    """Whichever way they leave."""
    (pid,) = server.worker_pids()

    def visit() -> int:
        for last in (b"QUIT", b"PING", b"NONE"):
            with Client(server.address) as client:
                ask(client, last)
        with Client(server.address) as client:  # served after those have left
            ask(client, b"PING")
            return len(processes.open_descriptors(pid))

    before = visit()
    assert [visit() for _ in range(5)] == [before] * 5
