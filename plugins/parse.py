"""The parsers that settings are made of: from what was given to a value, or a ValueError.

Each takes text (command line, environment) or any object (config module). The text of
its ValueError says what would be right, and reads on after the value:
`workers = 'many' (command line): not an integer >= 1`.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

Parse = Callable[[object], object]

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE: Final = re.compile(r"\s*(?P<number>\d+(\.\d+)?)\s*(?P<unit>[KMGTkmgt%]?)\s*", re.ASCII)


def integer(minimum: int = 0, maximum: int | None = None) -> Parse:
    """Return a parser of integers from `minimum` to `maximum`, both included."""
    right = f"an integer >= {minimum}" if maximum is None else f"an integer from {minimum} to {maximum}"

    def parse(value: object) -> int:
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                raise ValueError(f"not {right}") from None
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"not {right}")
        if value < minimum or (maximum is not None and value > maximum):
            raise ValueError(f"not {right}")
        return value

    return parse


def seconds(value: object) -> float:
    """Parse a number of seconds, 0 or more; whole ones stay integers."""
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(str(value))
            except ValueError:
                raise ValueError("not a number of seconds >= 0") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError("not a number of seconds >= 0")
    return value


def memory(value: object) -> int | str:
    """Parse a size as `512M`, in bytes then, or a share as `50%`, which stays so; 0 is none."""
    found = _SIZE.fullmatch(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else None
    if found and found["unit"] == "%" and 0 < float(found["number"]) <= 100:
        return f"{float(found['number']):g}%"
    if found and found["unit"] != "%":
        size = int(float(found["number"]) * _UNITS[found["unit"].upper()])
        # A plain number so small was meant in a larger unit.
        if size == 0 or size >= _UNITS["M"]:
            return size
    raise ValueError("neither a size of 1M or more, such as 512M or 1.5G, nor a share such as 50%")


def boolean(value: object) -> bool:
    """Parse True or False; as text also 1/0, yes/no, on/off."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    raise ValueError("neither true nor false")


def text(value: object) -> str:
    """Parse a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("not a text")
    return value


def optional(parse: Parse) -> Parse:
    """Return a parser to which None and the empty text mean None."""

    def parse_optional(value: object) -> object:
        return None if value is None or value == "" else parse(value)

    return parse_optional


def choice(*words: str) -> Parse:
    """Return a parser of one of `words`, in any case."""

    def parse(value: object) -> str:
        if isinstance(value, str) and value.lower() in words:
            return value.lower()
        raise ValueError(f"not one of {', '.join(words)}")

    return parse


def texts(each: Callable[[str], str] = str, split: str = r",") -> Parse:
    """Return a parser of a list of texts, which is a tuple then.

    Args:
        each: checks or rewrites one of them; raises ValueError.
        split: the pattern at which a single text is split.
    """

    def parse(value: object) -> tuple[str, ...]:
        items: Sequence[object]
        if isinstance(value, str):
            items = [item.strip() for item in re.split(split, value) if item.strip()]
        elif isinstance(value, list | tuple | set | frozenset):
            items = list(value)
        else:
            raise ValueError("not a text or a list of texts")
        if not all(isinstance(item, str) for item in items):
            raise ValueError("not a list of texts")
        return tuple(each(str(item)) for item in items)

    return parse


def text_mapping(value: object) -> dict[str, str]:
    """Parse a dict of texts; as text `NAME=value,NAME=value`."""
    if isinstance(value, str):
        pairs = [item.partition("=") for item in value.split(",") if item.strip()]
        if not all(sign for _, sign, _ in pairs):
            raise ValueError("not a list of NAME=value")
        return {name.strip(): given.strip() for name, _, given in pairs}
    if isinstance(value, dict) and all(isinstance(part, str) for pair in value.items() for part in pair):
        return dict(value)
    raise ValueError("not a dict of texts")
