"""Says what it was asked, target and content, whatever the path; for WSGI."""

from collections.abc import Callable, Iterable
from typing import Any

from heeler.plugins.conformance.apps import common


def app(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    """Answer with target, blank, content."""
    content: bytes = environ["wsgi.input"].read()
    path: str = environ["PATH_INFO"]
    common.say(f"ran {path}")
    start("200 OK", [("Content-Type", "text/plain")])
    return [path.encode("latin-1") + b" " + content]
