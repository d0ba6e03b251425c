"""RESP2, Redis's protocol: bytes in, commands out; replies in, bytes out. It opens no socket and reads no clock."""

from collections.abc import Sequence
from typing import Final

Reply = None | bool | int | str | bytes | Sequence["Reply"]
"""What a command is answered with: nothing, a number, a status, a string, or several of these."""

MAX_WORDS: Final = 1024
MAX_BYTES: Final = 16 << 20
"""How large a command may be."""

_MAX_LINE: Final = 65536


class ProtocolError(Exception):
    """What a client has sent is no command, and what follows cannot be told from it."""


class CommandError(Exception):
    """A command that cannot be obeyed; the client gets the text."""


def take_command(received: bytearray) -> list[bytes] | None:
    """Take a command from the front of what was received; None while it is not whole.

    It is an array of strings, or, as people type it, a line of words.

    Raises:
        ProtocolError: it is neither.
    """
    line, at = _line(received, 0)
    if line is None:
        return None
    if not line.startswith(b"*"):
        words = line.split()
        del received[:at]
        return words
    words = []
    for _ in range(_number(line, b"*", MAX_WORDS)):
        line, at = _line(received, at)
        if line is None:
            return None
        end = at + _number(line, b"$", MAX_BYTES)
        if end > MAX_BYTES:
            raise ProtocolError("too large a command")
        if len(received) < end + 2:
            return None
        if received[end : end + 2] != b"\r\n":
            raise ProtocolError("a string is longer than it says")
        words.append(bytes(received[at:end]))
        at = end + 2
    del received[:at]
    return words


def _line(received: bytearray, start: int) -> tuple[bytes | None, int]:
    """Return the line that begins at `start`, and where the next does; None while it is not whole."""
    end = received.find(b"\n", start, start + _MAX_LINE)
    if end < 0:
        if len(received) - start >= _MAX_LINE:
            raise ProtocolError("too long a line")
        return None, start
    return bytes(received[start:end]).removesuffix(b"\r"), end + 1


def _number(line: bytes, kind: bytes, most: int) -> int:
    digits = line.removeprefix(kind)
    if digits == line or not digits.isdigit() or len(digits) > 9:
        raise ProtocolError(f"expected {kind.decode()} and a number")
    number = int(digits)
    if number > most:
        raise ProtocolError("too large a command")
    return number


def encode(reply: Reply) -> bytes:
    """Return a reply as it is sent."""
    match reply:
        case None:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % reply
        case str():
            return b"+%s\r\n" % _one_line(reply)
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(reply), reply)
        case _:
            return b"*%d\r\n" % len(reply) + b"".join(encode(each) for each in reply)


def encode_error(text: str) -> bytes:
    """Return an error as it is sent."""
    return b"-ERR %s\r\n" % _one_line(text)


def _one_line(text: str) -> bytes:
    return " ".join(text.splitlines()).encode()
