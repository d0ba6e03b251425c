"""How a line of the error log is written: one event, one line, whatever the values hold.

Decides the line's form and the escaping. Must not know where the line goes.
"""

import enum
import logging
import re
import time
import traceback
from typing import Final

from typing_extensions import override

_PLAIN: Final = re.compile(r"[!#-<>-\[\]-~]+")
_SPECIAL: Final = re.compile(r"[^ !#-\[\]-~]")
CONTINUATION: Final = "    "
"""Stands before every further line of an entry, so that only an entry's first line begins with a time."""


def escape(text: str) -> str:
    r"""Return `text` with all that is not printable as `\xNN`, and quotes and backslashes escaped."""
    return _SPECIAL.sub(_escape_match, text)


def _escape_match(match: re.Match[str]) -> str:
    character = match.group()
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else escape_code(character)


def escape_code(character: str) -> str:
    r"""Return one character as `\xNN`, `\uNNNN` or `\UNNNNNNNN`."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote(value: object) -> str:
    """Return a field's value as it stands after `key=`.

    Plain words stand as they are; anything with a space, a quote, `=`, or a character that is not
    printable stands in double quotes. Floats have three decimals. Bytes are a client's: whatever
    in them is not printable ASCII is escaped.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, enum.Enum):
        value = value.name
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _quote_bytes(bytes(value))
    text = str(value)
    return text if _PLAIN.fullmatch(text) else f'"{escape(text)}"'


def _quote_bytes(value: bytes) -> str:
    text = value.decode("latin-1")
    if _PLAIN.fullmatch(text):
        return text
    return '"' + _SPECIAL.sub(lambda match: escape_code(match.group()), text) + '"'


def message(phrase: str, fields: dict[str, object]) -> str:
    """Return `phrase key=value key=value`."""
    if not fields:
        return phrase
    return phrase + "".join([f" {key}={quote(value)}" for key, value in fields.items()])


def _continued(text: str) -> str:
    """Return the lines of `text`, indented, control characters escaped."""
    lines = text.rstrip("\n").split("\n")
    return "".join([f"\n{CONTINUATION}{_printable(line)}" for line in lines])


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    return "".join([c if c.isprintable() or c == "\t" else escape_code(c) for c in line])


class LineFormatter(logging.Formatter):
    """Writes `2026-11-23 15:38:01.123 +0000 [pid] INFO  message`, and any traceback indented below.

    The time is local, with its offset from UTC. The part that changes once a second is kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self._second: tuple[int, str, str] = (-1, "", "")

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Return the entry's text without its last newline."""
        first, *rest = record.getMessage().split("\n", 1)
        text = f"{self._time(record)} [{record.process}] {record.levelname:<5} {_printable(first)}"
        if rest:
            text += _continued(rest[0])
        block = getattr(record, "block", "")
        if block:
            text += _continued(block)
        if record.exc_info and record.exc_info[1] is not None:
            text += _continued("".join(traceback.format_exception(record.exc_info[1])))
        if record.stack_info:
            text += _continued(record.stack_info)
        return text

    def _time(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        kept = self._second
        if kept[0] != second:
            local = time.localtime(second)
            kept = (second, time.strftime("%Y-%m-%d %H:%M:%S", local), time.strftime("%z", local))
            self._second = kept
        return f"{kept[1]}.{int(record.created * 1000) % 1000:03d} {kept[2]}"
