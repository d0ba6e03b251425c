"""Serving from within a program: `heeler.run(app, workers=2)`.

The program's process becomes the arbiter, and is what it was again once the server has stopped.
"""

import contextlib
import gc
import os
import resource
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import setproctitle

from heeler.arbiter import daemon, forking, signals
from heeler.arbiter.config import init_system, surroundings
from heeler.arbiter.config.loader import Loaded, Sources
from heeler.arbiter.config.program import Program
from heeler.arbiter.ready_fd import ReadyFd
from heeler.arbiter.runner import Arbiter
from heeler.plugins.exit_status import ExitStatus
from heeler.workers.logs import LoggerState

FROZEN_BY_PYTHON: Final = 1000
"""Python 3.12 begins with 375 frozen objects; a program that freezes its own has thousands."""


def run(application: object, settings: Mapping[str, object]) -> ExitStatus:
    """Serve until somebody stops it; see `heeler.run`."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "heeler.run() takes over the signals, which only the main thread can;"
            " in a test, heeler.testing.serve() serves from a process of its own"
        )
    program = Program("heeler.run()", application, settings, of_platform=True)
    with module_path_given_back():
        loaded = load(program)
        with _process_given_back(loaded), signals.given_back():
            forking.flush_streams()
            has_others = os.getpid() != 1  # which waits for the children of all who have died
            init = init_system.take()
            try:
                return Arbiter(loaded, init, daemon.Report(), ReadyFd(loaded.config), has_others=has_others).run()
            finally:
                init_system.give_back(init)


def load(program: Program) -> Loaded:
    """Return what a program asks for, parsed and checked; modules are looked for where it says from now on.

    Raises:
        HeelerError: something is wrong.
    """
    return Sources((), dict(os.environ), Path.cwd(), program=program).load()


@contextlib.contextmanager
def module_path_given_back() -> Iterator[None]:
    """Have Python's module path be, in the end, what it was before settings were read."""
    path = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path


@contextlib.contextmanager
def _process_given_back(loaded: Loaded) -> Iterator[None]:
    """Have this process be in the end what it was before it was the arbiter; signals and sockets left out."""
    config = loaded.config
    loggers, directory, title = LoggerState(), os.getcwd(), setproctitle.getproctitle()
    limits, was_frozen = resource.getrlimit(resource.RLIMIT_NOFILE), gc.get_freeze_count() > FROZEN_BY_PYTHON
    with contextlib.ExitStack() as stack:
        if config.capture_output:
            stack.enter_context(_output_given_back())
        if config.source("umask") != "default":
            stack.callback(os.umask, os.umask(0o077))
        stack.callback(os.chdir, directory)
        stack.callback(surroundings.leave, config, loaded.sources.environ)
        stack.callback(loggers.restore)
        stack.callback(setproctitle.setproctitle, title)
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        if not was_frozen:
            stack.callback(gc.unfreeze)
        yield


@contextlib.contextmanager
def _output_given_back() -> Iterator[None]:
    """Lead stdout and stderr, in the end, where they led before."""
    kept = [(fd, os.dup(fd)) for fd in (1, 2)]
    try:
        yield
    finally:
        forking.flush_streams()
        for fd, copy in kept:
            os.dup2(copy, fd)
            os.close(copy)
