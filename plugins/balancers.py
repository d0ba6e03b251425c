"""The balancers that Heeler brings, each a pure function as `heeler.plugins.balancer` wants it."""

import zlib
from collections.abc import Sequence

from heeler.plugins.balancer import SlotView


def least_busy(slots: Sequence[SlotView], turn: int, _key: bytes) -> SlotView:
    """Return the worker with the least of its capacity taken; of equals the one with the fewest connections.

    That one has room if any has; so of views that have none it returns the least busy, too.
    """
    best: list[SlotView] = []
    taken = capacity = connections = 0  # of the best
    for view in slots:
        its_capacity, its_connections = view.capacity, view.connections
        # The loads taken / capacity, compared without dividing; 0 / 0 is taken for 1 / 0, the busiest there is.
        its_taken = view.in_flight or not its_capacity
        difference = its_taken * capacity - taken * its_capacity or its_connections - connections
        if difference < 0 or not best:
            best, taken, capacity, connections = [view], its_taken, its_capacity, its_connections
        elif difference == 0:
            best.append(view)
    return best[turn % len(best)]


def round_robin(slots: Sequence[SlotView], turn: int, _key: bytes) -> SlotView:
    """Return one after the other of the workers that have room, however busy."""
    able = [view for view in slots if view.in_flight < view.capacity]
    return able[turn % len(able)]


def random_two(slots: Sequence[SlotView], turn: int, _key: bytes) -> SlotView:
    """Return the less busy one of two workers that have room, drawn as if by lot."""
    able = [view for view in slots if view.in_flight < view.capacity]
    count = len(able)
    if count == 1:
        return able[0]
    lot = _mixed(turn)
    first = lot % count
    second = (first + 1 + (lot >> 16) % (count - 1)) % count  # never the first again
    one, other = able[first], able[second]
    return one if one.in_flight * other.capacity <= other.in_flight * one.capacity else other


def sticky(slots: Sequence[SlotView], turn: int, key: bytes) -> SlotView:
    """Return the worker that belongs to the client, whether or not it has room; without a key, the least busy.

    Rendezvous hashing: each slot has a score for the client, and the highest wins. So a slot that
    comes or goes moves the clients that it wins or had won, and no others.
    """
    if not key:
        return least_busy(slots, turn, key)
    client = zlib.crc32(key)
    won, high = slots[0], -1
    for view in slots:
        score = _mixed(client + view.slot * 0x9E3779B9)
        if score > high:
            won, high = view, score
    return won


def _mixed(number: int) -> int:
    """Return 32 bits that each depend on all lower 32 bits of `number`, for neighbours as if by chance."""
    # The finalizer of MurmurHash3; a CRC alone is linear, and would give slots unequal shares.
    number &= 0xFFFFFFFF
    number = ((number ^ number >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    number = ((number ^ number >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return number ^ number >> 16
