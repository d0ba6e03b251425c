"""What a process that the application forks does not take along from its worker.

`multiprocessing` and `os.fork` copy the worker whole: with its handlers, which would not end the
child but write to the worker's page of the scoreboard, and with its listening sockets, which
would take clients in, whom nobody serves, for as long as the child lives.
"""

import os
import signal
from collections.abc import Callable, Collection
from typing import Protocol


class Closable(Protocol):
    """Something with a descriptor."""

    def close(self) -> None:
        """Close this process's copy."""


def let_go_in_children(handlers: Collection[Callable[..., object]], closes: Collection[Closable]) -> None:
    """From now on, have what this process forks let go of these.

    Process: the worker, once. What runs another program (`subprocess`) never has them.

    Args:
        handlers: of signals; those that the application has put in their place stay.
        closes: what is closed: all that is in it at the time of the fork.
    """

    def let_go() -> None:
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals():
            if signal.getsignal(number) in handlers:
                is_interrupt = number == signal.SIGINT
                signal.signal(number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)
        for each in tuple(closes):
            each.close()

    os.register_at_fork(after_in_child=let_go)
