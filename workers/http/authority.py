"""The grammar of a host and port, as in Host and in an absolute target."""

import ipaddress
import re
from typing import Final

_NAME: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+;=]++|%[0-9A-Fa-f]{2})++"
_FUTURE: Final = r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+;=:]+"
_LONGEST: Final = 512  # twice the longest name there is

# RFC 3986, section 3.2.2, but for the comma: a name never has one, and a list made
# of two Host fields on the way does. Nothing can be matched in two ways, and `++`
# never goes back, so that time is in proportion to length.
_host: Final = re.compile(rf"(?:{_NAME}|\[(?:{_FUTURE}|([0-9A-Fa-f:.]+))\])(?::[0-9]{{0,5}})?").fullmatch


def is_authority(text: str) -> bool:
    """Return whether `text` is `host[:port]`, with no user information."""
    if len(text) > _LONGEST or (match := _host(text)) is None:
        return False
    if match[1] is None:
        return True
    try:
        ipaddress.IPv6Address(match[1])
    except ValueError:
        return False
    return True
