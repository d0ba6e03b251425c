"""The `thread` worker: as many requests run at once as there are threads, any number of connections wait."""

import math
import os
import time
import traceback
from typing import Final

from typing_extensions import override

from heeler.plugins.errors import RequestTimeout
from heeler.workers.access_entry import DONE, TIMEOUT
from heeler.workers.base import Boot
from heeler.workers.body import RequestBody
from heeler.workers.client_writer import ClientWriter
from heeler.workers.hands import Hand
from heeler.workers.http.request import Request
from heeler.workers.http_connection import HttpConnection
from heeler.workers.in_flight import InFlight
from heeler.workers.lendable_connection import lending, serve_lent
from heeler.workers.overrun import is_in_application, run_in
from heeler.workers.overruns import OBEY_S
from heeler.workers.threaded_connection import ThreadedConnection
from heeler.workers.threaded_reactor import ThreadedReactor
from heeler.workers.wsgi import Gateway

_AGAIN_S: Final = 0.02
"""How soon a thread that cannot be interrupted where it is gets looked at again."""


class ThreadWorker(ThreadedReactor):
    """Runs each request in a thread."""

    name = "thread"
    keeps_connections = False

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self._in_flight: Final = InFlight(boot.row)
        self._is_plain = self.request_timeout == math.inf

    @override
    def make_gateway(self) -> Gateway:
        assert self.application is not None
        self._lending = Gateway(self, lending(self.application.callable), multithread=True)
        return Gateway(self, self.application.callable, multithread=True)

    @override
    def run_request(
        self, hand: Hand, connection: ThreadedConnection, request: Request, body: RequestBody | None
    ) -> None:
        lead, state = self.lead, self.state
        now_ns = time.monotonic_ns()
        entry = self._in_flight.enter(now_ns, request.line.what)
        hand.begin(connection, request, now_ns)
        if lead.leader is hand:
            lead.begins(now_ns)
        if self._is_plain and not request.fields.upgrade:
            state.release()
            keep_alive = self.gateway.serve(connection, request, body, now_ns)
        else:
            keep_alive = self._serve_specially(hand, connection, request, body, now_ns)
        if self.is_copy:
            os._exit(1)  # a child of the application has nothing more to do
        state.acquire()
        ended_ns = self.last_response_ns
        lead.ended(hand, ended_ns - now_ns)
        self._in_flight.leave(entry)
        hand.connection = None
        connection.running = False
        if keep_alive and connection.calm and connection.home is None:
            connection.deadline = ended_ns / 1e9 + self.keepalive
        else:
            connection.finish(keep_alive)
        self.thread_is_free(ended_ns)

    def _serve_specially(
        self, hand: Hand, connection: ThreadedConnection, request: Request, body: RequestBody | None, now_ns: int
    ) -> bool:
        """Run a request that has a deadline, or may take the client's socket; `state` is not held afterwards."""
        if not self._is_plain:
            connection.is_told = False
            connection.run_until = connection.deadline = self.deadline_in(self.request_timeout)
        self.state.release()
        hand.interruption.allow()
        try:
            try:
                if request.upgrade:
                    return serve_lent(self._lending, connection, request, body, now_ns)
                return self.gateway.serve(connection, request, body, now_ns)
            finally:
                hand.interruption.forbid()
        except RequestTimeout:
            return False

    @override
    def overrun(self, connection: HttpConnection) -> None:
        assert type(connection) is ThreadedConnection
        assert connection.hand is not None
        if connection.is_told:
            self._give_up(connection, connection.hand)
            return
        until = math.inf
        if not connection.is_switched:
            connection.is_told = self._tell(connection.hand)
            until = self.deadline_in(OBEY_S if connection.is_told else _AGAIN_S)
        connection.run_until = connection.deadline = until

    def _tell(self, hand: Hand) -> bool:
        """Raise RequestTimeout in the application; False where its thread is not in it just now, or any more."""
        frame = hand.interruption.frame
        run = run_in(frame)
        if run is None or not is_in_application(frame):
            return False
        stacks, run.response.outcome = self.overruns.stacks(), TIMEOUT
        if not hand.interruption.interrupt():
            run.response.outcome = DONE
            return False
        self.overruns.begin(hand.request, hand.began_ns, stacks)
        return True

    def _give_up(self, connection: ThreadedConnection, hand: Hand) -> None:
        """The application was told that its time is over, and goes on: answer for it."""
        frame = hand.interruption.frame
        self.overruns.stuck(hand.request, hand.began_ns, "".join(traceback.format_stack(frame)))
        run = run_in(frame)
        if run is not None:
            self.gateway.see_to(run, 504)
        if connection.writes:
            self.cut()
        connection.answer_for(504)

    # -- back-pressure

    @override
    def queue(self, connection: HttpConnection) -> None:
        super().queue(connection)
        if self.stalled:
            self.moved.notify_all()

    @override
    def wait_for_client(self, client: ClientWriter) -> None:
        assert type(client) is ThreadedConnection
        if self.lead.leader is client.hand:
            self.lead.hand_on(time.monotonic_ns())
        low = self.response_memory // 2
        client.is_stalled = True
        client.slow_down()
        self.stalled += 1
        self.reopen()
        try:
            with self.making_way_of(client):
                while not client.closed and client.pending_memory() > low:
                    if self.ready and self.free <= 0:
                        client.spill()
                        return
                    self.moved.wait()
        finally:
            client.is_stalled = False
            self.stalled -= 1
