"""Bodies far larger than memory should ever have to hold."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

PIECE = bytes(range(256)) * 256


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Digest what is posted; send as many pieces as asked for, with their length unless `chunked`."""
    if environ["REQUEST_METHOD"] == "POST":
        digest, size = hashlib.sha1(), 0
        while piece := environ["wsgi.input"].read(1 << 16):
            digest.update(piece)
            size += len(piece)
        body = f"{size} {digest.hexdigest()}".encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]
    query = parse_qs(environ["QUERY_STRING"])
    pieces = int(query["pieces"][0])
    headers = [("Content-Type", "application/octet-stream")]
    if "chunked" not in query:
        headers.append(("Content-Length", str(pieces * len(PIECE))))
    start_response("200 OK", headers)
    return _pieces(pieces)


def _pieces(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield PIECE
