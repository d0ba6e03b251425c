"""The balancer `shuffle-shard`: each client has two workers of its own, and can block no others."""

from collections.abc import Sequence
from hashlib import blake2b

from heeler.plugins.balancer import SlotView
from heeler.plugins.balancers import least_busy


def shuffle_shard(slots: Sequence[SlotView], turn: int, key: bytes) -> SlotView:
    """Return the less busy one of the client's two workers, whether or not it has room; without a key, of all."""

    def score(view: SlotView) -> bytes:
        return blake2b(b"%d %b" % (view.slot, key), digest_size=8).digest()

    shard = sorted(slots, key=score)[:2] if key else slots
    return least_busy(shard, turn, key)
