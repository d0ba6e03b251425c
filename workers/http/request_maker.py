"""A request line and fields, each good by itself, made into a request."""

from typing import Final

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.fields import Fields
from heeler.workers.http.request import Request
from heeler.workers.http.request_line import METHODS, RequestLine

_HTTP_11: Final = b"HTTP/1.1"


def quick_request(line: bytes, fields: Fields) -> Request | None:
    """Return the request of a common kind, or None where `make_request` has to look closer.

    Args:
        line: the request line without its CRLF; may be anything.
        fields: with Host and without content.
    """
    try:
        name, raw, version = line.split(b" ")
        target = raw.decode("ascii")
    except ValueError:
        return None
    method = METHODS.get(name)
    if method is None or version != _HTTP_11 or target[:1] != "/" or not target.isprintable() or "#" in target:
        return None
    path, _, query = target.partition("?")
    return Request(method, target, path, query, 1, fields, not fields.close, True)


def make_request(line: RequestLine, fields: Fields) -> Request:
    """Return the request of a line and fields that are good by themselves.

    Raises:
        RemoteProtocolError: they are not good together.
    """
    if line.minor:
        if "HTTP_HOST" not in fields.environ:
            raise RemoteProtocolError("Host is missing")
        keep_alive = not fields.close
    else:
        if fields.chunked:
            raise RemoteProtocolError("Transfer-Encoding in HTTP/1.0")
        keep_alive = fields.keep and not fields.close
    if line.authority is not None:
        fields = fields.with_host(line.authority)
    return Request(line.method, line.target, line.path, line.query, line.minor, fields, keep_alive, fields.empty)
