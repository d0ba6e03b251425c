"""Says what it was asked: the environ and the body, as JSON; and then spoils the environ."""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


_headers: list[tuple[str, str]] = []


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer with the environ (texts only) and the body; `/log` says so on stderr as well."""
    body = environ["wsgi.input"].read()
    said: dict[str, Any] = {name: value for name, value in environ.items() if isinstance(value, str)}
    said["body"] = body.decode("latin-1")
    if environ["QUERY_STRING"] == "types":
        said["types"] = {name: type(value).__name__ for name, value in environ.items()}
        said["input_terminated"] = environ.get("wsgi.input_terminated")
    sys.stderr.write(f"ran {environ['RAW_URI']}\n")
    # Nothing of this may be seen by the next request.
    for name in list(environ):
        environ[name] = "spoiled"
    environ["HTTP_X_SPOILED"] = "spoiled"
    answer = json.dumps(said).encode()
    # One list for all responses, changed for each and after each.
    _headers[:] = [("Content-Type", "application/json"), ("X-Target", said["RAW_URI"])]
    start_response("200 OK", _headers)
    return [answer]


def spoiling(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Change and clear the list of headers once the response has begun."""
    headers = [("Content-Type", "text/plain"), ("X-Target", environ["PATH_INFO"])]
    start_response("200 OK", headers)
    yield b"first, "
    headers.append(("X-Spoiled", "1"))
    environ.clear()
    yield b"second"
    headers.clear()


def headers_only(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer with what came, in the reply's headers: method, target, X-Id, body's length."""
    body = environ["wsgi.input"].read()
    text = f"{environ['REQUEST_METHOD']} {environ['RAW_URI']} {environ.get('HTTP_X_ID', '-')} {body.decode('latin-1')}"
    start_response("200 OK", [("X-Id", environ.get("HTTP_X_ID", "-")), ("X-Path", environ["PATH_INFO"])])
    return [text.encode("latin-1")]
