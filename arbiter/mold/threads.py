"""Which threads a process has: those are not forked with it."""

import os
import threading


def besides_this() -> tuple[list[str], int]:
    """Return the names of the threads that run besides this one, and how many more there are that Python does not know.

    Threads of a library that waits by switching (greenlets) are none: they are forked.
    """
    this = threading.get_native_id()
    try:
        running = {int(name) for name in os.listdir("/proc/self/task")} - {this}
    except OSError:  # no /proc: those that Python knows are all that can be told
        running = {_native_id(thread) for thread in threading.enumerate()} - {this, 0}
    named = [thread.name for thread in threading.enumerate() if _native_id(thread) in running]
    return sorted(named), len(running) - len(named)


def _native_id(thread: threading.Thread) -> int:
    """Return what the system calls a thread; 0 where that is none, but a greenlet."""
    return getattr(thread, "native_id", None) or 0
