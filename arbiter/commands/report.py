"""Runs a command; what goes wrong becomes one line on standard error and an exit status."""

import sys
from collections.abc import Callable

from heeler.arbiter.commands.output import complain
from heeler.plugins.errors import HeelerError
from heeler.plugins.exit_status import ExitStatus


def report(command: Callable[[], int]) -> int:
    """Return the exit status of `command`; say what went wrong."""
    try:
        status = command()
        sys.stdout.flush()
        return status
    except HeelerError as error:
        say(error)
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


def _close_quietly() -> None:
    """Have nothing more written to a reader that is gone, not even at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
