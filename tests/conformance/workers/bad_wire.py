"""Worker classes that break HTTP."""

from typing_extensions import override

from heeler.workers.base import Boot
from heeler.workers.body import RequestBody
from heeler.workers.http.request import Request
from heeler.workers.http_connection import HttpConnection, Waiting
from heeler.workers.reactor import ReactorWorker
from heeler.workers.sources import Connection
from heeler.workers.sync import SyncWorker


class _GivesMore(HttpConnection):
    is_head = False

    @override
    def write(self, data: bytes) -> None:
        super().write(data + b"hello" if self.is_head else data)


class AnswersHeadWithContent(SyncWorker):
    """Sends the content that HEAD does not ask for."""

    connection_class = _GivesMore

    @override
    def take(self, connection: HttpConnection, request: Request, body: RequestBody | None) -> None:
        assert isinstance(connection, _GivesMore)
        connection.is_head = request.method == "HEAD"
        super().take(connection, request, body)


class PassesTheFramingOn(SyncWorker):
    """Gives the application the last chunk as if it were content."""

    @override
    def take(self, connection: HttpConnection, request: Request, body: RequestBody | None) -> None:
        if body is not None:
            body.write(b"0\r\n\r\n")
        super().take(connection, request, body)


class _HidesChunks(HttpConnection):
    @override
    def write(self, data: bytes) -> None:
        super().write(data.replace(b"Transfer-Encoding: chunked\r\n", b""))


class DoesNotSayThatItChunks(SyncWorker):
    """Sends chunks without a word about them."""

    connection_class = _HidesChunks


class _LastComesFirst(HttpConnection):
    @override
    def next_request(self) -> Waiting:
        assert self.waiting, "no request waits"
        return self.waiting.pop()


class KeepsNoOrder(SyncWorker):
    """Answers the last request first."""

    connection_class = _LastComesFirst


class _NeverAsks(HttpConnection):
    @override
    def _ask_on(self) -> bool:
        self._asks_on = False
        return True


class NeverSaysContinue(SyncWorker):
    """Lets clients wait that want to be asked for their content."""

    connection_class = _NeverAsks


class KeepsNoConnection(SyncWorker):
    """Closes after each response."""

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.keep_alive = False


class NeverCloses(SyncWorker):
    """Keeps connections that are to be closed."""

    @override
    def setup(self) -> None:
        super().setup()
        serve = self._serve
        self._serve = lambda *arguments: serve(*arguments) or True


class _NeverCuts(HttpConnection):
    @override
    def abort(self) -> None:
        self.write(b"0\r\n\r\n")
        self.close()


class MakesBrokenLookWhole(SyncWorker):
    """Ends a response that broke off as if that were all of it."""

    connection_class = _NeverCuts


class _NeverMinds(HttpConnection):
    @override
    def abort(self) -> None:
        """Go on."""


class LeavesAShortResponseOpen(NeverCloses):
    """Lets a client wait for the rest of a response that will never come."""

    connection_class = _NeverMinds


class _Lenient(HttpConnection):
    def __init__(self, worker: ReactorWorker, connection: Connection, environ: dict[str, object]) -> None:
        super().__init__(worker, connection, environ)
        feed = self._feed
        twice = b"Content-Length: 5\r\n" * 2
        self._quick = _is_slow
        self._feed = lambda data: feed(data.replace(twice, twice[: len(twice) // 2]))


def _is_slow(data: bytes) -> Request | None:
    return None


class ForgivesARepeatedLength(SyncWorker):
    """Reads in one way what others read in another."""

    connection_class = _Lenient
