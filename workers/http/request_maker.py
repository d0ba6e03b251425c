"""A request line and fields, each good by itself, made into a request."""

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.fields import Fields
from heeler.workers.http.request import Request
from heeler.workers.http.request_line import RequestLine


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
    return Request(line, fields, keep_alive, fields.empty)
