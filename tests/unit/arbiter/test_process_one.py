"""Which process 1 keeps TERM to itself."""

import pytest

from heeler.arbiter.process_one import hands_on

_NO_TRAP = "Name:\tx\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000010002\n"
_TRAP = "Name:\tx\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000014002\n"


@pytest.mark.parametrize("program", ["sh", "/bin/sh", "/usr/bin/bash", "-bash", "busybox"])
def test_a_shell_hands_on_what_it_has_a_trap_for(program: str) -> None:
    """It waits for its command, and TERM changes nothing; only a trap may."""
    assert not hands_on(program, _NO_TRAP)
    assert hands_on(program, _TRAP)


@pytest.mark.parametrize("program", ["/sbin/init", "tini", "/lib/systemd/systemd", "python3", ""])
def test_what_is_no_shell_is_trusted(program: str) -> None:
    """It is made to be process 1, or nobody can say what it does."""
    assert hands_on(program, _NO_TRAP)


def test_what_cannot_be_read_is_no_trap() -> None:
    """A kernel that tells of no signals."""
    assert not hands_on("sh", "")
