"""Applications behind `wsgiref.validate`, which objects to whatever breaks PEP 3333."""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator


def _inner(environ: dict[str, Any], start_response: Callable[..., Callable[[bytes], object]]) -> Iterable[bytes]:
    kind = environ["PATH_INFO"]
    headers = [("Content-Type", "text/plain")]
    if kind == "/echo":
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
        return [body]
    if kind == "/lines":
        start_response("200 OK", headers)
        return _pieces(environ["wsgi.input"])
    if kind == "/write":
        write = start_response("200 OK", headers)
        write(b"written, ")
        return [b"then returned"]
    if kind == "/file":
        start_response("200 OK", headers)
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 100_000))
        return wrapped
    if kind == "/nothing":
        start_response("204 No Content", [])
        return []
    start_response("200 OK", headers)
    return [f"{environ['REQUEST_METHOD']} {kind}?{environ.get('QUERY_STRING', '')}".encode()]


def _pieces(body: Iterable[bytes]) -> Iterator[bytes]:
    for line in body:
        yield b"> " + line


app = validator(_inner)
