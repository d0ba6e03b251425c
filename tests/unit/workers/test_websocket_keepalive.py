"""When a WebSocket client is asked for a sign of life, and when it is given up."""

import math

import pytest

from heeler.workers.websocket_keepalive import Due, Keepalive


def due(keepalive: Keepalive, *, heard: bool = False, is_excused: bool = False) -> tuple[float, Due]:
    """Let the deadline come; return when that was, and what was due."""
    when = keepalive.deadline
    keepalive.heard = heard or keepalive.heard
    return when, keepalive.due(when, is_excused=is_excused)


def test_a_client_that_answers_is_asked_again_and_again() -> None:
    """A ping each interval."""
    keepalive = Keepalive(20, 10, 100.0)
    assert due(keepalive) == (120.0, Due.PING)
    assert due(keepalive, heard=True) == (130.0, Due.NOTHING)
    assert due(keepalive) == (140.0, Due.PING)


def test_a_silent_client_is_dead_after_the_timeout() -> None:
    """What it said before the ping does not count."""
    keepalive = Keepalive(20, 10, 100.0)
    assert due(keepalive, heard=True) == (120.0, Due.PING)
    assert due(keepalive) == (130.0, Due.DEAD)


def test_a_timeout_may_be_longer_than_the_interval() -> None:
    """A client that answers is still asked each interval; one that does not has all of its time."""
    keepalive = Keepalive(20, 50, 100.0)
    assert due(keepalive) == (120.0, Due.PING)
    assert due(keepalive, heard=True) == (140.0, Due.PING)
    assert due(keepalive) == (160.0, Due.NOTHING)
    assert due(keepalive) == (190.0, Due.DEAD)


def test_a_client_that_cannot_be_heard_is_not_dead() -> None:
    """Its answer may wait behind what is not read, or the ping behind what it has not taken."""
    keepalive = Keepalive(20, 10, 100.0)
    due(keepalive)
    assert due(keepalive, is_excused=True) == (130.0, Due.NOTHING)
    assert due(keepalive) == (140.0, Due.PING)


@pytest.mark.parametrize(("timeout_s", "again"), [(0, 140.0), (20, 140.0)])
def test_without_a_timeout_nobody_is_given_up(timeout_s: float, again: float) -> None:
    """Pings keep middleboxes from forgetting the connection."""
    keepalive = Keepalive(20, timeout_s, 100.0)
    due(keepalive)
    assert due(keepalive, heard=bool(timeout_s)) == (again, Due.PING)


def test_without_an_interval_nobody_is_asked() -> None:
    """There is no deadline."""
    assert Keepalive(0, 10, 100.0).deadline == math.inf
