"""What an init system says by variables."""

import os

import pytest

from heeler.arbiter.config import init_system
from heeler.arbiter.config.init_system import InitSystem
from heeler.arbiter.listen_fds import Passed


def test_all_that_it_says_is_taken_once() -> None:
    """Nothing of it is left for the processes that are forked."""
    environ = {
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": "41",
        "LISTEN_PID": "41",
        "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": "web",
        "PATH": "/bin",
    }
    assert init_system.take(environ, 41) == InitSystem("/run/systemd/notify", 30.0, 41, (Passed(3, "web"),))
    assert environ == {"PATH": "/bin"}
    assert init_system.take(environ, 41) == InitSystem(pid=41)


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "400000"}, 0.4),
        ({"WATCHDOG_USEC": "400000", "WATCHDOG_PID": "41"}, 0.4),
        ({"WATCHDOG_USEC": "400000", "WATCHDOG_PID": "42"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": ""}, None),
    ],
)
def test_a_watchdog_is_for_the_process_that_it_names(environ: dict[str, str], watchdog_s: float | None) -> None:
    """Or for whoever is there, where it names none; what makes no sense is no watchdog."""
    assert init_system.take(environ, 41).watchdog_s == watchdog_s
    assert environ.get("WATCHDOG_PID") == ("42" if "42" in environ.values() else None)


def test_what_a_program_was_told_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server was a part of its life; passed sockets are closed by then."""
    for name, value in {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "400000"}.items():
        monkeypatch.setenv(name, value)
    init = init_system.take()
    assert "NOTIFY_SOCKET" not in os.environ
    init_system.give_back(init)
    assert os.environ["NOTIFY_SOCKET"] == "@x"
    assert init_system.take() == init
