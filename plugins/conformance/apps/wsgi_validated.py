"""A WSGI application behind `wsgiref.validate`, which objects to whatever breaks PEP 3333."""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

TEXT = ("Content-Type", "text/plain")


def _inner(environ: dict[str, Any], start: Callable[..., Callable[[bytes], object]]) -> Iterable[bytes]:
    kind = environ["PATH_INFO"]
    if kind == "/echo":
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start("200 OK", [TEXT, ("Content-Length", str(len(content)))])
        return [content]
    if kind == "/nothing":
        start("204 No Content", [])
        return []
    if kind == "/write":
        start("200 OK", [TEXT])(b"written, ")
        return [b"then returned"]
    start("200 OK", [TEXT])
    if kind == "/lines":
        return _lines(environ["wsgi.input"])
    if kind == "/file":
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 100_000))
        return wrapped
    return [f"{environ['REQUEST_METHOD']} {kind}?{environ.get('QUERY_STRING', '')}".encode()]


def _lines(content: Iterable[bytes]) -> Iterator[bytes]:
    for line in content:
        yield b"> " + line


app = validator(_inner)
