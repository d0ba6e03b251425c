"""What tells clients apart: their address, or a cookie or query parameter in the head of the request.

The head is looked at where it lies, and left there for the worker; nothing is decided about its meaning.
"""

import re
from collections.abc import Callable
from typing import Final

from heeler.arbiter.listener.client import Client

PEEK_BYTES: Final = 8192
"""How much of a request is looked at."""


def key_of(setting: str) -> Callable[[Client], bytes]:
    """Return what finds a client's key, for the setting `sticky_key`."""
    kind, _, name = setting.partition(":")
    if kind == "cookie":
        return _Head(rb"\r\n(?i:Cookie):[^\r\n]*?[ ;:\t]" + re.escape(name.encode()) + rb"=([^;\s]+)")
    if kind == "query":
        return _Head(rb"\A[A-Z]+ [^ ?\r\n]*\?(?:[^ \r\n]*&)?" + re.escape(name.encode()) + rb"=([^& \r\n]+)")
    return by_address


def by_address(client: Client) -> bytes:
    """Return the client's address."""
    return client.host.encode()


def no_key(_client: Client) -> bytes:
    """Return no key: nobody asks for one."""
    return b""


class _Head:
    """Finds the key in the head of a request."""

    def __init__(self, pattern: bytes) -> None:
        self._find: Final = re.compile(pattern).search

    def __call__(self, client: Client) -> bytes:
        found = self._find(client.peek(PEEK_BYTES) or b"")
        return found[1] if found else by_address(client)
