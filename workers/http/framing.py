"""What a head's fields say about its content and its connection.

RFC 9112, sections 6 and 9. Whatever two recipients could read in two ways is refused.
"""

import re
from typing import Final

from heeler.plugins.errors import RemoteProtocolError

_is_length: Final = re.compile(r"[0-9]{1,19}").fullmatch
_is_token: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_LARGEST: Final = 2**63 - 1


def content_length(value: str) -> int:
    """Return the declared length.

    Raises:
        RemoteProtocolError: it is no plain number, or one beyond 2**63 - 1.
    """
    if _is_length(value) is None or (length := int(value)) > _LARGEST:
        raise RemoteProtocolError("Content-Length is not a number")
    return length


def check_transfer_encoding(value: str) -> None:
    """Refuse every value but `chunked`.

    Raises:
        RemoteProtocolError: 501 for a coding we do not decode, 400 for the rest.
    """
    if value.lower() == "chunked":
        return
    codings = [coding.strip(" \t").lower() for coding in value.split(",")]
    if not all(_is_token(coding) for coding in codings):
        raise RemoteProtocolError("Transfer-Encoding is malformed")
    if "chunked" in codings[:-1]:
        raise RemoteProtocolError("chunked is not the only and last transfer coding")
    raise RemoteProtocolError("the transfer coding is not supported", 501)


def connection_options(value: str) -> frozenset[str]:
    """Return the options of a Connection field, in lower case."""
    return frozenset(option.strip(" \t").lower() for option in value.split(","))
