"""The scalers that Heeler brings, each a pure function as `heeler.plugins.scaler` wants it.

Both go up fast and down slowly: a worker too many costs memory, one too few costs clients their time.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

from heeler.plugins.scaler import HISTORY_S, Observation


def busy(
    history: Sequence[Observation],
    *,
    target: float = 0.6,
    high: float = 0.75,
    up_s: float = 10.0,
    down_s: float = 30.0,
    queue_s: float = 2.0,
) -> int:
    """Return how many workers are needed for the load of each to be about `target`.

    Args:
        history: what was seen.
        target: the share of a worker that is to be taken; one worker fewer must leave it below that.
        high: the share above which there are to be more.
        up_s: for how long it has been that high, seconds.
        down_s: how long one worker fewer would have done. Each time that one too few was left, it takes twice as
            long, up to the length of `history`.
        queue_s: how long something has waited all the time, which brings more workers whatever the share is.
    """
    now = history[-1]
    if (needed := backlog(history, target=target, down_s=down_s, queue_s=queue_s)) != now.workers:
        return needed
    if (window := _unchanged(history, up_s)) and _all_serve(window) and (load := _mean_load(window)) > high:
        return min(max(math.ceil(load * now.workers / target), now.workers + 1), 2 * now.workers)
    return now.workers


def backlog(history: Sequence[Observation], *, target: float = 0.6, down_s: float = 30.0, queue_s: float = 2.0) -> int:
    """Return more workers while something waits for one, however busy they are; fewer as `busy` does.

    Args:
        history: what was seen.
        target: as of `busy`.
        down_s: as of `busy`.
        queue_s: how long something has waited all the time, seconds.
    """
    now = history[-1]
    if (window := _unchanged(history, queue_s)) and _all_serve(window):
        waiting = min(seen.queue for seen in window)
        if waiting:
            each = max(1.0, now.slots / now.ready)
            return now.workers + min(math.ceil(waiting / each), now.workers)
    return now.workers - 1 if _is_one_too_many(history, target, down_s) else now.workers


def _is_one_too_many(history: Sequence[Observation], target: float, down_s: float) -> bool:
    if history[-1].workers <= 1 or not _would_do_with_less(history, target, down_s):
        return False
    longer_s = min(down_s * 2 ** _regrets(history), 0.9 * HISTORY_S)
    return longer_s <= down_s or _would_do_with_less(history, target, longer_s)


def _would_do_with_less(history: Sequence[Observation], target: float, seconds: float) -> bool:
    """Whether the last `seconds` would have been well served by one worker fewer."""
    window = _unchanged(history, seconds)
    if not window or any(seen.queue for seen in window):
        return False
    return sum(seen.load * seen.ready for seen in window) / len(window) < target * (history[-1].workers - 1)


def _regrets(history: Sequence[Observation]) -> int:
    """Return how many times the number went up when it had gone down last."""
    changes = [
        one.workers < other.workers for one, other in itertools.pairwise(history) if one.workers != other.workers
    ]
    return sum(other and not one for one, other in itertools.pairwise(changes))


def _unchanged(history: Sequence[Observation], seconds: float) -> list[Observation]:
    """Return what was seen in the last `seconds`, nothing where the number has changed in that time."""
    now = history[-1]
    window = list(itertools.takewhile(lambda seen: seen.workers == now.workers, _back(history, now.at - seconds)))
    return window if window[-1].at <= now.at - seconds else []


def _back(history: Sequence[Observation], until: float) -> Iterator[Observation]:
    """Yield the newest first, until one that is so old."""
    for seen in reversed(history):
        yield seen
        if seen.at <= until:
            return


def _all_serve(window: Sequence[Observation]) -> bool:
    """Whether no worker was on its way; before it is there, nobody knows whether it will do."""
    return all(seen.ready >= seen.workers for seen in window)


def _mean_load(window: Sequence[Observation]) -> float:
    return sum(seen.load for seen in window) / len(window)
