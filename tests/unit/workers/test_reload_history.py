"""What whoever has asked for a reload reads of it."""

import pytest

from heeler.arbiter.reload_request import wanted
from heeler.workers.reload_history import KEPT, Entry, Reload, ReloadHistory
from heeler.workers.scoreboard import PAGE_BYTES


@pytest.fixture
def history() -> ReloadHistory:
    """A history on a page of its own."""
    return ReloadHistory(memoryview(bytearray(PAGE_BYTES)))


def test_a_reload_is_followed_from_its_beginning_to_its_end(history: ReloadHistory) -> None:
    """The time is that of the wish; the reason is one line."""
    history.asked(50)
    history.went(2, Reload.UNDER_WAY)
    assert history.entries() == [Entry(2, 50, Reload.UNDER_WAY, "")]
    history.asked(70)  # of another one, which has not begun
    history.went(2, Reload.FAILED, "wrong:\n  \u00e4")
    assert history.entry(2) == Entry(2, 50, Reload.FAILED, "wrong: \u00e4")


def test_only_the_last_are_kept(history: ReloadHistory) -> None:
    """One that is not among them takes no place of those that are."""
    for number in range(2, KEPT + 4):
        history.asked(number * 10)
        history.went(number, Reload.DONE)
    assert [entry.number for entry in history.entries()] == list(range(4, KEPT + 4))
    history.went(3, Reload.FAILED, "late")
    assert history.entry(3) is None
    assert history.entry(KEPT + 3) == Entry(KEPT + 3, (KEPT + 3) * 10, Reload.DONE, "")


def test_a_long_reason_is_cut_between_characters(history: ReloadHistory) -> None:
    """It fits its place, and is text."""
    history.went(2, Reload.FAILED, "x" + "\u00e4" * 1000)
    entry = history.entry(2)
    assert entry is not None
    assert entry.reason == "x" + "\u00e4" * (len(entry.reason) - 1)
    assert 200 <= len(entry.reason) <= 300


def test_the_reload_that_was_asked_for_began_after_the_wish(history: ReloadHistory) -> None:
    """One that had begun before may have read what was there before."""
    history.asked(100)
    history.went(2, Reload.UNDER_WAY)
    assert wanted(history, 150, None) is None
    history.asked(200)
    history.went(3, Reload.UNDER_WAY)
    history.asked(300)
    history.went(4, Reload.UNDER_WAY)
    found = wanted(history, 150, None)
    assert found is not None
    assert found.number == 3
    for number in range(5, 5 + KEPT):
        history.went(number, Reload.DONE)
    assert wanted(history, 150, 3) == Entry(3, 150, Reload.SUPERSEDED, "")
