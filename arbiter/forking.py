"""The fork, and what a process must forget that was forked from a program's.

A program that calls `heeler.run`, or a test, has text in its buffers, threads, and things to do at
its exit, none of which are its children's business.
"""

import atexit
import sys
import warnings
import weakref

from heeler.workers import unpatched


def fork() -> int:
    """Make a child; in it this returns 0, in the parent the child's process id.

    A program may have threads. The child takes none of them along, and waits for none: what it uses
    of the standard library is made for that, so Python's warning of it is not passed on.

    Raises:
        OSError: the system refused.
    """
    flush_streams()  # or else the child would write it once more
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*(multi-threaded|fork\(\))", DeprecationWarning)
        return unpatched.fork()


def flush_streams() -> None:
    """Write what was printed."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # closed by the application, or its reader is gone


def run_exit_handlers() -> None:
    """Do what this process is to do at its exit, where that is to be by os._exit."""
    atexit._run_exitfuncs()


def forget_exit_handlers() -> None:
    """Forget what the process that forked this one does at its exit.

    A worker runs what its application registers; the files that the program would remove, and the
    processes that it would end, are the program's.
    """
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]
    atexit._clear()
    forget_possessions()


def forget_possessions() -> None:
    """Forget the files and processes that the one that forked this one has, and would remove at its exit."""
    for finalizer in tuple(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None:  # as it does itself in the processes that it forks
        util._finalizer_registry.clear()
        process._children.clear()
        atexit.register(util._exit_function)
