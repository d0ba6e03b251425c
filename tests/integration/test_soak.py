"""The soak, for a few seconds, so that it does not rot; and whole, where it is asked for by `-m soak`."""

import random

import pytest

import soak
from soaking.course import Course
from soaking.plan import Deed

pytestmark = pytest.mark.slow
SECONDS = 3.0


@pytest.mark.parametrize(("worker_class", "dispatch"), [("thread", "kernel"), ("asyncio", "request")])
def test_what_is_lost_is_what_was_killed(worker_class: str, dispatch: str) -> None:
    """A few seconds of everything at once: the books balance, and nothing is left over."""
    seed = random.randrange(1_000_000)
    course = Course(worker_class, dispatch, SECONDS, seed)
    found = course.run()
    print(f"seed {seed}: {found}")
    assert found.faults == [], seed
    assert found.answered and found.done[Deed.REEXEC]


@pytest.mark.soak
def test_five_minutes() -> None:
    """As `make soak`."""
    assert soak.main([]) == 0
