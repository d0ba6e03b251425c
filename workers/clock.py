"""The wall clock as HTTP writes it; everything else goes by the monotonic one."""

import time
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date() -> tuple[bytes, int]:
    """Return the Date field's value (RFC 9110, section 5.6.7), and for how many more ns it is true."""
    now_ns = time.time_ns()
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime(now_ns // 1_000_000_000)
    text = f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year} {hour:02}:{minute:02}:{second:02} GMT"
    return text.encode(), 1_000_000_000 - now_ns % 1_000_000_000
