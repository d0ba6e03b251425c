"""The built-in scalers: what each says of a load, and what comes of it in simulated time."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heeler.plugins import scalers
from heeler.plugins.errors import PluginInvalid
from heeler.plugins.registry import Plugin, find_scaler
from heeler.plugins.scaler import EVERY_S, Observation, Scaler, load_scaler
from heeler.plugins.scalers import backlog, busy
from support.scaling_sim import SimulatedServer

NAMES = ("busy", "backlog")

counts = st.integers(min_value=0, max_value=12)
passed_s = st.floats(0.0, 40.0)
seen = st.builds(
    Observation, st.just(0.0), st.integers(1, 8), st.integers(0, 9), counts, counts, counts, st.floats(0.0, 20.0)
)


def history(*spans: tuple[float, int, float, int], ready: int | None = None) -> list[Observation]:
    """Return what is seen where for so many seconds there were so many workers, so busy, and so much waited."""
    found: list[Observation] = []
    for seconds, workers, load, queue in spans:
        for _ in range(round(seconds / EVERY_S)):
            at, serving = len(found) * EVERY_S, workers if ready is None else ready
            slots = 100 * serving
            found.append(Observation(at, workers, serving, slots, round(slots * load), queue))
    return found


# -- the contract


@pytest.mark.parametrize("name", NAMES)
def test_own_scalers_are_found_by_their_names(name: str) -> None:
    """They come in as any other does."""
    assert load_scaler(find_scaler(name)) is getattr(scalers, name)
    assert find_scaler(f"heeler:{name}") == find_scaler(name)


@given(spans=st.lists(st.tuples(passed_s, seen), min_size=1, max_size=30))
def test_any_history_has_an_answer(spans: list[tuple[float, Observation]]) -> None:
    """Whatever was seen, gaps and workers that are missing among it: at least one worker, at most twice as many."""
    times = itertools.accumulate(passed for passed, _ in spans)
    found = [dataclasses.replace(one, at=at) for at, (_, one) in zip(times, spans, strict=True)]
    for scaler in (busy, backlog):
        assert 1 <= scaler(found) <= 2 * found[-1].workers
        assert scaler(tuple(found)) == scaler(found)


def test_what_is_no_scaler_is_refused() -> None:
    """Before anything is bound, with the reason."""

    async def late(_history: Sequence[Observation]) -> int:
        return 1

    for wrong, reason in ((lambda: 1, "cannot be called with one argument"), (late, "is a coroutine function")):
        with pytest.raises(PluginInvalid, match=reason):
            load_scaler(Plugin("wrong", None, wrong))
    given_itself = functools.partial(busy, high=0.9)
    assert load_scaler(Plugin("right", None, given_itself)) is given_itself


def test_load_is_what_is_scarcest() -> None:
    """Slots, or the CPU of a worker that has many of them; one that does not serve yet is no reserve."""
    assert Observation(0.0, 2, 2, 8, 4).load == 0.5
    assert Observation(0.0, 2, 2, 2000, 4, cpus=1.8).load == 0.9
    assert Observation(0.0, 2, 0, 0, 0).load == 1.0


# -- what they say


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(9, 2, 0.9, 0)], 2),  # not for long enough
        ([(11, 2, 0.9, 0)], 3),
        ([(11, 4, 1.0, 0)], 7),
        ([(60, 2, 0.7, 0)], 2),  # neither busy nor idle
        ([(29, 3, 0.3, 0)], 3),
        ([(31, 3, 0.3, 0)], 2),
        ([(60, 3, 0.5, 0)], 3),  # two would be three quarters busy
        ([(60, 1, 0.0, 0)], 1),
        ([(60, 2, 0.9, 0), (5, 3, 0.9, 0)], 3),  # what was seen of two workers says nothing of three
        ([(60, 3, 0.3, 0), (5, 2, 0.4, 0)], 2),
    ],
)
def test_busy_goes_by_the_share(spans: list[tuple[float, int, float, int]], expected: int) -> None:
    """Up after ten seconds, to as many as are needed; down after thirty, one at a time."""
    assert busy(history(*spans)) == expected


@pytest.mark.parametrize("scaler", [busy, backlog])
@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(1.5, 2, 0.5, 900)], 2),  # it may be over in a moment
        ([(2.5, 2, 0.5, 900)], 4),
        ([(2.5, 2, 0.5, 1)], 3),
        ([(2.5, 2, 0.5, 900), (0.25, 2, 0.5, 0)], 2),
        ([(31, 3, 0.3, 0), (0.25, 3, 0.3, 1)], 3),  # nobody goes while something waits
    ],
)
def test_queue_is_an_emergency(scaler: Scaler, spans: list[tuple[float, int, float, int]], expected: int) -> None:
    """What waits for two seconds brings as many as would run it, and at most twice as many."""
    assert scaler(history(*spans)) == expected


def test_backlog_takes_no_notice_of_the_share() -> None:
    """As long as nothing waits; it goes down as the other does."""
    assert backlog(history((60, 2, 1.0, 0))) == 2
    assert backlog(history((60, 3, 0.3, 0))) == 2


@pytest.mark.parametrize("scaler", [busy, backlog])
def test_nobody_is_added_to_those_that_boot(scaler: Scaler) -> None:
    """An application that does not boot would be booted more and more; one that does may soon be enough."""
    assert scaler(history((60, 4, 1.0, 50), ready=3)) == 4


def test_who_had_to_go_up_again_waits_longer() -> None:
    """Each time that one worker too few was left, the next one stays twice as long."""
    once = [(40.0, 3, 0.3, 0), (10.0, 2, 0.9, 0)]
    assert busy(history(*once, (45, 3, 0.3, 0))) == 3
    assert busy(history(*once, (61, 3, 0.3, 0))) == 2
    assert busy(history(*once, *once, (100, 3, 0.3, 0))) == 3


# -- what comes of it


@pytest.mark.parametrize(("load", "slots"), [(0.3, 1), (0.9, 1), (2.0, 1), (5.5, 1), (2.0, 4)])
def test_steady_load_makes_no_oscillation(load: float, slots: int) -> None:
    """In half an hour after two minutes the number changes hardly ever, and is what the load needs."""
    server = SimulatedServer(busy, (1, 10), slots=slots)
    server.run(120, load * slots / 0.05)
    server.run(1800, load * slots / 0.05)
    changes = server.changes_since(120)
    assert len(changes) <= 4
    assert math.ceil(load / 0.75) <= server.workers <= math.ceil(load / 0.6) + 1


@pytest.mark.parametrize("scaler", [busy, backlog])
def test_burst_is_answered(scaler: Scaler) -> None:
    """Ten times the load: more workers are called in two seconds, and enough of them in three boots."""
    server = SimulatedServer(scaler, (2, 10), boot_s=2.0)
    server.run(300, 10)
    assert server.workers == 2
    begin = server.now
    server.run(60, 100)
    came = [(at - begin, workers) for at, workers in server.changes if at >= begin]
    assert came[0][0] < 3
    assert next(at for at, workers in came if workers >= 8) < 12
    server.run(600, 10)
    assert server.workers == 2


def test_without_an_emergency_a_burst_is_answered_later() -> None:
    """The share alone takes ten seconds for each step: the queue is there for that."""
    late = functools.partial(busy, queue_s=1000.0)
    longest = []
    for scaler in (busy, late):
        server = SimulatedServer(scaler, (2, 10))
        server.run(60, 10)
        server.run(60, 100)
        longest.append(server.longest_queue)
    assert longest[0] < longest[1] / 2
