"""The built-in balancers: what holds of each of them, and what of one alone."""

import collections
import copy
import dataclasses
import itertools
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heeler.plugins.balancer import Balancer, SlotView, load_balancer
from heeler.plugins.balancers import least_busy, random_two, round_robin, sticky
from heeler.plugins.registry import find_balancer

NAMES = ("least-busy", "round-robin", "random-two", "sticky")
KEYS = [b"192.0.2.%d:%d" % (low, port) for low in range(100) for port in range(20)]

turns = st.integers(min_value=0, max_value=1 << 70)
keys = st.binary(max_size=40)
in_flight = st.integers(min_value=0, max_value=5)
views = st.builds(SlotView, st.just(0), st.integers(min_value=1, max_value=4), in_flight, in_flight)


def numbered(views: Sequence[SlotView]) -> list[SlotView]:
    """Return them with slots from 1."""
    return [dataclasses.replace(view, slot=slot) for slot, view in enumerate(views, 1)]


def idle(count: int, capacity: int = 1) -> list[SlotView]:
    """Return so many idle workers."""
    return [SlotView(slot, capacity) for slot in range(1, count + 1)]


slots = st.lists(views, min_size=1, max_size=9).map(numbered).filter(lambda views: any(one.has_room for one in views))


@pytest.fixture(params=NAMES)
def balancer(request: pytest.FixtureRequest) -> Balancer:
    """Each of them, found by its name."""
    return load_balancer(find_balancer(request.param))


def shares(balancer: Balancer, slots: Sequence[SlotView], calls: int = 12_000) -> list[float]:
    """Return which share of the calls each worker gets."""
    counts = collections.Counter(balancer(slots, turn, b"").slot for turn in range(calls))
    return [counts[view.slot] / calls for view in slots]


# -- the contract


@given(slots=slots, turn=turns, key=keys)
def test_worker_that_is_chosen_has_room(slots: list[SlotView], turn: int, key: bytes) -> None:
    """It is one of those that were offered; only `sticky` chooses one without, and no balancer changes a figure."""
    before = copy.deepcopy(slots)
    for name in NAMES:
        found = load_balancer(find_balancer(name))(slots, turn, key)
        assert any(found is view for view in slots)
        assert found.has_room or (name == "sticky" and key)
    assert list(map(dataclasses.astuple, slots)) == list(map(dataclasses.astuple, before))


@given(slots=slots, turn=turns, key=keys)
def test_balancers_are_pure(slots: list[SlotView], turn: int, key: bytes) -> None:
    """The same figures give the same answer, whatever was asked in between and in whatever objects they come."""
    for name in NAMES:
        balancer = load_balancer(find_balancer(name))
        first = balancer(slots, turn, key)
        balancer(idle(3), turn + 1, b"other")
        again = balancer(tuple(copy.deepcopy(slots)), turn, key)
        assert first.slot == again.slot


def test_worker_without_capacity_gets_nothing(balancer: Balancer) -> None:
    """One that is not to get any more is as a full one, however few requests it has."""
    slots = [SlotView(1, 0), SlotView(2, 4, 3, 9), SlotView(3, 0)]
    assert [view.load for view in slots] == [1.0, 0.75, 1.0]
    assert {balancer(slots, turn, b"").slot for turn in range(20)} == {2}


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_idle_workers_get_equal_shares(balancer: Balancer, count: int) -> None:
    """As many requests for each, the last as well as the first."""
    assert shares(balancer, idle(count)) == pytest.approx([1 / count] * count, abs=0.02)


