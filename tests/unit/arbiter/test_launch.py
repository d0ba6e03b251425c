"""How a command is started again, and what is left to it."""

import os
from collections.abc import Mapping

import pytest

from heeler.arbiter.inheritance import VARIABLE, Handed, Inheritance
from heeler.arbiter.launch import Launch, command
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


@pytest.mark.parametrize(("watched", "is_ours"), [(7, True), (6, False)])
def test_the_watchdog_goes_on_to_the_new_process(monkeypatch: pytest.MonkeyPatch, watched: int, is_ours: bool) -> None:
    """If it was for the process that was started, whether or not that has gone to the background since."""

    def execute(_path: str, _argv: tuple[str, ...], environ: Mapping[str, str]) -> None:
        raise InterruptedError(dict(environ))

    monkeypatch.setattr(os, "execve", execute)
    monkeypatch.setattr(os, "chdir", lambda _path: None)
    monkeypatch.setattr(os, "umask", lambda _mask: 0)
    launch = Launch(("heeler",), {"WATCHDOG_PID": str(watched), "X": "1"}, "/", 0o22, 7)
    with pytest.raises(InterruptedError) as executed:
        launch.execute({"X": None, "Y": "2"})
    assert executed.value.args == ({"WATCHDOG_PID": str(os.getpid() if is_ours else watched), "Y": "2"},)


def test_what_is_left_arrives_once_and_with_nobody_else() -> None:
    """The variable is good for one process, and gone once it was read."""
    handed = (Handed("127.0.0.1:80", (900, 901)), Handed("unix:x", (902,), (7, 8)))
    left = Inheritance(41, 903, (Passed(904), Passed(905, "web")), handed, ("heeler-bind-unix%3Ax",), workers=3)
    environ = {VARIABLE: left.as_text(42)}
    assert Inheritance.take(environ, 42) == left
    assert environ == {}
    assert Inheritance.take({VARIABLE: left.as_text(42)}, 43) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"pid": 42}'])
def test_what_is_no_inheritance_is_none(text: str) -> None:
    """Nobody is to be confused by a variable that has come from elsewhere."""
    assert Inheritance.take({VARIABLE: text}, 42) is None
