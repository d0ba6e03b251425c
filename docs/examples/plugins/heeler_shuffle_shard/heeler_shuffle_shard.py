"""The balancer `shuffle-shard`: each client has two workers of its own, and can block no others."""

from collections.abc import Sequence
from hashlib import blake2b

from heeler.plugins.balancer import SlotView
from heeler.plugins.balancers import least_busy


def shuffle_shard(slots: Sequence[SlotView], turn: int, key: bytes) -> SlotView | None:
    """Return the less busy one of the client's two workers, or None while both are full; without a key, of all."""

    def score(view: SlotView) -> bytes:
        return blake2b(b"%d %b" % (view.slot, key), digest_size=8).digest()

    shard = sorted(slots, key=score)[:2] if key else slots
    able = [view for view in shard if view.has_room]
    return least_busy(able, turn, key) if able else None
