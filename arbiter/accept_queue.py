"""How many connections wait to be accepted, by the word of the kernel. Nothing here blocks.

Linux tells it of a TCP socket in tcp_info, and of a Unix socket through sock_diag(7).
"""

import contextlib
import os
import socket
import struct
import sys
from typing import Final

from heeler.workers.sources import Listener

_TELLS: Final = sys.platform == "linux"

_UNACKED: Final = struct.Struct("=24xI")
"""The field of struct tcp_info that says it, where the socket listens."""

_SOCK_DIAG: Final = 4
_HEADER: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBHIIIII")
_ANSWER_BYTES: Final = 16
_ATTRIBUTE: Final = struct.Struct("=HH")
_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_ALL_STATES: Final = 0xFFFFFFFF
_SHOW_RQLEN: Final = 0x10
_RQLEN: Final = 4
_ANY_COOKIE: Final = 0xFFFFFFFF


def waiting(listener: Listener) -> int:
    """Return how many connections wait at a listening socket; 0 where the system does not tell."""
    if not _TELLS:
        return 0
    with contextlib.suppress(OSError):
        if listener.sock.family == socket.AF_UNIX:
            return _waiting_at_unix(os.fstat(listener.fileno()).st_ino)
        info = listener.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED.size)
        return int(_UNACKED.unpack(info)[0])
    return 0


def _waiting_at_unix(inode: int) -> int:
    body = _REQUEST.pack(socket.AF_UNIX, 0, 0, _ALL_STATES, inode, _SHOW_RQLEN, _ANY_COOKIE, _ANY_COOKIE)
    head = _HEADER.pack(_HEADER.size + len(body), _DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as diag:
        diag.setblocking(False)
        diag.send(head + body)
        return _queue_of(diag.recv(4096))  # the kernel has answered before `send` has returned


def _queue_of(answer: bytes) -> int:
    length, kind, *_ = _HEADER.unpack_from(answer)
    if kind != _DIAG_BY_FAMILY:
        return 0
    at = _HEADER.size + _ANSWER_BYTES
    while at + _ATTRIBUTE.size <= length:
        size, what = _ATTRIBUTE.unpack_from(answer, at)
        if what == _RQLEN:
            return int(struct.unpack_from("=I", answer, at + _ATTRIBUTE.size)[0])
        at += max(_ATTRIBUTE.size, (size + 3) & ~3)
    return 0
