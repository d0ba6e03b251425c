"""A greenlet that runs one request after another.

To make a greenlet takes longer than to serve a small request: CPython maps memory for each. So
one that has served rests until there is another request.
"""

import functools
import logging
import os
import time
from typing import TYPE_CHECKING, Any, Final

from heeler.workers.body import RequestBody
from heeler.workers.green_connection import GreenConnection
from heeler.workers.http.request import Request
from heeler.workers.lendable_connection import serve_lent
from heeler.workers.logs import event

if TYPE_CHECKING:
    from heeler.workers.green import GreenWorker

REST_AT_MOST: Final = 256
"""Greenlets kept for requests to come; what a burst needed beyond that ends."""

Job = tuple[GreenConnection, Request, RequestBody | None]


class Runner:
    """Runs requests in a greenlet of its own.

    Args:
        worker: whose requests they are.
    """

    __slots__ = ("_job", "_switch", "_to_hub", "_worker", "began_ns", "greenlet", "request")

    def __init__(self, worker: "GreenWorker") -> None:
        self._worker = worker
        self._job: Job | None = None
        self.greenlet: Any = worker.new_greenlet(self._live)  # Any: of the library
        self._switch = self.greenlet.switch
        # Quicker than the library's own, which looks after what does not concern a greenlet at rest.
        self._to_hub = functools.partial(worker.bare_switch, self.greenlet.parent)
        self.request: Request
        """What it runs, or ran last."""
        self.began_ns = 0
        """When that began, CLOCK_MONOTONIC."""

    def start(self, connection: GreenConnection, request: Request, body: RequestBody | None) -> None:
        """Run a request, until it waits for something or is over. Process: the worker, in the hub."""
        self._job = (connection, request, body)
        self.greenlet.gr_context = self._worker.context.copy()
        self._switch()

    def _live(self) -> None:
        worker = self._worker
        serve, enter, leave = worker.gateway.serve, worker.in_flight.enter, worker.in_flight.leave
        try:
            while self._job is not None:
                (connection, request, body), self._job = self._job, None
                self.request = request
                self.began_ns = now_ns = time.monotonic_ns()
                entry = enter(now_ns, request.line.what)
                if request.fields.upgrade and request.upgrade:
                    keep_alive = serve_lent(worker.lending, connection, request, body, now_ns)
                else:
                    keep_alive = serve(connection, request, body, now_ns)
                if worker.is_child:
                    os._exit(1)  # a child of the application has nothing more to do
                leave(entry)
                worker.free += 1
                if worker.home is not None:
                    worker.tell_room()
                connection.running = False
                if keep_alive and connection.calm:
                    # It has not waited for anything, and the reactor knows nothing of it.
                    connection.deadline = worker.last_response_ns / 1e9 + worker.keepalive
                else:
                    worker.served(connection, keep_alive)
                # What the request left behind must not live as long as this greenlet rests.
                del connection, request, body
                self._rest()
        except BaseException as error:
            # Not the application's, which `serve` sees to: a fault of ours, and the worker's end.
            worker.fail(error)

    def _rest(self) -> None:
        """Wait for the next request; come back without one where this greenlet is to end."""
        resting = self._worker.resting
        if len(resting) >= REST_AT_MOST:
            return
        resting.append(self)
        to_hub = self._to_hub
        try:
            while self._job is None:
                # Whoever still has the greenlet of a request that is over may switch here: of no consequence.
                to_hub()
        except BaseException as error:
            # Or throw: a kill or a timeout that comes too late. It must not meet another request.
            resting.remove(self)
            event(self._worker.boot.logs.error, logging.WARNING, "late exception", error=repr(error))
