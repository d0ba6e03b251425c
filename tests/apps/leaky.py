"""Keeps half a megabyte of each request for ever, as an application that leaks does."""

import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_kept: list[bytes] = []
_for_ever = threading.Event()


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer with the process id; `/stuck` keeps 128 MB and does not answer for a long time."""
    if environ["PATH_INFO"] == "/stuck":
        _kept.append(b"x" * (128 << 20))
        os.write(2, b"is stuck\n")
        _for_ever.wait(60)
    _kept.append(b"x" * (1 << 19))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
