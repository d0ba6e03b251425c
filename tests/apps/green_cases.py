"""Waits in all the ways in which applications wait, until the gate is opened; and misbehaves in green ways."""

import contextlib
import contextvars
import os
import queue
import select
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

GATE = threading.Event()
QUEUE: "queue.SimpleQueue[None]" = queue.SimpleQueue()
LOCK = threading.Lock()
LOCK.acquire()
NEAR, FAR = socket.socketpair()
OUT, IN = os.pipe()
WORD = contextvars.ContextVar("WORD", default="none")
WORD.set("imported")


def wait_sleep() -> None:
    while not GATE.is_set() and not os.path.exists(os.environ.get("GATE", "gate")):
        time.sleep(0.01)


def wait_recv() -> None:
    NEAR.recv(1)


def wait_select() -> None:
    select.select([NEAR], [], [])


def wait_selectors() -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(NEAR, selectors.EVENT_READ)
        selector.select()


def wait_event() -> None:
    GATE.wait()


def wait_queue() -> None:
    QUEUE.get()


def wait_lock() -> None:
    with LOCK:
        pass


def wait_thread() -> None:
    thread = threading.Thread(target=GATE.wait)
    thread.start()
    thread.join()


def wait_subprocess() -> None:
    subprocess.run(["cat"], stdin=OUT, check=True)


def wait_requests() -> None:
    import requests

    with contextlib.suppress(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{silent()}/", timeout=20)


def wait_psycopg2() -> None:
    import psycopg2

    with contextlib.suppress(psycopg2.OperationalError):
        psycopg2.connect(host="127.0.0.1", port=silent(), user="nobody", connect_timeout=20)


def silent() -> int:
    """Return the port of a server that says nothing, and hangs up once the gate is open."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0]:
            GATE.wait()

    threading.Thread(target=serve).start()
    return int(listener.getsockname()[1])


def open_gate() -> str:
    GATE.set()
    QUEUE.put(None)
    LOCK.release()
    FAR.close()
    os.close(IN)
    return "open"


def context() -> str:
    before = WORD.get()
    WORD.set("requested")
    return before


def name() -> str:
    return threading.current_thread().name


def spawn_failing() -> str:
    _spawn(lambda: 1 // 0)
    _spawn(sys.exit)
    time.sleep(0.01)
    return "spawned"


def late() -> str:
    """Forget to call a timeout off."""
    if "gevent" in sys.modules:
        import gevent

        gevent.Timeout(0.01).start()
    else:
        import eventlet

        eventlet.Timeout(0.01)
    return "soon"


def stubborn() -> str:
    while True:
        try:
            GATE.wait()
            return "obeyed the gate alone"
        except BaseException as error:
            print("swallowed", type(error).__name__, file=sys.stderr, flush=True)


def child() -> str:
    """Fork, and have the child wait for something and then come back, as no child should."""
    pid = os.fork()
    time.sleep(0.05)
    if not pid:
        return "the child's"
    return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _spawn(function: Callable[[], object]) -> None:
    if "gevent" in sys.modules:
        import gevent

        gevent.spawn(function)
    else:
        import eventlet

        eventlet.spawn(function)


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Do what the path says."""
    what = environ["PATH_INFO"].removeprefix("/")
    if what == "large":
        start_response("200 OK", [])
        return Large(b"x" * 65536)  # type: ignore[return-value]
    function = globals().get(f"wait_{what}")
    if function is None:
        answer = globals()[what]() if what != "ping" else "pong"
    else:
        sys.stderr.write("waits\n")  # in one piece
        function()
        answer = "has waited"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(answer).encode()]


class Large:
    """A body of 64 MiB, which says how far it got when it is closed."""

    def __init__(self, block: bytes) -> None:
        self.block = block
        self.given = 0

    def __iter__(self) -> Any:
        for _ in range(1024):
            self.given += 1
            yield self.block

    def close(self) -> None:
        """Say so."""
        print(f"given {self.given}", file=sys.stderr, flush=True)
