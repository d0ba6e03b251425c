"""The listener's process: accepts, parks, and has requests handed to workers.

One loop, no thread, no code of the application, no HTTP: it acts on nothing that a client sends. The arbiter
watches it as it watches a worker. If it dies, the listening sockets stay open and workers serve on.
"""

import faulthandler
import logging
import math
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Final

from heeler.arbiter.config.worker_count import most_workers
from heeler.arbiter.listener import reports
from heeler.arbiter.listener.client import Client
from heeler.arbiter.listener.client_key import by_address, key_of, no_key
from heeler.arbiter.listener.dispatcher import Dispatcher
from heeler.arbiter.listener.entrance import Entrance
from heeler.arbiter.listener.parking import Parking
from heeler.arbiter.listener.place import Place
from heeler.arbiter.listener.refusal import Refusal
from heeler.arbiter.listener.reports import BadReport, Report
from heeler.arbiter.signals import SignalQueue
from heeler.plugins.balancer import load_balancer
from heeler.plugins.exit_status import ExitStatus
from heeler.plugins.registry import find_balancer
from heeler.workers import messages, privileges
from heeler.workers.boot import Boot
from heeler.workers.channel import OUT_OF_DESCRIPTORS
from heeler.workers.drain import LINGER_S, ORPHAN_LINGER_S, PATIENCE_S
from heeler.workers.handover import Awaits, Kind, Tail
from heeler.workers.logs import event
from heeler.workers.scoreboard import (
    ACCEPTED,
    BEAT_AT,
    CONNECTIONS,
    CUT,
    CUT_CONNECTIONS,
    IN_FLIGHT,
    REFUSED,
    TIMEOUTS,
    WAITS,
    State,
)
from heeler.workers.signals import STACKS
from heeler.workers.sources import Listener, is_readable

AGAIN_S: Final = 0.02
"""How often it is seen, while requests wait, whether a worker that keeps connections has room."""

SPARE_FDS: Final = 256
"""Descriptors for all but clients: workers, sockets, logs, messages."""

_LEFT: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


