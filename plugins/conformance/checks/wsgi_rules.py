"""The rules of WSGI (PEP 3333) that a server has to keep."""

from heeler.plugins.conformance.client import build_request
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.verdict import expect, promise


def check_wsgi_validator(maker: Maker) -> None:
    """`wsgiref.validate` finds nothing to object to, whatever the application does."""
    lines = b"first\nsecond\nlast"
    cases = (
        ("GET", "/plain?a=b", b"", b"GET /plain?a=b"),
        ("POST", "/echo", b"content", b"content"),
        ("POST", "/lines", lines, b"> first\n> second\n> last"),
        ("GET", "/write", b"", b"written, then returned"),
        ("GET", "/file", b"", b"x" * 100_000),
        ("GET", "/nothing", b"", b""),
        ("HEAD", "/plain", b"", b""),
    )
    with maker.serve(app=maker.app("validated")) as server, maker.client(server) as client:
        with promise("an application behind wsgiref.validate is served"):
            for method, target, content, wanted in cases:
                response = client.request(method, target, body=content)
                kept = response.status in (200, 204) and response.body == wanted
                expect(kept, f"{method} {target} was answered {response.status} {response.body[:80]!r}")
        expect("AssertionError" not in server.log(), f"wsgiref.validate objects:\n{server.log()}")


def check_wsgi_iterables_are_closed(maker: Maker) -> None:
    """What the application returns is closed, when all of it is sent and when nobody wants it."""
    with maker.serve() as server:
        with maker.client(server) as client, promise("an iterable is sent"):
            expect(client.request("GET", "/closing").body == b"all of it", "it arrived otherwise")
        with promise("an iterable is closed once it is sent"):
            server.wait_for_log("iterable closed", 1, timeout_s=maker.patience_s)
        with maker.client(server) as client, promise("an iterable is closed though nobody reads its content"):
            client.send(build_request("HEAD", "/closing"))
            client.read_response(head=True)
            server.wait_for_log("iterable closed", 2, timeout_s=maker.patience_s)
        expect(server.log().count("iterable closed") == 2, "an iterable was closed twice")
