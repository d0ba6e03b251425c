"""The application under uneven load: it sleeps as long as the query says, as one does that waits for a database."""

import time
from collections.abc import Callable
from typing import Any

BODY = b"Hello, world!"


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer 200 with thirteen bytes of text: to `/?ms=100` after 100 ms, to `/` at once."""
    if query := environ.get("QUERY_STRING"):
        time.sleep(int(query.removeprefix("ms=")) / 1000)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]
