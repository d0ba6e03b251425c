"""How long a worker serves, at most and at least.

Pure: `heeler.arbiter.policy` asks it. Times are of the monotonic clock.
"""

from typing import Final

from heeler.arbiter.children import Child
from heeler.arbiter.events import Limits
from heeler.workers import messages
from heeler.workers.quota import stagger

LIFETIME: Final = "max_worker_lifetime"

LEAST_FOR_MEMORY_S: Final = 10.0
"""A worker that is too large is replaced no sooner, unless `min_worker_lifetime` says otherwise.

With a limit below what the application itself takes, workers would do nothing but boot.
"""

JITTER: Final = 0.1
"""The share of `max_worker_lifetime` that is its jitter, unless that is given."""


def end_of_life(ready_at: float, slot: int, limits: Limits) -> float | None:
    """Return when a worker has served long enough; None is never."""
    longest_s = limits.max_lifetime_s
    if not longest_s:
        return None
    jitter_s = longest_s * JITTER if limits.lifetime_jitter_s is None else limits.lifetime_jitter_s
    return ready_at + max(longest_s + stagger(jitter_s, slot), limits.min_lifetime_s or 0.0)


def not_before(ready_at: float, reason: str, limits: Limits) -> float:
    """Return when a worker that asks for it may be replaced."""
    if limits.min_lifetime_s is not None:
        return ready_at + limits.min_lifetime_s
    return ready_at + (LEAST_FOR_MEMORY_S if reason == messages.TOO_LARGE else 0.0)


def old_age(child: Child, now: float) -> messages.Retire:
    """Return why a worker is replaced whose `retire_at` has come, unless it has asked for it itself."""
    assert child.ready_at is not None, "a worker grows old that does not serve"
    assert child.retire_at is not None, "a worker is old that may serve for ever"
    return messages.Retire(LIFETIME, f"{now - child.ready_at:.1f}s", f"{child.retire_at - child.ready_at:.1f}s")


def told(why: messages.Retire) -> dict[str, str]:
    """Return what the log says of it."""
    figures = {"reached": why.reached, "limit": why.limit}
    return {"reason": why.reason} | {name: figure for name, figure in figures.items() if figure}
