"""WSGI: requests through the application, whoever does the I/O (PEP 3333)."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import heeler
from heeler.plugins.errors import RemoteProtocolError, RequestTimeout
from heeler.workers.access_entry import DONE, SEEN_TO, TIMEOUT
from heeler.workers.body import RequestBody
from heeler.workers.client import Client, ClientGoneError
from heeler.workers.clock import http_date
from heeler.workers.empty_input import EMPTY_INPUT
from heeler.workers.http.error_page import error_page
from heeler.workers.http.fields import Fields
from heeler.workers.http.request import Request
from heeler.workers.http.request_line import RequestLine
from heeler.workers.http.response import ResponseEncoder
from heeler.workers.proxies import TrustedProxies
from heeler.workers.reporter import Reporter
from heeler.workers.sources import Connection
from heeler.workers.wsgi_response import FileWrapper, PlainFileWrapper, WsgiResponse

if TYPE_CHECKING:
    from heeler.workers.base import Worker
    from heeler.workers.overrun import Run

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Gateway:
    """Takes whole requests through a WSGI application.

    Args:
        worker: whose requests they are; its configuration, scoreboard row, logs and hooks are used.
        application: the WSGI callable.

    Process: the worker. `serve` may be called from several threads at once where the
    worker class says so in `wsgi.multithread`.
    """

    def __init__(self, worker: "Worker", application: Application, *, multithread: bool = False) -> None:
        config = worker.config
        self._worker = worker
        self._application = application
        self._pre_request = config.pre_request
        self._reporter = Reporter(worker)
        self._is_watched = self._reporter.is_watched
        self.log_refusal = self._reporter.refused
        self._tally = worker.tally
        self._date = b""
        self._date_ends_ns = 0
        self._encoder = ResponseEncoder(b"heeler")
        self._proxies = TrustedProxies(
            config.forwarded_allow_ips, config.secure_scheme_headers, config.forwarder_headers
        )
        self.trusts = self._proxies.trusts
        self._base: dict[str, Any] = {
            "SCRIPT_NAME": config.script_name,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_SOFTWARE": f"heeler/{heeler.__version__}",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": ErrorsStream(worker.boot.logs.error),
            "wsgi.multithread": multithread,
            "wsgi.multiprocess": (config.workers_max or config.workers) > 1,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper if config.sendfile else PlainFileWrapper,
            "wsgi.input_terminated": True,
            "heeler.slot": worker.slot,
            "REQUEST_METHOD": "",
            "PATH_INFO": "",
            "QUERY_STRING": "",
            "RAW_URI": "",
            "REQUEST_URI": "",
            "wsgi.input": EMPTY_INPUT,
        }

    # -- connections

    def connection_environ(self, connection: Connection) -> dict[str, Any]:
        """Return what `connection` adds to the environ of every request on it."""
        host, port = connection.peer
        return {
            "REMOTE_ADDR": host,
            "REMOTE_PORT": str(port),
            "SERVER_NAME": connection.address.host or "localhost",
            "SERVER_PORT": str(connection.address.port or 80),
        }

    # -- requests

    def serve(self, client: Client, request: Request, body: RequestBody | None, started_ns: int) -> bool:
        """Run one request, taken up at `started_ns`; True where the connection may be kept open.

        Blocking: as long as the application takes. Never raises: what the application
        raises is logged and answered with 500, or the response is cut where it has begun.
        """
        if started_ns >= self._date_ends_ns:
            self._renew_date(started_ns)
        worker, line, fields = self._worker, request.line, request.fields
        keep_alive = request.keep_alive and worker.keep_alive
        response = WsgiResponse(client, line, self._encoder, keep_alive, self._date)
        environ: dict[str, Any] = {}
        try:
            trusted = client.trusted
            environ = {
                **(fields.memo.get(trusted) or self._learn(fields, trusted)),
                **client.environ,
                **(line.memo or _describe(line)),
            }
            if environ["SCRIPT_NAME"]:
                _mount(environ)
            if body is not None:
                environ["wsgi.input"] = body.rewind()
                if fields.chunked:
                    # It is whole by now, and there are applications that take no length for no content.
                    environ["CONTENT_LENGTH"] = str(body.size)
                    environ.pop("HTTP_TRANSFER_ENCODING", None)
            if self._pre_request is not None:
                self._pre_request(worker, request)
            iterable = self._application(environ, response.start_response)
            if not worker.keep_alive and response.head is None:
                response.keep_alive = False  # it was told to stop while the application was at work
            if type(iterable) is list:
                response.send_list(iterable)
            else:
                self._send(request, response, iterable)
        except ClientGoneError as gone:
            response.keep_alive = False
            response.failed = gone.status
        except RemoteProtocolError as error:
            self.log_refusal(client.peer[0], error)
            self._answer(client, request, response, error.status_hint)
        except BaseException as error:
            # SystemExit, CancelledError, KeyboardInterrupt: whatever a request raises, it is the request's.
            if isinstance(error, RequestTimeout) and response.outcome is DONE:
                response.outcome = TIMEOUT
            self._reporter.failed(request, error)
            self._answer(client, request, response, 500 if response.outcome is DONE else 504)
        if body is not None:
            body.close()
        worker.last_response_ns = ended_ns = time.monotonic_ns()
        head = response.head
        if response.outcome is not SEEN_TO:
            self._tally.answered(
                head.status_class if head is not None else response.failed // 100, response.sent, ended_ns - started_ns
            )
        if self._is_watched or response.fault is not None:
            self._reporter.report(request, response, client.peer[0], environ, ended_ns - started_ns)
        return response.keep_alive

    def see_to(self, run: "Run", status: int) -> None:
        """Count and log a request that is answered with `status`, or cut, though the application goes on.

        Process: the worker; not necessarily the thread that runs the request, and perhaps a signal handler.
        """
        response, duration_ns = run.response, time.monotonic_ns() - run.started_ns
        response.outcome = TIMEOUT
        response.failed = status
        self._reporter.log(run.request, response, run.client.peer[0], run.environ, duration_ns)
        response.outcome = SEEN_TO
        head = response.head
        self._tally.answered(head.status_class if head is not None else status // 100, response.sent, duration_ns)

    def _send(self, request: Request, response: WsgiResponse, iterable: Iterable[bytes]) -> None:
        try:
            response.send(iterable)
        finally:
            # Whatever happened: the application may hold a file or a database cursor open in it.
            if hasattr(iterable, "close"):
                try:
                    iterable.close()
                except BaseException as error:
                    # The response is what it is by now; one that is complete stays so.
                    self._reporter.failed(request, error)

    def _learn(self, fields: Fields, trusted: bool) -> dict[str, Any]:
        """Return what all requests with these fields have in common; it is kept with the fields."""
        known = self._base | fields.environ
        if trusted:
            self._proxies.apply(known, fields)
        fields.memo[trusted] = known
        return known

    def _renew_date(self, now_ns: int) -> None:
        self._date, left_ns = http_date()
        self._date_ends_ns = now_ns + left_ns

    def _answer(self, client: Client, request: Request, response: WsgiResponse, status: int) -> None:
        """Answer with an error page, or cut what has begun."""
        response.keep_alive = False
        if response.head is not None:
            client.abort()
            return
        response.failed = status
        try:
            client.write(error_page(status, self._date, head_only=request.method == "HEAD"))
        except ClientGoneError:
            pass


def _mount(environ: dict[str, Any]) -> None:
    """Take the prefix that the application is mounted at off the path (PEP 3333, CGI's PATH_INFO)."""
    prefix, path = environ["SCRIPT_NAME"], environ["PATH_INFO"]
    if path == prefix or path.startswith(prefix + "/"):
        environ["PATH_INFO"] = path[len(prefix) :]


def _describe(line: RequestLine) -> dict[str, str]:
    """Return what all requests with this line have in common; it is kept with the line."""
    path = line.path
    line.memo = {
        "REQUEST_METHOD": line.method,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1") if "%" in path else path,
        "QUERY_STRING": line.query,
        "RAW_URI": line.target,
        "REQUEST_URI": line.target,
        "SERVER_PROTOCOL": f"HTTP/1.{line.minor}",
    }
    return line.memo


class ErrorsStream:
    """The `wsgi.errors` of every request: text for the error log.

    Args:
        logger: where it goes.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def write(self, text: str) -> None:
        """Log `text`, without its last line end."""
        if text.strip():
            self._logger.error("%s", text.rstrip("\n"))

    def writelines(self, lines: Iterable[str]) -> None:
        """Log each of `lines`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is held back."""
