"""The reactor turned by threads that also run the requests.

One thread leads: it waits for events and handles them. A request runs in the thread that found
it; `leadership` decides who leads meanwhile. There is one thread more than requests may run, so
that somebody always leads. The main thread does neither: it obeys signals, so that these are
obeyed at once whatever the application does, and watches the leader.
"""

import abc
import collections
import math
import os
import select
import socket
import threading
import time
from typing import ClassVar, Final

from typing_extensions import override

from heeler.workers import scoreboard
from heeler.workers.base import Boot, Drain
from heeler.workers.body import RequestBody
from heeler.workers.hands import Hand, heartbeat_ns
from heeler.workers.http.request import Request
from heeler.workers.http_connection import LINGER_CLOSE_S, HttpConnection
from heeler.workers.leadership import Leadership
from heeler.workers.poller import READ
from heeler.workers.reactor import ReactorWorker
from heeler.workers.shared_tally import SharedTally
from heeler.workers.sources import AcceptingSource, SignalSource
from heeler.workers.tally import Tally
from heeler.workers.threaded_connection import ThreadedConnection

Job = tuple[ThreadedConnection, Request, RequestBody | None]


class ThreadedReactor(ReactorWorker):
    """Turns the reactor in threads; a subclass says how a request runs."""

    ready_after_setup = False
    connection_class: ClassVar[type[HttpConnection]] = ThreadedConnection
    tally_class: ClassVar[type[Tally]] = SharedTally

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.threads: Final[int] = boot.config.threads
        self.free = self.threads
        self.state: Final = threading.RLock()
        """Held by whoever touches connections, or what follows; not while waiting, nor in the application."""
        self.moved: Final = threading.Condition(self.state)
        """A client has taken something, or is gone, or a request waits for a thread."""
        self.hands: Final = [Hand(number) for number in range(self.threads + 1)]
        self.jobs: Final[collections.deque[Job]] = collections.deque()
        """Requests for which there is a thread."""
        self.dead: Final = _dead_socket()
        """What a descriptor becomes whose client is gone while a thread may still write to it."""
        self.stalled = 0
        """How many threads wait for a client, and would make way for another."""
        self.is_copy = False
        """Whether this is a process that the application forked."""
        self._timeouts = (self.header_timeout, self.body_timeout, self.write_timeout, LINGER_CLOSE_S)
        self._is_shut = False
        """Whether no connection is accepted because all threads are at work."""
        self._is_beat_held = False
        self._failure: BaseException | None = None

    @abc.abstractmethod
    def run_request(
        self, hand: Hand, connection: ThreadedConnection, request: Request, body: RequestBody | None
    ) -> None:
        """Run a request in this thread, which is `hand`; others may hold `state` meanwhile."""

    @override
    def setup(self) -> None:
        super().setup()
        self.row.set("capacity", self.threads)
        (self._signal_source,) = (source for source in self.sources if isinstance(source, SignalSource))
        self.sources.remove(self._signal_source)  # the main thread waits on it
        self._word = select.poll()
        self._word.register(self._signal_source.fileno(), select.POLLIN)
        self.lead = Leadership(self.state, self._signal_source.wake)
        os.register_at_fork(before=self.state.acquire, after_in_parent=self.state.release)

    @override
    def _let_go_of_clients(self) -> None:
        super()._let_go_of_clients()
        self.is_copy = True
        self.state.release()

    # -- the main thread

    @override
    def run(self) -> None:
        with self.state:
            self.lead.leader = self.hands[0]
            for hand in self.hands:
                name = f"{self.name}-{hand.number + 1}"
                threading.Thread(target=self._live, args=(hand,), name=name, daemon=True).start()
            if not self.announce():
                return
        while self.draining is None:
            self._obey_and_watch(math.inf)
        self.state.acquire()  # and kept to the end, but while `turn` waits

    def _obey_and_watch(self, timeout_s: float) -> None:
        """Wait for a signal, or a word from another thread, or the time to look at the leader."""
        look_s = self.lead.look()
        if look_s is not None:
            timeout_s = min(timeout_s, look_s)
        if self._word.poll(None if timeout_s == math.inf else math.ceil(timeout_s * 1000)):
            self._signal_source.read()
        if self._failure is not None:
            raise self._failure

    @override
    def start_draining(self, drain: Drain) -> None:
        super().start_draining(drain)
        # The leader may be waiting for longer than is right now: a dead socket is readable at once.
        fd = self.dead.fileno()
        self._handlers[fd] = self._on_nudge
        self._poller.register(fd, READ)

    def _on_nudge(self, _mask: int) -> None:
        fd = self.dead.fileno()
        del self._handlers[fd]
        self._poller.unregister(fd)

    @override
    def turn(self, timeout_s: float) -> None:
        """Let the others go on while the worker drains, for at most `timeout_s`."""
        self.state.release()
        try:
            self._obey_and_watch(timeout_s)
        finally:
            self.state.acquire()

    @override
    def _empty_backlog(self) -> None:
        """Have the leader take every connection that waits in the backlog."""
        if not self.ready and not self._is_shut:
            self.drop_ended()

    @override
    def cut_rest(self) -> None:
        super().cut_rest()
        # What threads still run is counted by that; its entries stay, for the arbiter to tell what was lost.
        self.words[scoreboard.IN_FLIGHT] = 0

    @override
    def teardown(self) -> None:
        """Close what clients have; the leader may be waiting on the poller, and ends with the process."""
        for client in list(self.connections.values()):
            client.close()

    # -- the other threads

    def _live(self, hand: Hand) -> None:
        """Lead, run requests, rest, to the end of the process."""
        hand.adopt_thread()
        try:
            with self.state:
                while True:
                    if self.lead.leader is hand:
                        self._turn_once(hand)
                    elif self.jobs or (self.ready and self.free > 0):
                        self._run_next(hand)
                    else:
                        self.lead.rest(hand)
        except BaseException as error:
            self._failure = error
            self._signal_source.wake()

    def _turn_once(self, hand: Hand) -> None:
        """Turn the loop as its leader; return earlier where the lead is lost."""
        lead, jobs, handlers = self.lead, self.jobs, self._handlers
        while jobs or (self.ready and self.free > 0):
            self._run_next(hand)
            if lead.leader is not hand:
                return
        timeout_s = self._before_wait()
        self.state.release()
        events = self._poller.poll(timeout_s)
        self.state.acquire()
        for fd, mask in events:
            handler = handlers.get(fd)
            # None: closed by another handler, or another thread.
            if handler is not None:
                handler(mask)
                while jobs:
                    self.run_request(hand, *jobs.popleft())
                    if lead.leader is not hand:
                        return
        if self._sweep_at < math.inf:
            self._sweep()
        if self.draining is not None:
            self._signal_source.wake()

    def _run_next(self, hand: Hand) -> None:
        """Run what has waited longest."""
        if not self.jobs:
            self.run_ready()
        if self.jobs:
            self.run_request(hand, *self.jobs.popleft())

    def _before_wait(self) -> float:
        """Do what each turn has to do; return for how long events may be waited for."""
        timeout_s = self.tick() if self.free > 0 else self._tick_at_work()
        if self._sweep_at < math.inf:
            timeout_s = min(timeout_s, max(0.0, self._sweep_at - time.monotonic()))
        if self.free < self.threads:
            # Nobody who runs a request can set a nearer deadline than this.
            timeout_s = min(timeout_s, self.keepalive, *self._timeouts)
        return timeout_s

    # -- admission, and the heartbeat of threads that are all at work

    @override
    def take(self, connection: HttpConnection, request: Request, body: RequestBody | None) -> None:
        if connection.running or self.free <= 0:
            connection.postpone(request, body)
            return
        assert type(connection) is ThreadedConnection
        self.free -= 1
        connection.running = True
        connection.deadline = math.inf
        self.jobs.append((connection, request, body))

    @override
    def room(self) -> int:
        return super().room() if self.free > 0 or self.stalled else 0

    def _tick_at_work(self) -> float:
        """As `tick`, when all threads are at work: nothing is accepted, and the heartbeat is theirs."""
        if not self.stalled and self.sources and isinstance(self.sources[-1], AcceptingSource):
            self._is_shut = True
            self.pause_accept()
        self._is_beat_held = True
        now_ns = time.monotonic_ns()
        self.words[scoreboard.BEAT_AT] = heartbeat_ns(self.hands, now_ns, self.request_timeout)
        if now_ns >= self.scales.due_ns:
            self.weigh(now_ns)
        self.tally.show()
        if self.home is not None and self.home.is_owed:
            self.home.wake()
        return self._beat_interval_s

    @override
    def turns_soon(self, client: HttpConnection) -> bool:
        assert type(client) is ThreadedConnection
        return client.hand is self.lead.leader

    def thread_is_free(self, now_ns: int) -> None:
        """A request is over."""
        self.free += 1
        if self._is_beat_held:
            self._is_beat_held = False
            self.words[scoreboard.BEAT_AT] = now_ns
        if not self.ready:
            self.reopen()
        if self.home is not None:
            self.tell_room()
        if self.draining is not None:
            self._signal_source.wake()

    def reopen(self) -> None:
        """Accept connections again, if that was given up for want of threads."""
        if self._is_shut:
            self._is_shut = False
            if not self._full:
                self.resume_accept()


def _dead_socket() -> socket.socket:
    """Return a socket that nobody is at the other end of."""
    dead, end = socket.socketpair()
    end.close()
    return dead
