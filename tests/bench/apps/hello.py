"""The application under load: the least that WSGI allows, so that the servers are measured and not it."""

from collections.abc import Callable
from typing import Any

BODY = b"Hello, world!"


def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer 200 with thirteen bytes of text."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]
