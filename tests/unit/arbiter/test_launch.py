"""How a command is started again, and what is left to it."""

import pytest

from heeler.arbiter.inheritance import VARIABLE, Handed, Inheritance
from heeler.arbiter.launch import command
from heeler.arbiter.listen_fds import Passed


@pytest.mark.parametrize(
    ("orig_argv", "again"),
    [
        (["python", "-m", "heeler", "app:app"], ["/usr/bin/python3", "-m", "heeler", "app:app"]),
        (["/venv/bin/python", "/venv/bin/heeler", "app"], ["/venv/bin/python", "/venv/bin/heeler", "app"]),
        (["current/bin/python", "-Im", "heeler", "app"], ["current/bin/python", "-Im", "heeler", "app"]),
        (["python3", "-X", "dev", "heeler.pyz", "app"], ["/usr/bin/python3", "-X", "dev", "heeler.pyz", "app"]),
    ],
    ids=["module", "console script", "relative", "zipapp"],
)
def test_the_command_line_is_what_it_was(orig_argv: list[str], again: list[str]) -> None:
    """Options of the interpreter included; a bare name is what was found in PATH."""
    assert command(orig_argv, "/usr/bin/python3") == tuple(again)


def test_what_is_left_arrives_once_and_with_nobody_else() -> None:
    """The variable is good for one process, and gone once it was read."""
    handed = (Handed("127.0.0.1:80", (900, 901)), Handed("unix:x", (902,), (7, 8)))
    left = Inheritance(41, 903, (Passed(904), Passed(905, "web")), handed)
    environ = {VARIABLE: left.as_text(42)}
    assert Inheritance.take(environ, 42) == left
    assert environ == {}
    assert Inheritance.take({VARIABLE: left.as_text(42)}, 43) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"pid": 42}'])
def test_what_is_no_inheritance_is_none(text: str) -> None:
    """Nobody is to be confused by a variable that has come from elsewhere."""
    assert Inheritance.take({VARIABLE: text}, 42) is None
