"""The quota of requests after which a worker asks to be replaced."""

import itertools

from heeler.workers.quota import Quota


def test_without_limit_it_is_never_used_up() -> None:
    """`max_requests = 0` is no limit."""
    quota = Quota(0, 50, 1)
    assert not quota.is_limited
    assert not any(quota.count_down() for _ in range(1000))


def test_it_is_used_up_once() -> None:
    """The worker asks once; it serves on until it is told to stop."""
    quota = Quota(3, 0, 1)
    assert quota.is_limited
    assert [quota.count_down() for _ in range(5)] == [False, False, True, False, False]
    assert quota.is_limited


def test_jitter_spreads_the_slots_evenly() -> None:
    """Sixteen workers that started together retire at sixteen different counts, none close to another."""
    limits = sorted(Quota(1000, 1600, slot).limit for slot in range(1, 17))
    assert limits[0] >= 1000
    assert limits[-1] <= 2600
    assert min(later - earlier for earlier, later in itertools.pairwise(limits)) >= 30
