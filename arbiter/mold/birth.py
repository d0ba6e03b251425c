"""The fork of a child for the arbiter, by another of its children.

The mold forks a process that forks the worker and ends at once. So the worker is adopted by the nearest
ancestor that adopts, and that is the arbiter: it waits for the worker as for those that it has forked itself.
"""

import os
from collections.abc import Callable
from typing import NoReturn

from heeler.arbiter import forking, signals
from heeler.workers import unpatched


def bear(live: Callable[[set[int]], NoReturn]) -> None:
    """Have a child of the arbiter's.

    Args:
        live: what it does, until its end, with all signals held back; gets those that are to be held back afterwards.

    Blocking: until it is the arbiter's.

    Raises:
        OSError: the system refused.
    """
    reader, writer = os.pipe()
    try:
        with signals.held_back() as mask:
            between = forking.fork()
            if between == 0:
                _bear_and_end(live, mask, reader, writer)
        _, status = unpatched.waitpid(between, 0)
    finally:
        unpatched.close(reader)
        unpatched.close(writer)
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise OSError(code, os.strerror(code) if code > 0 else f"ended by signal {-code} in the fork")


def _bear_and_end(live: Callable[[set[int]], NoReturn], mask: set[int], reader: int, writer: int) -> NoReturn:
    status = 0
    try:
        if forking.fork() == 0:
            # Before its parent is gone, and it has got another, it cannot ask for word of its parent's end.
            unpatched.close(writer)
            unpatched.read(reader, 1)
            unpatched.close(reader)
            live(mask)
    except OSError as error:
        status = error.errno or 1
    finally:
        os._exit(status)
