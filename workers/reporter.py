"""What is told of requests: to the logs, the operator's hook, and the quota.

Decides who hears of a request that is over, failed or refused. Must not know how
applications are called.
"""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from heeler.plugins.errors import RemoteProtocolError, RequestTimeout
from heeler.workers import messages
from heeler.workers.access_entry import SEEN_TO, AccessEntry
from heeler.workers.http.request import Request
from heeler.workers.logs import event

if TYPE_CHECKING:
    from heeler.workers.base import Worker


class Reported(Protocol):
    """What is told of a response."""

    @property
    def code(self) -> int:
        """The status code that was sent, 0 where none was."""
        ...

    @property
    def reason(self) -> str:
        """The reason phrase that was sent."""
        ...

    @property
    def headers(self) -> Iterable[tuple[str, str]]:
        """The headers as the application gave them."""
        ...

    sent: int
    """Bytes of body."""
    fault: str | None
    """What the application did wrong, for the log."""

    @property
    def outcome(self) -> str:
        """How it ended, for the access log; `SEEN_TO` where that has its entry."""
        ...


class Reporter:
    """Tells whoever wants to know of a worker's requests.

    Args:
        worker: whose requests they are.

    Process: the worker.
    """

    __slots__ = ("_access", "_errors", "_post_request", "_worker", "is_watched")

    def __init__(self, worker: "Worker") -> None:
        logs = worker.boot.logs
        self._worker = worker
        self._errors = logs.error
        self._access = logs.access
        self._post_request = worker.config.post_request
        is_counted = worker.quota.is_limited or worker.warmth.is_limited
        self.is_watched = bool(self._access or self._post_request or is_counted)
        """Whether `report` is wanted for responses without a fault too."""

    def report(
        self,
        request: Request,
        response: Reported,
        peer: str,
        environ: dict[str, Any] | None,  # Any: what PEP 3333 and middleware put into it
        duration_ns: int,
    ) -> None:
        """Tell of a request that is over; `environ` is the WSGI environment, None where there is none."""
        if response.fault is not None:
            event(self._errors, logging.ERROR, response.fault, method=request.method, path=request.path)
        if self._post_request is not None:
            try:
                self._post_request(self._worker, request, environ, response)
            except BaseException:
                # The request is answered; what the hook makes of it cannot change that.
                self._errors.exception("hook failed hook=post_request slot=%d", self._worker.slot)
        if response.outcome is not SEEN_TO:
            self.log(request, response, peer, environ, duration_ns)
        if self._worker.quota.count_down():
            self._worker.retire("max_requests")
        if self._worker.warmth.count_down():
            self._worker.boot.channel.send(messages.Warm())

    def log(
        self,
        request: Request,
        response: Reported,
        peer: str,
        environ: dict[str, Any] | None,  # Any: as in `report`
        duration_ns: int,
    ) -> None:
        """Write the entry of the access log, where there is one."""
        if self._access is not None:
            self._access.write(
                AccessEntry(
                    request=request,
                    status=response.code,
                    reason=response.reason,
                    headers=response.headers,
                    sent=response.sent,
                    duration_ns=duration_ns,
                    peer=peer,
                    environ=environ,
                    outcome=response.outcome,
                )
            )

    def failed(self, request: Request, error: BaseException) -> None:
        """The application raised `error`, or was made to."""
        phrase = "request timed out" if isinstance(error, RequestTimeout) else "request failed"
        event(self._errors, logging.ERROR, phrase, exc_info=error, method=request.method, path=request.path)

    def refused(self, peer: str, error: RemoteProtocolError) -> None:
        """A request was refused before it was one."""
        status, reason = error.status_hint, error.reason
        event(self._errors, logging.INFO, "request refused", peer=peer, status=status, reason=reason)
