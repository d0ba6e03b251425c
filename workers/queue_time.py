"""How long a request has waited before a worker took it up.

What the listener knows comes with the connection; what a proxy knows it writes into `X-Request-Start`.
"""

import time
from typing import Final

FIELD: Final = "HTTP_X_REQUEST_START"
"""The header field by its key in the WSGI environment."""

_LONGEST_S: Final = 3600.0
"""A longer wait is a clock that goes wrong."""


def proxied_ns(value: str) -> int:
    """Return for how long a proxy says that the request has waited, in ns; 0 where that makes no sense.

    Args:
        value: `t=1700000000.123` as nginx writes it (`t=${msec}`), or the same number in seconds,
            milliseconds (Heroku) or microseconds since 1970, with or without `t=`.
    """
    try:
        start_s = float(value.strip().removeprefix("t="))
    except ValueError:
        return 0
    if not start_s < 1e17:  # nor is it a number at all
        return 0
    while start_s > 1e11:  # the year 5138
        start_s /= 1000
    waited_s = time.time() - start_s
    return int(waited_s * 1e9) if 0 < waited_s < _LONGEST_S else 0
