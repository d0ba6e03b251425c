"""Where a request that takes too long may be interrupted: in the application's code, and nowhere in ours."""

import types
from typing import Final

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
