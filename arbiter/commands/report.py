"""Runs a command; what goes wrong becomes one line on standard error and an exit status."""

import os
import sys
from collections.abc import Callable

from heeler.arbiter.commands.output import complain
from heeler.plugins.errors import HeelerError, UsageError
from heeler.plugins.exit_status import ExitStatus


def report(command: Callable[[], int], name: str | None = None) -> int:
    """Return the exit status of `command`; say what went wrong.

    Args:
        command: what to run.
        name: the word that was taken for a command's name, which may have been meant for an application.
    """
    try:
        status = command()
        sys.stdout.flush()
        return status
    except HeelerError as error:
        say(error)
        if name and isinstance(error, UsageError) and _is_module(name):
            complain(f"heeler: an application called {name!r} is served by `heeler run {name}`")
        return error.exit_status
    except BrokenPipeError:  # `heeler config | head`
        _close_quietly()
        return ExitStatus.OK
    except KeyboardInterrupt:
        return ExitStatus.FORCED


def say(error: HeelerError) -> None:
    """Print an error as people see it: first the user's own traceback, where there is one, then one line."""
    for note in getattr(error, "__notes__", ()):
        complain(note)
    complain(f"heeler: error: {error}")


def _is_module(name: str) -> bool:
    return os.path.isfile(f"{name}.py") or os.path.isdir(name)


def _close_quietly() -> None:
    """Have nothing more written to a reader that is gone, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
