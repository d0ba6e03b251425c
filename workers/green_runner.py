"""A greenlet that runs one request after another.

To make a greenlet takes longer than to serve a small request: CPython maps memory for each. So
one that has served rests until there is another request.
"""

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from heeler.workers.body import RequestBody
from heeler.workers.green_connection import GreenConnection
from heeler.workers.http.request import Request
from heeler.workers.lendable_connection import serve_lent
from heeler.workers.logs import event

if TYPE_CHECKING:
    from heeler.workers.green import GreenWorker

Job = tuple[GreenConnection, Request, RequestBody | None]


class Runner:
    """Runs requests in a greenlet of its own.

    Args:
        worker: whose requests they are.
    """

    __slots__ = ("_job", "_switch", "_worker", "began_ns", "greenlet", "request")

    def __init__(self, worker: "GreenWorker") -> None:
        self._worker = worker
        self._job: Job | None = None
        self.greenlet: Any = worker.new_greenlet(self._live)  # Any: of the library
        self._switch = self.greenlet.switch
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
                self.request, self.began_ns = request, time.monotonic_ns()
                entry = enter(self.began_ns, request.line.what)
                if request.fields.upgrade and request.upgrade:
                    keep_alive = serve_lent(worker.lending, connection, request, body, self.began_ns)
                else:
                    keep_alive = serve(connection, request, body, self.began_ns)
                if worker.is_child:
                    os._exit(1)  # a child of the application has nothing more to do
                leave(entry)
                worker.served(connection, keep_alive)
                # What the request left behind must not live as long as this greenlet rests.
                del connection, request, body
                self._rest()
        except BaseException as error:
            # Not the application's, which `serve` sees to: a fault of ours, and the worker's end.
            worker.fail(error)

    def _rest(self) -> None:
        """Wait for the next request; come back without one where this greenlet is to end."""
        resting, to_hub = self._worker.resting, self._worker.to_hub
        if len(resting) >= self._worker.rest_at_most:
            return
        resting.append(self)
        try:
            while self._job is None:
                # Whoever still has the greenlet of a request that is over may switch here: of no consequence.
                to_hub()
        except BaseException as error:
            # Or throw: a kill or a timeout that comes too late. It must not meet another request.
            resting.remove(self)
            event(self._worker.boot.logs.error, logging.WARNING, "late exception", error=repr(error))
