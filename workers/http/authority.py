"""The grammar of a host and port, as in Host and in an absolute target."""

import re
from typing import Final

_NAME: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+"
_V6: Final = r"\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]"
_FUTURE: Final = r"\[[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+;=:]+\]"

# RFC 3986, section 3.2.2, but for the comma: a name never has one, and a list made
# of two Host fields on the way does.
_is_host: Final = re.compile(rf"(?:{_NAME}|{_V6}|{_FUTURE})(?::[0-9]{{0,5}})?").fullmatch


def is_authority(text: str) -> bool:
    """Return whether `text` is `host[:port]`, with no user information."""
    return _is_host(text) is not None
