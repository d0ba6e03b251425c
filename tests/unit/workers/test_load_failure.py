"""The application in the place of one that does not load."""

import asyncio
from typing import Any
from wsgiref.validate import validator

import pytest

from heeler.workers.interface import interface_of
from heeler.workers.load_failure import application

_TEXT = 'Traceback\n  File "a&b.py", line 1\n    <script>\nSyntaxError: \udcff\n'


def _wsgi(accept: str) -> tuple[str, dict[str, str], bytes]:
    found = application("shop:app", _TEXT, {"wsgi", "asgi"})
    assert found.interface == interface_of(found.callable) == "wsgi"
    said: list[Any] = []
    content = found.callable({"HTTP_ACCEPT": accept}, lambda *args: said.extend(args))
    return said[0], dict(said[1]), b"".join(content)


def _asgi(scope: dict[str, Any], *received: dict[str, Any]) -> list[dict[str, Any]]:
    found = application("shop:app", _TEXT, {"asgi"})
    assert found.interface == interface_of(found.callable) == "asgi"
    sent: list[dict[str, Any]] = []
    waiting = list(received)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(found.callable(scope, receive, send))
    return sent


def test_a_browser_is_shown_the_error_as_text() -> None:
    """No byte of a traceback is taken for markup, and none that cannot be written breaks the page."""
    status, headers, content = _wsgi("text/html,application/xhtml+xml;q=0.9")
    assert status == "500 Internal Server Error"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert int(headers["Content-Length"]) == len(content)
    assert b"a&amp;b.py" in content and b"&lt;script&gt;" in content and b"<script" not in content
    assert b"\\udcff" in content


@pytest.mark.parametrize("accept", ["", "*/*", "application/json"])
def test_others_are_given_plain_text(accept: str) -> None:
    """A command line tool shows a traceback that can be read."""
    _, headers, content = _wsgi(accept)
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert content == _TEXT.encode("utf-8", "backslashreplace")


def test_it_keeps_the_rules_of_wsgi() -> None:
    """As wsgiref sees them."""
    environ: dict[str, Any] = {}
    from wsgiref.util import setup_testing_defaults

    setup_testing_defaults(environ)
    environ["QUERY_STRING"] = ""
    checked = validator(application("shop:app", _TEXT, {"wsgi"}).callable)
    answer = checked(environ, lambda status, headers, info=None: lambda data: None)
    assert b"".join(answer)
    answer.close()  # type: ignore[attr-defined]  # the validator's has it


def test_asgi_is_answered_alike() -> None:
    """For worker classes that serve nothing else."""
    start, body = _asgi({"type": "http", "headers": [(b"accept", b"text/html")]})
    assert start["status"] == 500
    assert (b"content-type", b"text/html; charset=utf-8") in start["headers"]
    assert body["body"] == _wsgi("text/html")[2]


def test_a_websocket_is_refused() -> None:
    """It is closed before it is accepted."""
    assert _asgi({"type": "websocket"}, {"type": "websocket.connect"}) == [{"type": "websocket.close", "code": 1011}]


def test_it_has_a_lifespan() -> None:
    """Else `lifespan = on` would fail once more."""
    sent = _asgi({"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
