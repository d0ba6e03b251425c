"""The contract with scalers: what one is told of the load, and what it says.

A scaler decides how many workers there are to be. It must not know how workers come and go, nor how the
load is measured.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from heeler.plugins.errors import PluginInvalid

if TYPE_CHECKING:
    from heeler.plugins.registry import Plugin

EVERY_S: Final = 0.25
"""From one observation to the next."""
HISTORY_S: Final = 300.0
"""How long they are kept."""


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of the load at a moment.

    Args:
        at: when, monotonic seconds.
        workers: how many were wanted.
        ready: how many served; those that boot or drain do not.
        slots: how many requests those could run at once.
        busy: how many they ran.
        queue: how many connections and requests waited for one of them.
        cpus: how many CPUs' time they took since the observation before; 0.0 where the system does not tell.
        workers_min: how few workers there may be.
        workers_max: how many.
    """

    at: float
    workers: int
    ready: int
    slots: int
    busy: int
    queue: int = 0
    cpus: float = 0.0
    workers_min: int = 1
    workers_max: int = 1

    @property
    def load(self) -> float:
        """How much of a worker is taken: the share of slots or that of a CPU's time, whichever is larger.

        A worker that can run many requests at once is full when its CPU is.
        """
        if not (self.ready and self.slots):
            return 1.0
        return max(self.busy / self.slots, self.cpus / self.ready)


class Scaler(Protocol):
    """What decides how many workers there are to be: a pure function, called after each observation."""

    def __call__(self, history: Sequence[Observation], /) -> int:
        """Return how many workers there are to be; what is beyond the bounds is taken for the nearer one.

        Args:
            history: what was seen, oldest first, the newest of now; at least one. It begins anew when the
                server starts, and after people have chosen a number.

        Raises: nothing. If it does, it is logged once, and the number stays.

        Blocking: never. All of the server's supervision waits for it.

        Process: the arbiter.
        """


def load_scaler(plugin: "Plugin") -> Scaler:
    """Import a scaler, and hold it against the contract as far as that can be seen without calling it.

    Raises:
        PluginInvalid: the import fails, or what is found cannot be called as a scaler is.
    """
    import inspect

    found: Scaler = plugin.load_function()
    try:
        inspect.signature(found).bind(())
    except TypeError as error:
        reason = "is no scaler: it cannot be called with one argument (history)"
        raise PluginInvalid(plugin.name, plugin.distribution, reason) from error
    except ValueError:  # some functions written in C have no signature
        pass
    if inspect.iscoroutinefunction(found):
        reason = "is a coroutine function; a scaler answers at once, so it is a plain one"
        raise PluginInvalid(plugin.name, plugin.distribution, reason)
    return found
