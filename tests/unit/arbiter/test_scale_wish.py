"""What `heeler scale` and an arbiter say to each other."""

import os

import pytest

from heeler.arbiter import scale_wish
from heeler.arbiter.scale_wish import Answer, Wish
from heeler.workers.scoreboard import Scoreboard


def test_wish_is_taken_until_it_is_answered() -> None:
    """Once, however often the bell rings; the next has another number."""
    board = Scoreboard.create(8)
    assert scale_wish.take(board) is None
    board.set("wish", 7 << 32 | 3)
    wish = scale_wish.take(board)
    assert wish == Wish(7, 3) == scale_wish.take(board)
    scale_wish.answer(board, wish, Answer.DONE)
    assert scale_wish.take(board) is None
    assert board.get("answer") == 7 << 32 | Answer.DONE
    board.set("wish", 8 << 32 | 3)
    assert scale_wish.take(board) == Wish(8, 3)
    board.close()


def test_who_is_overtaken_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another wish has taken the place of the first, or even has its answer there: nobody will answer the first."""
    board = Scoreboard.create(8)

    def be_overtaken(_pid: int, _number: int) -> None:
        board.set("wish", 1 << 40 | 3)

    monkeypatch.setattr(os, "kill", be_overtaken)
    assert scale_wish.ask(board, 1, 2, 5.0) is Answer.OVERTAKEN
    board.close()


def test_bounds_are_the_settings_or_what_there_is_room_for() -> None:
    """Where nothing is set, each worker must find room for another in its place."""
    board = Scoreboard.create(8)
    assert scale_wish.bounds(board) == (1, 4)
    board.set("workers_min", 2)
    board.set("workers_max", 6)
    assert scale_wish.bounds(board) == (2, 6)
    board.close()
