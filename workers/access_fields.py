"""Values of the access log that take more than an expression: escaping, the time, the user.

Must not know templates or descriptors.
"""

import base64
import binascii
import re
import time
from collections.abc import Iterable
from typing import Any, Final

from heeler.workers.log_format import escape_code

_UNSAFE: Final = re.compile(r"[^ !#-\[\]-~]")
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def escape(text: str) -> str:
    r"""Return `text` with quotes, backslashes and all that is not printable ASCII as `\xNN`."""
    return _UNSAFE.sub(lambda match: escape_code(match.group()), text)


class KnownTexts(dict[str | None, str]):
    """Escaped texts of header values, as `known[value]`; `-` for an empty one and for None.

    Few user agents send most requests: to find one here is cheaper than to check it again.
    Bounded in number and in size, so that clients cannot fill the memory.
    """

    LIMIT: Final = 256
    LIMIT_LENGTH: Final = 512

    def __init__(self) -> None:
        super().__init__()
        self[None] = "-"

    def __missing__(self, value: str | None) -> str:
        text = escape(value) if value else "-"
        if value is None or len(value) <= self.LIMIT_LENGTH:
            if len(self) >= self.LIMIT:
                self.clear()
            self[value] = text
        return text


class Now:
    """Gives the time as `stamp` writes it, made once a second.

    Attributes:
        text: the time, right as long as `second` is the current one.
    """

    __slots__ = ("second", "text")

    def __init__(self) -> None:
        self.second = -1
        self.text = ""

    def __call__(self) -> str:
        """Return the time."""
        second = int(time.time())
        if second != self.second:
            self.text = stamp(second)  # before `second`: another thread may look in between
            self.second = second
        return self.text


def stamp(second: int) -> str:
    """Return a time in seconds since 1970 as `[23/Nov/2026:15:38:01 +0000]`, in local time.

    The month is English whatever the locale, as log readers expect.
    """
    local = time.localtime(second)
    return time.strftime(f"[%d/{_MONTHS[local.tm_mon - 1]}/%Y:%H:%M:%S %z]", local)


def user_name(authorization: str | None) -> str:
    r"""Return the user name of a Basic `Authorization` value, escaped, or `-`.

    A space in it is `\x20` too: the name stands in the line without quotes.
    """
    if authorization is None:
        return "-"
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "-"
    try:
        decoded = base64.b64decode(token.strip(), validate=True)
    except (binascii.Error, ValueError):
        return "-"
    name, colon, _ = decoded.partition(b":")
    if not colon or not name:
        return "-"
    return escape(name.decode("latin-1")).replace(" ", "\\x20")


def response_header(headers: Iterable[tuple[str, str]], name: str) -> str:
    """Return the value of a response header, whatever its case; `-` if there is none."""
    name = name.lower()
    found = [value for key, value in headers if key.lower() == name]
    return ", ".join(found) or "-"


def environment(environ: dict[str, Any] | None, name: str) -> str:  # Any: as in AccessEntry
    """Return a value of the WSGI environment, `-` if there is none; the name is tried in capitals too."""
    if environ is None:
        return "-"
    value = environ.get(name, environ.get(name.upper()))
    return "-" if value is None else str(value)
