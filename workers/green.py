"""Green worker classes: the hub of a library turns the reactor, and each request runs in a greenlet.

The hub watches the reactor's poller as it watches any descriptor, and turns the reactor when
that is readable. A request that is whole is run at once, in a greenlet that was at rest; where
the application waits, the hub goes on. So an idle connection needs no greenlet.
"""

import abc
import contextvars
import functools
import logging
import math
import os
import time
import traceback
import types
from collections.abc import Callable
from typing import Any, ClassVar, Final

from typing_extensions import override

from heeler.plugins.errors import RequestTimeout
from heeler.workers import scoreboard
from heeler.workers.access_entry import TIMEOUT
from heeler.workers.base import Boot, Drain
from heeler.workers.body import RequestBody
from heeler.workers.client_writer import ClientWriter
from heeler.workers.green_connection import GreenConnection
from heeler.workers.green_runner import Runner
from heeler.workers.http.request import Request
from heeler.workers.http_connection import HttpConnection
from heeler.workers.in_flight import InFlight
from heeler.workers.lendable_connection import lending
from heeler.workers.logs import event
from heeler.workers.overrun import run_in
from heeler.workers.overruns import OBEY_S
from heeler.workers.reactor import ReactorWorker
from heeler.workers.wsgi import Gateway


class GreenWorker(ReactorWorker):
    """Runs requests side by side, in greenlets; a subclass brings the library's hub.

    What is said of the hub here runs in its greenlet, where nothing may wait. The worker's
    life itself, from the boot to the end of the drain, goes on in the main greenlet.
    """

    connection_class: ClassVar[type[HttpConnection]] = GreenConnection

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.free: int = boot.config.worker_connections
        self.in_flight: Final = InFlight(self.row)
        self.resting: Final[list[Runner]] = []
        """Those that wait for a request, the one that served last at the end."""
        self.lending: Gateway
        """For requests whose application may take the client's socket."""
        self.context: contextvars.Context
        """What each request gets a copy of."""
        self._is_over: Callable[[], bool] = bool
        self._is_done = False
        self._fault: BaseException | None = None
        self.is_child = False
        """Whether this is a process that the application forked."""
        self._is_turning = False
        self._is_nudged = False
        self._timer_at = math.inf
        self._cancel_timer: Callable[[], object] = bool

    # -- what a subclass brings

    to_hub: Callable[[], object]
    """Switches to the hub; comes back when somebody switches here. Set by `open_hub`."""

    @abc.abstractmethod
    def open_hub(self) -> None:
        """Find the hub, and have what it would print go to `log_failure`."""

    @abc.abstractmethod
    def watch_poller(self) -> None:
        """From now on, have the hub call `on_events` whenever `poll_fd` is readable."""

    @abc.abstractmethod
    def leave_hub(self) -> None:
        """Have the hub call nothing any more: the worker ends, or this is a process that the application forked."""

    @abc.abstractmethod
    def call_soon(self, callback: Callable[[], object]) -> None:
        """Have the hub call `callback` in its next turn."""

    @abc.abstractmethod
    def call_later(self, seconds: float, callback: Callable[[], object]) -> Callable[[], object]:
        """Have the hub call `callback` then; return what calls that off."""

    @abc.abstractmethod
    def new_greenlet(self, main: Callable[[], None]) -> Any:  # Any: of the library
        """Return a greenlet that runs `main` and whose parent is the hub."""

    # -- life, in the main greenlet

    @override
    def make_gateway(self) -> Gateway:
        assert self.application is not None
        self.lending = Gateway(self, lending(self.application.callable), multithread=True)
        return Gateway(self, self.application.callable, multithread=True)

    @override
    def setup(self) -> None:
        super().setup()
        from greenlet import getcurrent, greenlet

        self.row.set("capacity", self.free)
        self.context = contextvars.copy_context()
        self._wake_main = getcurrent().switch
        self.bare_switch = greenlet.switch
        self.open_hub()
        os.register_at_fork(after_in_child=self._be_child)

    def _be_child(self) -> None:
        """From now on, the hub is the application's alone: a process that it forked knows nothing of the reactor."""
        self.is_child = True
        for client in self.connections.values():
            client.closed = True
        self.leave_hub()

    @override
    def run(self) -> None:
        self.watch_poller()
        self._turn_until(lambda: self.draining is not None)

    @override
    def drain(self, drain: Drain) -> None:
        self.start_draining(drain)
        self._turn_until(functools.partial(self.is_drained, drain))
        self.cut_rest()

    @override
    def is_drained(self, drain: Drain) -> bool:
        # An application is not cut short because its client has left.
        return super().is_drained(drain) and (not self.in_flight.count or time.monotonic() >= drain.deadline)

    @override
    def cut_rest(self) -> None:
        self.cut(self.in_flight.count - sum(client.running for client in self.connections.values()))
        super().cut_rest()
        # All is counted by that; the entries stay, for the arbiter to tell what was lost.
        self.words[scoreboard.IN_FLIGHT] = 0

    @override
    def teardown(self) -> None:
        self.leave_hub()
        super().teardown()

    def _turn_until(self, is_over: Callable[[], bool]) -> None:
        """Wait while the hub turns the reactor, until `is_over`, which is asked after each turn."""
        self._is_over, self._is_done = is_over, False
        self.nudge()
        while not self._is_done:
            try:
                self.to_hub()
            except BaseException:
                if self.is_child:  # its hub has nothing more to do, or was interrupted
                    os._exit(1)
                raise
        if self._fault is not None:
            raise self._fault

    def _end_turns(self) -> None:
        self._is_done = True
        self.call_soon(self._wake_main)

    def fail(self, error: BaseException) -> None:
        """Something of ours is broken: the worker ends."""
        if self.is_child:  # interrupted before it was out of the turn
            os._exit(1)
        self._fault = self._fault or error  # what comes after the first may be of its making
        self._end_turns()

    def log_failure(self, error: BaseException, where: str) -> None:
        """Log what a greenlet of the application, or a callback, raised with nobody to catch it."""
        if not isinstance(error, SystemExit):  # which ends a thread without a word, too
            event(self.boot.logs.error, logging.ERROR, "greenlet failed", exc_info=error, where=where)

    # -- turns of the reactor, in the hub

    def on_events(self) -> None:
        """Turn the reactor once, and have it turned again when something is due."""
        self._is_turning = True
        try:
            self.turn(0.0)
            if self._is_over():
                self._end_turns()
            wait_s = self.wait_s()
            if wait_s <= 0.0:
                self.nudge()
            else:
                self._call_at(time.monotonic() + wait_s)
        except _ForkedError:
            return
        except BaseException as error:
            self.fail(error)
        finally:
            self._is_turning = False

    def nudge(self) -> None:
        """Have the reactor turned, though nothing is readable."""
        if not self._is_nudged:
            self._is_nudged = True
            self.call_soon(self._on_nudge)

    def _on_nudge(self) -> None:
        self._is_nudged = False
        self.on_events()

    def _call_at(self, due: float) -> None:
        """Have the reactor turned at `due`, or before."""
        if due < self._timer_at:
            self._cancel_timer()
            self._timer_at = due
            self._cancel_timer = self.call_later(max(0.0, due - time.monotonic()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer_at = math.inf
        self._cancel_timer = bool
        self.on_events()

    @override
    def deadline_in(self, timeout_s: float) -> float:
        deadline = super().deadline_in(timeout_s)
        if not self._is_turning:  # else it is seen to at the end of the turn
            self._call_at(deadline)
        return deadline

    # -- requests

    @override
    def take(self, connection: HttpConnection, request: Request, body: RequestBody | None) -> None:
        if self.free <= 0:
            connection.postpone(request, body)
            return
        assert isinstance(connection, GreenConnection)
        self.free -= 1
        connection.running = True
        connection.has_begun = False
        runner = self.resting.pop() if self.resting else Runner(self)
        runner.start(connection, request, body)
        self._stay_parent()
        if connection.running:
            connection.begin_wait(runner, time.monotonic() + self.request_timeout)

    def _stay_parent(self) -> None:
        """Get out of the turn, where this is a process that the application forked in the midst of it."""
        if self.is_child:
            raise _ForkedError

    def served(self, connection: GreenConnection, keep_alive: bool) -> None:
        """A request is over. Process: the worker, in the greenlet that ran it."""
        connection.end_request(keep_alive)
        if not self._is_turning and (self.ready or self.draining is not None):
            self.nudge()

    @override
    def overrun(self, connection: HttpConnection) -> None:
        assert isinstance(connection, GreenConnection)
        runner = connection.runner
        assert runner is not None, "a request that did not wait for anything is over"
        if connection.is_switched:
            connection.begin_wait(runner, math.inf)
            return
        if connection.is_told:
            self._give_up(connection, runner)
            return
        connection.is_told = True
        run = run_in(runner.greenlet.gr_frame)
        if run is not None:
            run.response.outcome = TIMEOUT
        self.overruns.begin(runner.request, runner.began_ns, self.overruns.stacks())
        runner.greenlet.throw(RequestTimeout(f"the request took longer than {self.request_timeout:g} s"))
        self._stay_parent()
        if connection.running:
            connection.begin_wait(runner, time.monotonic() + OBEY_S)

    def _give_up(self, connection: GreenConnection, runner: Runner) -> None:
        """The application was told that its time is over, and goes on: answer for it."""
        frame = runner.greenlet.gr_frame
        self.overruns.stuck(runner.request, runner.began_ns, "".join(traceback.format_stack(frame)))
        run = run_in(frame)
        if run is not None:
            self.gateway.see_to(run, 504)
        if connection.has_begun:
            self.cut()
        connection.give_up(504, has_begun=connection.has_begun)

    @override
    def frames(self) -> list[types.FrameType]:
        runners = [client.runner for client in self.connections.values() if isinstance(client, GreenConnection)]
        waiting = [runner.greenlet.gr_frame for runner in runners if runner is not None]
        return [*super().frames(), *(frame for frame in waiting if frame is not None)]

    @override
    def wait_for_client(self, client: ClientWriter) -> None:
        assert isinstance(client, GreenConnection)
        while not client.closed and client.pending_memory() > self.response_memory // 2:
            client.wait_for_room()


class _ForkedError(Exception):
    """This is no worker any more, but a child of the application."""
