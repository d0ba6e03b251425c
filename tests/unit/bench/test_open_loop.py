"""The arithmetic of the open loop, on a clock that a test sets: what is due, who waited, and for how long."""

import argparse
import statistics

import pytest

from balance_sim import MIXES
from loadbench import waiting
from loadbench.schedule import Schedule, percentile


def test_requests_come_when_they_come() -> None:
    """Each is due once, from its time on, in order; the client's own delay is kept apart."""
    schedule = Schedule([1.0, 2.0, 2.5, 9.0], [0.5] * 4)
    schedule.advance(0.9)
    assert schedule.take() is None
    schedule.advance(2.75)
    assert [schedule.take() for _ in range(4)] == [0, 1, 2, None]
    for request in range(3):
        schedule.answered(request, 4.0)
    assert schedule.summary().late_p99_s == 1.75


def test_next_arrival_is_waited_for() -> None:
    """No longer than the caller wants to, not at all when it is overdue, and as long as that when all have come."""
    schedule = Schedule([1.0, 2.0], [0.0] * 2)
    assert [schedule.until_next(now, 0.5) for now in (0.25, 0.75, 1.5)] == [0.5, 0.25, 0.0]
    schedule.advance(2.0)
    assert schedule.until_next(2.0, 0.5) == 0.5


def test_wait_is_counted_from_the_arrival() -> None:
    """However late a request was made: what it takes beyond its service is waiting, and never less than nothing."""
    schedule = Schedule([0.0, 1.0, 1.0], [0.25, 0.25, 0.25])
    schedule.advance(5.0)
    for request, now in ((0, 0.125), (1, 2.0), (2, 6.25)):
        assert schedule.take() == request
        schedule.answered(request, now)
    assert schedule.is_over
    found = schedule.summary()
    assert (found.p50_s, found.p99_s, found.errors) == (0.75, 5.0, 0)


def test_what_is_not_answered_is_an_error() -> None:
    """Whether it failed or nobody heard of it again; it has no wait. Of nothing at all there are no figures."""
    schedule = Schedule([0.0] * 4, [0.0] * 4)
    schedule.advance(0.0)
    schedule.failed(0)
    with pytest.raises(ValueError, match="not one request"):
        schedule.summary()
    schedule.answered(1, 3.0)
    found = schedule.summary()
    assert (found.p50_s, found.errors, schedule.is_over) == (3.0, 3, False)


def test_first_requests_do_not_count() -> None:
    """A tenth of them come before the queues are as long as they get; that they fail is told all the same."""
    schedule = Schedule([0.0] * 20, [0.0] * 20)
    schedule.advance(0.0)
    schedule.answered(0, 100.0)
    schedule.failed(1)
    for request in range(2, 20):
        schedule.answered(request, 1.0)
    found = schedule.summary()
    assert (found.p99_s, found.errors) == (1.0, 1)


def test_percentiles() -> None:
    """They are values that occurred; the last one has all others below it."""
    values = [float(value) for value in range(200)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [0.0, 100.0, 198.0, 199.0]
    assert percentile([7.0], 0.99) == 7.0


def test_every_server_gets_the_same_requests() -> None:
    """At the rate that makes the load; at another load the same ones come closer together."""
    options = argparse.Namespace(seed=1, requests=20_000)
    half, more = waiting.plan_of(0.5, options), waiting.plan_of(0.8, options)
    assert half == waiting.plan_of(0.5, options)
    assert half.services == more.services
    assert statistics.fmean(half.services) == pytest.approx(MIXES["web"].mean, rel=0.05)
    assert half.arrivals[-1] / 20_000 == pytest.approx(MIXES["web"].mean / 0.5 / waiting.SLOTS, rel=0.05)
    assert half.arrivals[-1] / more.arrivals[-1] == pytest.approx(0.8 / 0.5)
