"""Text and objects become values, or are refused with what would be right."""

from collections.abc import Callable

import pytest

from heeler.plugins import parse

_MEMORY = "neither a size of 1M or more, such as 512M or 1.5G, nor a share such as 50%"


@pytest.mark.parametrize(
    ("parser", "given", "value"),
    [
        (parse.integer(1), "4", 4),
        (parse.integer(1), 4, 4),
        (parse.integer(0, 7), "7", 7),
        (parse.seconds, "30", 30),
        (parse.seconds, "0.5", 0.5),
        (parse.seconds, 2.5, 2.5),
        (parse.memory, "512M", 512 << 20),
        (parse.memory, "1.5g", 3 << 29),
        (parse.memory, " 2048 K ", 2 << 20),
        (parse.memory, "1T", 1 << 40),
        (parse.memory, 536870912, 512 << 20),
        (parse.memory, "0", 0),
        (parse.memory, "50%", "50%"),
        (parse.memory, "12.50 %", "12.5%"),
        (parse.boolean, "Yes", True),
        (parse.boolean, "0", False),
        (parse.boolean, True, True),
        (parse.text, "x", "x"),
        (parse.optional(parse.text), "", None),
        (parse.optional(parse.text), None, None),
        (parse.choice("drop", "refuse"), "Drop", "drop"),
        (parse.texts(), "a, b,,c", ("a", "b", "c")),
        (parse.texts(), ["a,b"], ("a,b",)),
        (parse.texts(str.upper), ("a",), ("A",)),
        (parse.text_mapping, "A=1, B=2=3", {"A": "1", "B": "2=3"}),
        (parse.text_mapping, {"A": "1"}, {"A": "1"}),
    ],
)
def test_right(parser: Callable[[object], object], given: object, value: object) -> None:
    """What is right becomes a value."""
    assert parser(given) == value


@pytest.mark.parametrize(
    ("parser", "given", "right"),
    [
        (parse.integer(1), "0", "not an integer >= 1"),
        (parse.integer(1), "1.5", "not an integer >= 1"),
        (parse.integer(1), True, "not an integer >= 1"),
        (parse.integer(1), None, "not an integer >= 1"),
        (parse.integer(0, 7), 8, "not an integer from 0 to 7"),
        (parse.seconds, "soon", "not a number of seconds >= 0"),
        (parse.seconds, "nan", "not a number of seconds >= 0"),
        (parse.seconds, "inf", "not a number of seconds >= 0"),
        (parse.seconds, -1, "not a number of seconds >= 0"),
        (parse.seconds, False, "not a number of seconds >= 0"),
        *(
            (parse.memory, given, _MEMORY)
            for given in ("512", 512, "much", "-1M", "512MB", "0%", "101%", "%", 1.5, True)
        ),
        (parse.boolean, "maybe", "neither true nor false"),
        (parse.boolean, 2, "neither true nor false"),
        (parse.text, "", "not a text"),
        (parse.text, 3, "not a text"),
        (parse.choice("drop", "refuse"), "keep", "not one of drop, refuse"),
        (parse.texts(), 3, "not a text or a list of texts"),
        (parse.texts(), [3], "not a list of texts"),
        (parse.text_mapping, "A", "not a list of NAME=value"),
        (parse.text_mapping, {"A": 1}, "not a dict of texts"),
    ],
)
def test_wrong(parser: Callable[[object], object], given: object, right: str) -> None:
    """What is wrong is refused; the error says what would be right."""
    with pytest.raises(ValueError, match=f"^{right}$"):
        parser(given)
