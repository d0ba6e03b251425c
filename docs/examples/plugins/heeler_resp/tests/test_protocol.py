"""RESP2: what is a command, what is none, and how replies look."""

import pytest
from heeler_resp.protocol import MAX_BYTES, MAX_WORDS, ProtocolError, encode, encode_error, take_command

SET = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n"


def taken(data: bytes) -> tuple[list[bytes] | None, bytes]:
    """Return a command, and what is left."""
    received = bytearray(data)
    return take_command(received), bytes(received)


def test_commands_are_arrays_or_lines() -> None:
    """A string may hold anything; a line is split at its spaces, and ends with or without a carriage return."""
    assert taken(SET + b"rest") == ([b"SET", b"k", b"a\r\nb"], b"rest")
    assert taken(b"set k  v\nrest") == ([b"set", b"k", b"v"], b"rest")
    assert taken(b"\r\n*0\r\n") == ([], b"*0\r\n")
    assert taken(b"*0\r\n") == ([], b"")


@pytest.mark.parametrize("end", range(len(SET)))
def test_part_of_a_command_is_none_yet(end: int) -> None:
    """Wherever it is cut, nothing is taken."""
    assert taken(SET[:end]) == (None, SET[:end])


@pytest.mark.parametrize(
    "data",
    [
        b"*\r\n",
        b"*-1\r\n",
        b"*1_0\r\n",
        b"*%d\r\n" % (MAX_WORDS + 1),
        b"*1\r\n+PING\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$%d\r\n" % (MAX_BYTES + 1),
        b"*1\r\n$4\r\nPINGPONG\r\n",
        b"x" * 65536,
    ],
)
def test_what_is_no_command_is_refused(data: bytes) -> None:
    """What follows could not be told from it."""
    with pytest.raises(ProtocolError):
        taken(data)


def test_replies() -> None:
    """Each kind of value has its form; a status and an error are one line."""
    found = encode([None, 7, "a\r\nb", b"a\r\nb", []])
    assert found == b"*5\r\n$-1\r\n:7\r\n+a b\r\n$4\r\na\r\nb\r\n*0\r\n"
    assert encode_error("wrong\nhere") == b"-ERR wrong here\r\n"
