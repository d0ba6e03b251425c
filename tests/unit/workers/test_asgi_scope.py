"""ASGI scopes: complete, the client's word only where it is trusted, and nobody's but the application's."""

from typing import Any

import pytest

from support.asgi_fakes import Exchanging, FakeWorker

Scope = dict[str, Any]  # Any: what ASGI puts into it


def scope_of(data: bytes, **options: Any) -> Scope:  # Any: those of Exchanging
    """Return the scope that an application gets."""
    seen: list[Scope] = []

    async def app(scope: Scope, receive: object, send: Any) -> None:  # Any: ASGI's
        seen.append(scope)
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    assert Exchanging(app, data, **options).step()
    return seen[0]


def get(target: str = "/", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    """Return a request."""
    lines = [f"{method} {target} HTTP/{version}", "Host: example.org", *fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def test_whole_scope() -> None:
    """All that the specification names is there, and in the right types."""
    scope = scope_of(get("/caf%C3%A9/x%2Fy?a=%20b", "X-A: 1", "x-a: 2", "X_B: dropped"))
    extensions = scope.pop("extensions")
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/caf\xe9/x/y",
        "raw_path": b"/caf%C3%A9/x%2Fy",
        "query_string": b"a=%20b",
        "root_path": "",
        "headers": [(b"host", b"example.org"), (b"x-a", b"1"), (b"x-a", b"2")],
        "client": ("192.0.2.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    assert extensions == {
        "http.response.pathsend": {},
        "http.response.zerocopysend": {},
        "http.response.trailers": {},
        "http.response.early_hint": {},
    }


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        ("/%ff", "/\ufffd", b"/%ff", b""),
        ("/%zz%", "/%zz%", b"/%zz%", b""),
        ("/a+b", "/a+b", b"/a+b", b""),
        ("//x//y?", "//x//y", b"//x//y", b""),
        ("/?a?b", "/", b"/", b"a?b"),
        ("http://other/p?q", "/p", b"/p", b"q"),
    ],
)
def test_targets(target: str, path: str, raw_path: bytes, query: bytes) -> None:
    """The path is decoded once, as UTF-8; its raw form and the query never."""
    scope = scope_of(get(target))
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_host_of_an_absolute_target() -> None:
    """The host of a target in absolute form stands in the place of Host's."""
    assert scope_of(get("http://other/"))["headers"] == [(b"host", b"other")]


def test_http_1_0() -> None:
    """The version is the client's."""
    assert scope_of(get(version="1.0"))["http_version"] == "1.0"


def test_options_of_the_server() -> None:
    """`OPTIONS *` has the path `*`, mounted or not."""
    scope = scope_of(get("*", method="OPTIONS"), worker=FakeWorker(script_name="/app"))
    assert (scope["path"], scope["raw_path"]) == ("*", b"*")


def test_unix_socket() -> None:
    """A client on a Unix socket has no address, and the server's is a path."""
    scope = scope_of(get(), peer=("", 0), address="unix:/run/a.sock")
    assert scope["client"] is None
    assert scope["server"] == ("/run/a.sock", None)


@pytest.mark.parametrize(("peer", "scheme"), [("10.0.0.1", "https"), ("192.0.2.1", "http")])
def test_scheme(peer: str, scheme: str) -> None:
    """A trusted proxy tells the scheme, nobody else."""
    assert scope_of(get("/", "X-Forwarded-Proto: https"), peer=(peer, 1))["scheme"] == scheme


def test_trust_is_no_ones_legacy() -> None:
    """The same fields mean something else from a client that is not trusted, though they are kept."""
    schemes = []

    async def app(scope: Scope, receive: object, send: object) -> None:
        schemes.append(scope["scheme"])

    before = None
    for peer in ("10.0.0.1", "192.0.2.1", "10.0.0.1"):
        before = Exchanging(app, get("/", "X-Forwarded-Proto: https"), peer=(peer, 1), before=before)
        before.step()
    assert schemes == ["https", "http", "https"]


def test_contradiction_is_refused() -> None:
    """A proxy that names two schemes is refused with 400, and the application is not called."""

    async def app(scope: Scope, receive: object, send: object) -> None:
        raise AssertionError("called")

    worker = FakeWorker(secure_scheme_headers={"X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"})
    data = get("/", "X-Forwarded-Proto: https", "X-Forwarded-Ssl: off")
    running = Exchanging(app, data, worker=worker, peer=("10.0.0.1", 1))
    assert running.step()
    assert running.sent.startswith(b"HTTP/1.1 400 ")
    assert running.entry.status == 400


@pytest.mark.parametrize(
    ("path", "seen"),
    [("/app/x", "/app/x"), ("/x", "/app/x"), ("/app", "/app"), ("/apple", "/app/apple"), ("/", "/app/")],
)
def test_root_path(path: str, seen: str) -> None:
    """The path includes the prefix, whether a proxy has left it on or not."""
    scope = scope_of(get(path), worker=FakeWorker(script_name="/app"))
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/app", seen, path.encode())


@pytest.mark.parametrize(("peer", "root_path"), [("10.0.0.1", "/told"), ("192.0.2.1", "")])
def test_root_path_of_a_proxy(peer: str, root_path: str) -> None:
    """A trusted proxy tells the prefix, and the application sees that field; from others it is dropped."""
    scope = scope_of(get("/x", "SCRIPT_NAME: /told/", "X_Odd: 1"), peer=(peer, 1))
    assert scope["root_path"] == root_path
    assert ((b"script_name", b"/told/") in scope["headers"]) is bool(root_path)
    assert b"x_odd" not in dict(scope["headers"])


def test_what_an_application_changes() -> None:
    """An application may change its scope: the next request is told the truth."""
    spoilt: list[Scope] = []

    async def app(scope: Scope, receive: object, send: object) -> None:
        spoilt.append({name: scope[name].copy() for name in ("asgi", "headers", "extensions", "state")})
        scope["headers"].clear()
        scope["headers"].append((b"host", b"evil"))
        for name in ("asgi", "extensions", "state"):
            scope[name].clear()
        scope["path"] = scope["method"] = scope["scheme"] = "spoilt"

    worker = FakeWorker()
    worker.state["pool"] = 1
    first = Exchanging(app, worker=worker)
    first.step()
    Exchanging(app, before=first).step()
    assert spoilt[0] == spoilt[1]
    assert spoilt[0]["state"] == {"pool": 1}
    assert worker.state == {"pool": 1}


def test_state_is_shared_below() -> None:
    """What the lifespan put into the state is the same object for all requests."""
    worker = FakeWorker()
    worker.state["pool"] = pool = object()
    assert scope_of(get(), worker=worker)["state"]["pool"] is pool


def test_debug_is_offered_for_debugging() -> None:
    """The debug extension is there at log level debug only."""
    assert "http.response.debug" in scope_of(get(), worker=FakeWorker(loglevel="debug"))["extensions"]


def test_websocket_scope() -> None:
    """A WebSocket's scope has its own type, scheme and extensions, and no method."""
    running = Exchanging(lambda: None, get(), peer=("10.0.0.1", 1))
    request = running.exchange.request
    scope = running.gateway.scopes.websocket(request, running.connection, ["chat"])
    assert (scope["type"], scope["scheme"], scope["subprotocols"]) == ("websocket", "ws", ["chat"])
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert "method" not in scope
    running.close()
