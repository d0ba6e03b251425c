"""Measure what it costs to get a request into a thread: by a queue, by leader and followers, or by not moving it.

Run: python tests/bench/hand_over.py [--seconds S] [--rounds N]

Bare prototypes with four threads, which answer each `recv` with the same bytes, so that nothing but the hand-over
differs: `queue` has one thread wait for events and four take requests from a queue; with `followers` the thread that
found a request runs it, having handed on the waiting for events; with `keeper` it goes on leading, and runs it first.
"""

import argparse
import collections
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from statistics import median

from bench import processors
from loadbench import environment, load

THREADS = 4
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\nContent-Type: text/plain\r\n\r\nHello, world!\n"
Take = Callable[[], socket.socket]


class Clients:
    """The listening socket and its clients in one epoll set."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._poller = select.epoll()
        self._poller.register(listener.fileno(), select.EPOLLIN)
        self._clients: dict[int, socket.socket] = {}

    def wait(self) -> list[socket.socket]:
        """Return the clients that have sent a request, which is read."""
        ready = []
        for fd, _ in self._poller.poll():
            if fd == self._listener.fileno():
                client, _ = self._listener.accept()
                client.setblocking(False)
                self._clients[client.fileno()] = client
                self._poller.register(client.fileno(), select.EPOLLIN)
            elif _has_asked(client := self._clients[fd]):
                ready.append(client)
            else:
                self._poller.unregister(fd)
                self._clients.pop(fd).close()
        return ready


def _has_asked(client: socket.socket) -> bool:
    """Read a request; False where there is none and never will be."""
    try:
        return bool(client.recv(65536))
    except ConnectionError:
        return False


def by_queue(clients: Clients) -> None:
    """One thread waits for events, the others for the queue."""
    jobs: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()

    def run() -> None:
        while True:
            jobs.get().send(ANSWER)

    for _ in range(THREADS):
        threading.Thread(target=run, daemon=True).start()
    while True:
        for client in clients.wait():
            jobs.put(client)


def by_followers(clients: Clients) -> None:
    """Whoever finds a request hands on the lead, and runs it."""
    lead = threading.Lock()
    found: collections.deque[socket.socket] = collections.deque()

    def live() -> None:
        while True:
            with lead:
                while not found:
                    found.extend(clients.wait())
                client = found.popleft()
            client.send(ANSWER)

    for _ in range(THREADS):
        threading.Thread(target=live, daemon=True).start()
    live()


def by_keeper(clients: Clients) -> None:
    """The leader runs what it finds, and goes on leading; the others rest."""
    for _ in range(THREADS):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    while True:
        for client in clients.wait():
            client.send(ANSWER)


WAYS = {"queue": by_queue, "followers": by_followers, "keeper": by_keeper}


def measure(name: str, seconds: float, server_cpu: int, load_cpu: int) -> tuple[float, float]:
    """Return requests per second, and microseconds of processor time for each."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        pid = os.fork()
        if not pid:
            os.sched_setaffinity(0, {server_cpu})
            WAYS[name](Clients(listener))
        try:
            result = load.run(listener.getsockname()[1], "browser", seconds, load_cpu)
        finally:
            os.kill(pid, signal.SIGKILL)
            _, _, usage = os.wait4(pid, 0)
    if result.errors:
        raise SystemExit(f"{name}: {result.errors} errors")
    return result.per_second, (usage.ru_utime + usage.ru_stime) / result.requests * 1e6


def main() -> int:
    """Measure each way in turn, round after round; print medians."""
    parser = argparse.ArgumentParser(description="What it costs to get a request into a thread.")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one run (2; whole seconds)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    options = parser.parse_args()
    environment.install_debian_packages(("wrk", "taskset"))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(options.rounds):
        for name, rates in found.items():
            rates.append(measure(name, options.seconds, *processors()))
            time.sleep(0.1)
    print("| way | requests/s | CPU µs/request |\n|---|---:|---:|")
    for name, rates in found.items():
        print(f"| {name} | {median(rate for rate, _ in rates):,.0f} | {median(cost for _, cost in rates):.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
