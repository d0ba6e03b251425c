"""The contract with balancers: what one is told of the workers, and what it says.

A balancer decides which worker gets the next request. It must not know how requests come in,
how they are handed over, or what a worker does with them.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from heeler.plugins.errors import PluginInvalid

if TYPE_CHECKING:
    from heeler.plugins.registry import Plugin


# Not frozen: the listener keeps one of these for each worker and counts in it, some ten thousand times a second.
# Compared by identity, for the same reason, and because two workers with equal figures are still two.
@dataclasses.dataclass(slots=True, eq=False)
class SlotView:
    """What a balancer is told of a worker; only the listener writes to it.

    The figures are true until the balancer returns; the same object has others in the next call.

    Args:
        slot: the worker's slot, from 1; its replacement after a restart or a reload has the same.
        capacity: how many requests it can run at once.
        in_flight: how many requests the listener has handed to it that are not over yet.
        connections: how many client connections it holds, idle ones among them.
    """

    slot: int
    capacity: int
    in_flight: int = 0
    connections: int = 0

    @property
    def has_room(self) -> bool:
        """Whether it can begin another request at once."""
        return self.in_flight < self.capacity

    @property
    def load(self) -> float:
        """The share of its capacity that is taken: 0.0 for an idle worker, 1.0 for a full one."""
        return self.in_flight / self.capacity if self.capacity else 1.0


class Balancer(Protocol):
    """What decides which worker gets a request: a pure function, called for each of them."""

    def __call__(self, slots: Sequence[SlotView], turn: int, key: bytes, /) -> SlotView:
        """Return the worker that gets the request: one of `slots`, which needs no room.

        If it has none, the request waits for that worker, first in first out, and holds up nobody who
        does not wait for the same one. It is not asked for again, unless that worker goes away first.

        Args:
            slots: all workers that serve now, in the order of their slots; at least one has room. While none
                has, requests wait for whichever gets it first, and no balancer is asked.
            turn: grows by one with each call, so that what is equally good can take turns.
            key: names the client where clients are told apart, and is empty where they are not.

        Raises: nothing.

        Blocking: never. It keeps no state, opens nothing, and reads no clock.

        Process: the listener.
        """


def load_balancer(plugin: "Plugin") -> Balancer:
    """Import a balancer, and hold it against the contract as far as that can be seen without calling it.

    Raises:
        PluginInvalid: the import fails, or what is found cannot be called as a balancer is.
    """
    import inspect

    found: Balancer = plugin.load_function()
    try:
        inspect.signature(found).bind((), 0, b"")
    except TypeError as error:
        reason = "is no balancer: it cannot be called with three arguments (slots, turn, key)"
        raise PluginInvalid(plugin.name, plugin.distribution, reason) from error
    except ValueError:  # some functions written in C have no signature
        pass
    if inspect.iscoroutinefunction(found):
        reason = "is a coroutine function; a balancer answers at once, so it is a plain one"
        raise PluginInvalid(plugin.name, plugin.distribution, reason)
    return found
