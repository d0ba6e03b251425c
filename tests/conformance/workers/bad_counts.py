"""Worker classes whose figures are wrong, and ones that break WSGI."""

from collections.abc import Iterable

from typing_extensions import override

from heeler.workers.http.request import Request
from heeler.workers.sync import SyncWorker
from heeler.workers.wsgi import Gateway
from heeler.workers.wsgi_response import WsgiResponse


class CountsTwice(SyncWorker):
    """Counts each request twice."""

    @override
    def setup(self) -> None:
        super().setup()
        serve = self._serve

        def serve_and_count(*arguments: object) -> bool:
            self.tally.answered(2, 0, 1)
            return serve(*arguments)  # type: ignore[arg-type]

        self._serve = serve_and_count


class LogsNothing(SyncWorker):
    """Writes no access log."""

    @override
    def setup(self) -> None:
        self.boot.logs.access = None
        super().setup()


class ForgetsTheGone(SyncWorker):
    """Counts connections that are long gone."""

    @override  # type: ignore[misc]  # it is not to be overridden
    def closed(self) -> None:
        """Count nothing."""


class BreaksTheEnviron(SyncWorker):
    """Gives the application an environ that PEP 3333 does not allow."""

    @override
    def setup(self) -> None:
        super().setup()
        self.gateway._base["wsgi.version"] = [1, 0]


class _Keeps(Gateway):
    @override
    def _send(self, request: Request, response: WsgiResponse, iterable: Iterable[bytes]) -> None:
        response.send(iterable)


class ClosesNoIterable(SyncWorker):
    """Never closes what the application returned."""

    @override
    def make_gateway(self) -> Gateway:
        assert self.application is not None
        return _Keeps(self, self.application.callable)
