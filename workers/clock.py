"""The wall clock as HTTP writes it, formatted once a second."""

import time
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class HttpDate:
    """Gives the Date field's value (RFC 9110, section 5.6.7).

    This is the one clock here that is not monotonic: it tells people the time.
    """

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def __call__(self) -> bytes:
        """Return the value for now."""
        second = int(time.time())
        if second != self._second:
            year, month, day, hour, minute, sec, weekday, *_ = time.gmtime(second)
            text = f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year} {hour:02}:{minute:02}:{sec:02} GMT"
            self._text = text.encode()
            self._second = second
        return self._text