def test_answer_is_the_same_in_every_process() -> None:
    """No hash of Python's own, which differs from one interpreter to the next, decides anything."""
    code = (
        "from heeler.plugins.balancer import SlotView; from heeler.plugins.balancers import random_two, sticky;"
        "slots = [SlotView(slot, 1) for slot in range(1, 9)];"
        "print([(sticky(slots, 0, b'%d' % n).slot, random_two(slots, n, b'').slot) for n in range(20)])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


# -- least busy


@given(slots=slots, turn=turns)
def test_least_busy_has_the_least_load(slots: list[SlotView], turn: int) -> None:
    """Relative to what each can run; of equals, it has the fewest connections."""
    found = least_busy(slots, turn, b"")
    assert (found.load, found.connections) == min((view.load, view.connections) for view in slots if view.has_room)


@given(slots=st.lists(views, min_size=1, max_size=9).map(numbered), turn=turns)
def test_least_busy_needs_no_room(slots: list[SlotView], turn: int) -> None:
    """Where no worker has any, it still returns the least busy: others may build upon that."""
    found = least_busy(slots, turn, b"")
    assert found.load == min(view.load for view in slots)


@pytest.mark.parametrize("tied", list(itertools.combinations(range(5), 3)))
def test_ties_rotate_evenly(tied: tuple[int, ...]) -> None:
    """Wherever the equals stand among those that are busier, each gets the same number."""
    slots = idle(5, 2)
    for index, view in enumerate(slots):
        view.in_flight = 0 if index in tied else 1
    counts = collections.Counter(least_busy(slots, turn, b"").slot - 1 for turn in range(300))
    assert counts == dict.fromkeys(tied, 100)


# -- round robin


def test_round_robin_goes_round() -> None:
    """One after the other; a full one is left out."""
    slots = idle(4)
    slots[1].in_flight = 1
    assert [round_robin(slots, turn, b"").slot for turn in range(6)] == [1, 3, 4, 1, 3, 4]


# -- two choices


@pytest.mark.parametrize("count", [2, 3, 4, 6, 8])
def test_every_pair_is_drawn_equally_often(count: int) -> None:
    """And never one worker twice: the busiest of all gets nothing, the next as much as pairs with that one have."""
    slots = [SlotView(slot, 20, slot) for slot in range(1, count + 1)]
    pairs = count * (count - 1) / 2
    assert shares(random_two, slots) == pytest.approx(
        [(count - slot) / pairs for slot in range(1, count + 1)], abs=0.02
    )


# -- sticky


def test_client_stays_with_its_worker() -> None:
    """Whatever the turn and however busy, and while that worker is full, too."""
    slots = idle(8, 2)
    homes = {key: sticky(slots, 0, key).slot for key in KEYS}
    for view in slots:
        view.in_flight, view.connections = view.slot % 3, view.slot
    for turn, (key, home) in enumerate(homes.items()):
        assert sticky(slots, turn, key) is slots[home - 1]


@pytest.mark.parametrize("count", [2, 3, 8, 16])
def test_clients_are_spread_evenly(count: int) -> None:
    """Each worker is the home of about as many, though their addresses look alike."""
    counts = collections.Counter(sticky(idle(count), 0, key).slot for key in KEYS)
    expected = len(KEYS) / count
    # Chi-squared: its mean is count - 1, its variance twice that.
    assert sum((counts[slot] - expected) ** 2 / expected for slot in range(1, count + 1)) < count + 5 * count**0.5


@pytest.mark.parametrize("count", [2, 3, 8])
def test_few_clients_move(count: int) -> None:
    """Those of a worker that is gone, and to a new one as many as are its share; nobody else."""
    slots = idle(count + 1)
    homes = {key: sticky(slots, 0, key).slot for key in KEYS}
    for gone in slots:
        rest = [view for view in slots if view is not gone]
        moved = [key for key, home in homes.items() if sticky(rest, 0, key).slot != home]
        assert moved == [key for key, home in homes.items() if home == gone.slot]
        assert len(moved) / len(KEYS) == pytest.approx(1 / (count + 1), rel=0.2)


@given(slots=slots, turn=turns)
def test_nobody_in_particular_goes_to_the_least_busy(slots: list[SlotView], turn: int) -> None:
    """A client without a key is bound to no worker."""
    assert sticky(slots, turn, b"") is least_busy(slots, turn, b"")
