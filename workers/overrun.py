"""What a thread or greenlet runs, by its frames, and where that may be interrupted: in the application's code only."""

import types
from typing import Any, Final, NamedTuple

from heeler.workers.client import Client
from heeler.workers.http.request import Request
from heeler.workers.wsgi import Gateway
from heeler.workers.wsgi_response import WsgiResponse

_CALLERS: Final = frozenset({Gateway.serve.__code__, Gateway._send.__code__, WsgiResponse.send.__code__})  # noqa: SLF001


def is_in_application(frame: types.FrameType | None) -> bool:
    """Tell whether the code that `frame` is in was called by a gateway, and not by us from there again.

    Args:
        frame: the innermost frame of a thread.
    """
    innermost = frame
    while frame is not None:
        if frame.f_code in _CALLERS:
            return frame is not innermost
        if str(frame.f_globals.get("__name__")).startswith("heeler."):
            return False
        frame = frame.f_back
    return False


class Run(NamedTuple):
    """A request that a gateway takes through a WSGI application."""

    client: Client
    request: Request
    response: WsgiResponse
    environ: dict[str, Any]  # Any: what PEP 3333 and middleware put into it
    started_ns: int


def run_in(frame: types.FrameType | None) -> Run | None:
    """Return what runs in a thread or greenlet; None where no response is in the making.

    It is found by the frames, so that a request that is answered in time costs nothing.

    Args:
        frame: the innermost frame of the thread, or of the greenlet.
    """
    while frame is not None:
        if frame.f_code is Gateway.serve.__code__:
            names = frame.f_locals
            if "environ" not in names or "ended_ns" in names:
                return None  # it has not begun, or it is over
            return Run(*(names[name] for name in ("client", "request", "response", "environ", "started_ns")))
        frame = frame.f_back
    return None
