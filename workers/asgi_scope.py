"""ASGI scopes: what an application is told of its request.

What requests have in common is made once and kept with the fields or the request line
that it was made of. A scope belongs to the application: whatever it may change in there
is a copy.
"""

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from heeler.workers.http.fields import Fields, Pair, split
from heeler.workers.http.request import Request
from heeler.workers.http.request_line import RequestLine
from heeler.workers.proxies import TrustedProxies
from heeler.workers.sources import Connection

if TYPE_CHECKING:
    from heeler.workers.asgi_worker import AsgiWorker
    from heeler.workers.streaming_connection import StreamingConnection

Scope = dict[str, Any]  # Any: what ASGI puts into it

_HTTP_EXTENSIONS: Final = (
    "http.response.pathsend",
    "http.response.zerocopysend",
    "http.response.trailers",
    "http.response.early_hint",
)
_DEBUG_EXTENSION: Final = "http.response.debug"
_WEBSOCKET_EXTENSIONS: Final = ("websocket.http.response",)


class ScopeMaker:
    """Makes the scopes of a worker's requests.

    Args:
        worker: its configuration and `state` are used.
        proxies: whose word on the scheme and the prefix is taken.
    """

    __slots__ = ("_forwarded", "_http", "_proxies", "_script_name", "_websocket", "_worker")

    def __init__(self, worker: "AsgiWorker", proxies: TrustedProxies) -> None:
        config = worker.config
        self._worker = worker
        self._proxies = proxies
        self._script_name: str = config.script_name
        self._forwarded = frozenset(name.lower().encode("latin-1") for name in config.forwarder_headers)
        # Meant for tests, says the specification, and dear: templates are told with all their context.
        more = (_DEBUG_EXTENSION,) if config.loglevel == "debug" else ()
        self._http: dict[str, dict[str, object]] = {name: {} for name in (*_HTTP_EXTENSIONS, *more)}
        self._websocket: dict[str, dict[str, object]] = {name: {} for name in _WEBSOCKET_EXTENSIONS}

    def connection(self, connection: Connection) -> Scope:
        """Return what `connection` adds to the scope of every request on it."""
        host, port = connection.peer
        address = connection.address
        is_unix = address.kind == "unix"
        return {
            "client": (host, port) if host else None,
            "server": (address.path, None) if is_unix else (address.host or "localhost", address.port or 80),
        }

    def http(self, request: Request, connection: "StreamingConnection") -> Scope:
        """Return the scope of a request.

        Raises:
            RemoteProtocolError: a trusted proxy contradicts itself.
        """
        line, fields, trusted = request.line, request.fields, connection.trusted
        known = fields.memo.get(trusted) or self._learn(fields, trusted)
        memo = line.memo
        if memo is None or memo["known"] is not known:
            memo = _combine(line, known)
        scope: Scope = memo["scope"].copy()
        environ = connection.environ
        scope["client"] = environ["client"]
        scope["server"] = environ["server"]
        scope["asgi"] = known["asgi"].copy()
        scope["headers"] = known["headers"].copy()
        scope["extensions"] = known["extensions"].copy()
        scope["state"] = self._worker.state.copy()
        if scope["root_path"]:
            _mount(scope)
        return scope

    def websocket(self, request: Request, connection: "StreamingConnection", subprotocols: list[str]) -> Scope:
        """Return the scope of a request that opens a WebSocket.

        Raises:
            RemoteProtocolError: as `http`.
        """
        scope = self.http(request, connection)
        del scope["method"]
        scope["type"] = "websocket"
        scope["scheme"] = "wss" if scope["scheme"] == "https" else "ws"
        scope["subprotocols"] = subprotocols
        scope["extensions"] = self._websocket.copy()
        return scope

    def _learn(self, fields: Fields, trusted: bool) -> Scope:
        """Return what all requests with these fields have in common; it is kept with the fields."""
        known: Scope = {"wsgi.url_scheme": "http", "SCRIPT_NAME": self._script_name, **fields.environ}
        headers = fields.pairs
        if trusted:
            self._proxies.apply(known, fields)
            if fields.odd_names:
                headers = self._with_forwarded(fields)
        known = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "scheme": known["wsgi.url_scheme"],
            "root_path": known["SCRIPT_NAME"],
            "headers": headers,
            "extensions": self._http,
        }
        fields.memo[trusted] = known
        return known

    def _with_forwarded(self, fields: Fields) -> list[Pair]:
        """Return the fields, those with an underscore too that a trusted proxy may set."""
        pairs = fields.pairs
        told = [(name.lower(), value) for name, value in split(fields.block) if b"_" in name]
        return [*pairs, *(pair for pair in told if pair[0] in self._forwarded and pair not in pairs)]


def _combine(line: RequestLine, known: Scope) -> Scope:
    """Return what all requests with this line and the fields of `known` have in common.

    It is kept with the line: whoever asks for the same again has the same fields most often.
    """
    path = line.path
    described = {
        "http_version": f"1.{line.minor}",
        "method": line.method,
        "path": unquote(path) if "%" in path else path,
        "raw_path": path.encode("ascii"),
        "query_string": line.query.encode("ascii"),
        "client": None,
        "server": None,
        "state": None,
    }
    line.memo = {"known": known, "scope": known | described}
    return line.memo


def _mount(scope: Scope) -> None:
    """Have the path include the prefix that the application is mounted at, where a proxy has taken it off."""
    prefix, path = scope["root_path"], scope["path"]
    if path != prefix and not path.startswith(prefix + "/") and path != "*":
        scope["path"] = prefix + path