def most_connections(wanted: int) -> int:
    """Return how many connections there may be, of those that are wanted: each takes a descriptor."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - SPARE_FDS))


class ListenerRole:
    """The listener, in its own process.

    Args:
        boot: what the arbiter gives a child at its fork.
    """

    def __init__(self, boot: Boot) -> None:
        config = boot.config
        self._boot: Final = boot
        self._log: Final = boot.logs.worker
        self._words: Final = boot.row.words
        self._keepalive = float(config.keepalive) or math.inf
        self._header_timeout = float(config.header_timeout) or math.inf
        self._queue_timeout: Final = float(config.queue_timeout)
        self._limit = most_connections(int(config.worker_connections) * most_workers(config))
        """How many connections it may hold, parked ones included."""
        self._limits_queue: Final = config.queue_limit is not None
        self._parks: Final = config.dispatch == "request" or config.sticky_key != "address"
        """Whether a connection is handed out once a request has come on it, and not before."""
        self._poller: Final = select.epoll()
        self._quiet_poller: Final = select.epoll()
        """Tells which workers have given connections back quietly; nobody waits on it."""
        self._quiet_places: dict[int, Place] = {}
        self._stirred: set[Client] = set()
        """Those that a worker has, and on which something has come meanwhile."""
        self._turn_began = 0.0
        self._parking: Final = Parking(self._poller)
        self._refusal: Final = Refusal(self._poller, max(1, math.ceil(self._queue_timeout)), self._count_down)
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._entrance: Final = Entrance(boot.listeners, self, self._watch, self._log)
        self._shows_waiting = False
        self._places: dict[int, Place] = {}
        self._number = 0
        self._draining = math.inf
        self._term_at = math.inf
        self._is_over = False
        self._is_last = False
        """Whether nobody will serve what waits in the backlog."""
        self._has_complained = False
        self._dispatcher: Dispatcher
        self._signals: SignalQueue
        self._beat_s: Final = boot.beat_s

    # -- life

    def main(self) -> int:
        """Live, from the fork to the exit.

        Returns:
            The exit status of the process.
        """
        self._signals = SignalQueue.install()
        faulthandler.register(STACKS, file=2, all_threads=True)
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        config = self._boot.config
        try:
            privileges.drop(config.user, config.group, config.initgroups)
            plugin = find_balancer(config.balancer)
            key = by_address if config.sticky_key == "address" else key_of(config.sticky_key)
            uses_key = plugin.name not in ("least-busy", "round-robin", "random-two")
            self._dispatcher = Dispatcher(
                load_balancer(plugin),
                key if uses_key else no_key,
                config.queue_limit,
                self._refuse,
                self._balancer_failed,
            )
        except Exception as error:  # a balancer's import may raise anything
            self._boot.channel.send(messages.BootFailed(int(ExitStatus.BOOT), str(error)))
            return ExitStatus.BOOT
        self._watch(self._signals.fileno(), self._on_signal)
        self._watch(self._boot.channel.fileno(), self._on_channel)
        self._entrance.begin()
        self._words[BEAT_AT] = time.monotonic_ns()
        self._boot.row.set("ready_at", time.monotonic_ns())
        self._boot.row.set("state", State.READY)
        self._boot.channel.send(messages.Ready())
        while not self._is_over:
            self._turn()
        for place in self._places.values():
            place.end()
        return ExitStatus.OK

    def _turn(self) -> None:
        clients = self._parking.clients
        events = self._poller.poll(self._wait_s())
        self._turn_began = time.monotonic()
        self._hear()
        for fd, mask in events:
            handler = self._handlers.get(fd)
            if handler is not None:
                handler(mask)
            elif (client := clients.get(fd)) is not None:
                self._on_parked(client, mask)
            elif (client := self._parking.stirred(fd)) is None:
                self._refusal.on_readable(fd)
            elif (client.is_held or client.is_muted) and not client.comes_aloud:
                self._stirred.add(client)
        now = time.monotonic()
        for client in self._parking.overdue():
            self._expire(client)
        if now >= self._refusal.wake_at():
            self._refusal.sweep()
        if now >= self._dispatcher.look_at():
            self._dispatcher.look()
        if self._queue_timeout:
            self._dispatcher.refuse_older(int((now - self._queue_timeout) * 1e9))
        if self._shows_waiting and self._dispatcher.keeps:
            self._dispatcher.dispatch()
        if now >= self._term_at:
            self._stop(float(self._boot.config.graceful_timeout), 0.0)
        self._entrance.reopen(now)
        if self._show():
            # Who has become idle, or given something back, before that was to be seen has woken nobody.
            self._hear()
            self._dispatcher.dispatch()
            self._entrance.reopen(now)
        if self._draining < math.inf or self._entrance.is_ending:
            self._drain(now)

    def _wait_s(self) -> float:
        """Return how long may be slept: until the earliest deadline."""
        now = time.monotonic()
        until = min(
            now + self._beat_s,
            self._parking.wake_at(),
            self._refusal.wake_at(),
            self._dispatcher.look_at(),
            self._entrance.wake_at(),
            self._term_at,
        )
        if self._queue_timeout and self._dispatcher.waiting:
            until = min(until, self._dispatcher.oldest_ns() / 1e9 + self._queue_timeout)
        if self._shows_waiting and self._dispatcher.keeps:
            until = min(until, now + AGAIN_S)  # such workers say only sometimes that they have room again
        if self._draining < math.inf:
            until = min(until, max(self._draining, now))
        return max(0.0, until - now)

    def _show(self) -> bool:
        """Show what is waited for, and how much; return whether anything is."""
        words = self._words
        words[BEAT_AT] = time.monotonic_ns()
        words[IN_FLIGHT] = self._dispatcher.waiting
        self._shows_waiting = bool(self._dispatcher.waiting or self._entrance.is_shut)
        if self._stirred or self._draining < math.inf:
            awaits = Awaits.REPORTS
        else:
            awaits = Awaits.ROOM if self._shows_waiting else Awaits.NOTHING
        words[WAITS] = awaits
        return awaits != Awaits.NOTHING

    # -- connections

    def accepts(self) -> bool:
        """As of `Inside`: while there is room, or so that those who wait too long can be told."""
        dispatcher = self._dispatcher
        # While nobody serves at all, as at the start, a limit alone makes nobody wait in vain.
        return bool(self._queue_timeout or (self._limits_queue and dispatcher.places)) or dispatcher.has_room()

    def has_space(self, listener: Listener) -> bool:
        """As of `Inside`."""
        return self._words[CONNECTIONS] < self._limit or (is_readable(listener.fileno()) and self._make_way())

    def latest_ns(self) -> int:
        """As of `Inside`."""
        return self._dispatcher.latest_ns

    def came(self, fd: int, peer: object, address: str) -> None:
        """As of `Inside`: it is parked until its request has come, where that is waited for, or offered."""
        self._number += 1
        client = Client.accepted(self._number, fd, peer, address)
        self._words[ACCEPTED] += 1
        self._words[CONNECTIONS] += 1
        if self._parks:
            self._park(client, self._header_timeout)
        else:
            self._dispatcher.offer(client, time.monotonic_ns())

    def _on_parked(self, client: Client, mask: int) -> None:
        """A request has come, or the client has left."""
        if mask & _LEFT and client.has_ended:
            self._forget(client)
            return
        if client.idle_since >= self._turn_began and client.is_silent:
            return  # the worker has read it
        self._parking.leave(client)
        if mask & _LEFT:  # behind its request: that is not told again
            client.stirs += 1
            self._stirred.add(client)
        self._dispatcher.offer(client, time.monotonic_ns())

    def _make_way(self) -> bool:
        """Close connections that have been idle longest, for new ones to come in; False where none is."""
        found = self._parking.oldest()
        for client in found:
            self._forget(client)
        return bool(found)

    def _expire(self, client: Client) -> None:
        """Nothing has come in time, unless it has come at the last moment."""
        if client.is_silent:
            self._words[TIMEOUTS] += client.is_fresh
            self._forget(client)
        else:
            self._on_parked(client, 0)

    def _forget(self, client: Client) -> None:
        self._count_down()
        self._stirred.discard(client)
        self._parking.forget(client)

    def _count_down(self) -> None:
        self._words[CONNECTIONS] -= 1

    def _balancer_failed(self, reason: str) -> None:
        if not self._has_complained:
            self._has_complained = True
            event(self._log, logging.ERROR, "balancer failed", balancer=self._boot.config.balancer, reason=reason)

    def _refuse(self, client: Client) -> None:
        self._words[REFUSED] += 1
        event(self._boot.logs.error, logging.INFO, "request refused", peer=client.host, status=503, reason="no room")
        self._parking.release(client)
        self._stirred.discard(client)
        self._refusal.refuse(client)

    def _watch(self, fd: int, handler: Callable[[int], None] | None) -> None:
        """Have `handler` called with the mask when a descriptor is readable; None: no more."""
        if handler is None:
            if self._handlers.pop(fd, None) is not None:
                self._poller.unregister(fd)
            return
        self._handlers[fd] = handler
        self._poller.register(fd, select.EPOLLIN)

    # -- workers

    def _join(self, message: messages.Join) -> None:
        if len(message.fds) != 2:
            event(self._log, logging.ERROR, "worker not reached", slot=message.slot, reason=OUT_OF_DESCRIPTORS)
            for fd in message.fds:
                os.close(fd)
            return
        ours, theirs = message.fds
        place = Place(message.age, message.slot, self._boot.pages[message.page], ours, theirs)
        self._places[message.age] = place
        self._watch(place.ours.fileno(), lambda _mask: self._on_reports(place))

    def _leave(self, age: int) -> None:
        """A worker is gone; what it had received is lost, the rest goes to others."""
        place = self._places.pop(age, None)
        if place is None:
            return
        self._on_reports(place)
        self._hear_from(place)
        self._dispatcher.remove(place)
        for client in place.held.values():
            self._forget(client)
        if place.ours.fileno() in self._handlers:
            self._watch(place.ours.fileno(), None)
        self._hear_no_more(place)
        place.close()
        self._dispatcher.dispatch()

    def _on_reports(self, place: Place) -> None:
        now_ns = time.monotonic_ns()
        try:
            for report in reports.read(place.ours):
                place.heard()
                self._take_in(place, report, now_ns)
        except BadReport as error:
            event(self._log, logging.WARNING, "report ignored", slot=place.slot, reason=error)
        except EOFError:
            self._watch(place.ours.fileno(), None)  # else it would be readable for ever
            self._dispatcher.remove(place)
        self._dispatcher.dispatch()

    def _hear(self) -> None:
        """See what workers have given back without a word to wake anybody."""
        told = self._quiet_poller.poll(0)
        for fd, _ in told:
            self._hear_from(self._quiet_places[fd])
        if told:
            self._dispatcher.dispatch()

    def _hear_from(self, place: Place) -> None:
        if place.quiet is None:
            return
        place.heard()
        now_ns = time.monotonic_ns()
        try:
            for number in reports.read_quiet(place.quiet):
                self._came_back(place, number, now_ns, aloud=False)
        except EOFError:
            self._hear_no_more(place)

    def _hear_no_more(self, place: Place) -> None:
        if place.quiet is not None:
            del self._quiet_places[place.quiet.fileno()]
            self._quiet_poller.unregister(place.quiet.fileno())
            place.quiet.close()
            place.quiet = None

    def _share(self, place: Place, capacity: int, fd: int) -> None:
        """A worker serves; `fd` is where connections come back quietly, or -1."""
        if fd >= 0 and place.quiet is None:
            place.quiet = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
            place.quiet.setblocking(False)
            self._quiet_places[fd] = place
            self._quiet_poller.register(fd, select.EPOLLIN)
        elif fd >= 0:
            os.close(fd)
        place.capacity, place.keeps = capacity, False
        self._dispatcher.add(place)

    def _came_back(self, place: Place, number: int, now_ns: int, *, aloud: bool) -> None:
        """A connection is idle; one that is given back quietly was read to its end."""
        client = place.ended(number, now_ns)
        if client is None:
            return
        self._stirred.discard(client)
        has_stirred = client.stirs
        self._park(client, self._keepalive, afresh=aloud)
        if has_stirred:
            self._on_parked(client, select.EPOLLRDHUP)

    def _take_in(self, place: Place, report: Report, now_ns: int) -> None:
        """A worker says what became of a connection, or of itself."""
        kind, number = report.kind, report.number
        if kind == Kind.BACK:
            self._came_back(place, number, now_ns, aloud=True)
        elif kind in (Kind.GONE, Kind.TAKEN):
            client = place.ended(number, now_ns)
            if client is not None:
                self._forget(client)
        elif kind == Kind.SLOW:
            place.slows(number)
            if (slow := place.held.get(number)) is not None:
                slow.comes_aloud = True
                self._stirred.discard(slow)
        elif kind == Kind.RUNS:
            self._dispatcher.runs_again(place, number)
        elif kind == Kind.ADOPT:
            self._adopt(place, report)
        elif kind == Kind.SHARES:
            self._share(place, number, report.fd)
        elif kind == Kind.KEEPS:
            place.capacity, place.keeps = number, True
            self._dispatcher.add(place)
        elif kind == Kind.LEAVING:
            self._dispatcher.remove(place)
            place.end()
        elif kind == Kind.BUSY:
            place.in_flight += number

    def _adopt(self, place: Place, report: Report) -> None:
        place.in_flight = max(0, place.in_flight - report.number)
        if report.fd < 0:
            event(self._log, logging.ERROR, "connection lost", reason=OUT_OF_DESCRIPTORS)
            return
        self._number += 1
        client = Client(self._number, report.fd, Tail.decode(report.tail).host, report.tail)
        client.is_fresh = False
        self._words[CONNECTIONS] += 1
        self._park(client, self._keepalive)

    def _park(self, client: Client, timeout_s: float, *, afresh: bool = False) -> None:
        """Wait for the next request of a connection, as long as it may take in other times, or less in a drain."""
        now = time.monotonic()
        timeout_s = timeout_s if self._draining == math.inf else min(timeout_s, LINGER_S)
        self._parking.park(client, now, now + timeout_s, afresh=afresh)

    # -- the arbiter and people

    def _on_channel(self, _mask: int) -> None:
        while True:
            try:
                message = self._boot.channel.receive()
            except EOFError:
                event(self._log, logging.WARNING, "arbiter gone", slot=0, pid=os.getpid())
                self._watch(self._boot.channel.fileno(), None)
                self._stop(float(self._boot.config.graceful_timeout), ORPHAN_LINGER_S)
                return
            if message is None:
                return
            self._obey(message)

    def _obey(self, message: messages.Message) -> None:
        match message:
            case messages.Join():
                self._join(message)
            case messages.Leave(age):
                self._leave(age)
            case messages.Listen():
                self._listen(message)
            case messages.Stop(timeout_s, last):
                self._is_last = last
                if not last:  # another arbiter's listener accepts from these sockets
                    self._entrance.leave()
                self._stop(timeout_s, LINGER_S)
            case messages.Quit():
                self._quit()
            case messages.ReopenLogs():
                self._boot.logs.reopen()
            case _:
                event(self._log, logging.WARNING, "message ignored", slot=0, message=type(message).__name__)

    def _listen(self, message: messages.Listen) -> None:
        """A reload has come through: these are the addresses now."""
        self._keepalive = message.keepalive_s or math.inf
        self._header_timeout = message.header_timeout_s or math.inf
        self._limit = most_connections(message.connections)
        if len(message.fds) < len(message.addresses):
            event(self._log, logging.ERROR, "addresses not changed", reason=OUT_OF_DESCRIPTORS)
            for fd in message.fds:
                os.close(fd)
            return
        self._entrance.change(message.addresses, message.fds)

    def _on_signal(self, _mask: int) -> None:
        for number in self._signals.take():
            if number == signal.SIGUSR1:
                self._boot.logs.reopen()
            elif number == signal.SIGTERM:
                self._term_at = time.monotonic() + PATIENCE_S  # many send it to all: then the arbiter says more
            elif number in (signal.SIGINT, signal.SIGQUIT):
                self._quit()

    # -- the end

    def _stop(self, timeout_s: float, linger_s: float) -> None:
        """Hand out what has come and what still comes, and end."""
        now = time.monotonic()
        self._term_at = math.inf
        self._draining = min(self._draining, now + timeout_s)
        self._boot.row.set("state", State.DRAINING)
        self._parking.hurry(now + min(linger_s, timeout_s))

    def _quit(self) -> None:
        self._boot.row.set("state", State.GONE)
        self._words[CUT] += self._dispatcher.waiting
        self._words[IN_FLIGHT] = 0
        self._is_over = True

    def _drain(self, now: float) -> None:
        self._entrance.close_empty(only_ending=self._draining == math.inf)
        if self._draining == math.inf:
            return
        is_done = self._entrance.is_over and not (self._parking.clients or self._dispatcher.waiting)
        if now >= self._draining:
            if self._is_last:
                self._words[CUT_CONNECTIONS] += self._entrance.reset_waiting()
            self._quit()
        elif is_done and not self._dispatcher.handed and not len(self._refusal):
            self._words[IN_FLIGHT] = 0
            self._is_over = True
