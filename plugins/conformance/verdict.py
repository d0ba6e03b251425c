"""How a check says what it found."""

import contextlib
import subprocess
from collections.abc import Iterator


class Failed(AssertionError):
    """A promise is broken; the text says which, and how."""


class NotApplicable(Exception):
    """The check has no meaning for this worker class; the text says why."""


def expect(kept: object, broken: str) -> None:
    """Fail unless `kept`, with what is wrong then.

    Raises:
        Failed: it is false.
    """
    if not kept:
        raise Failed(broken)


@contextlib.contextmanager
def promise(text: str) -> Iterator[None]:
    """Whatever goes wrong within breaks the promise `text` (`an idle connection is closed in time`).

    Raises:
        Failed: with the promise and what happened instead.
    """
    try:
        yield
    except Failed:
        raise
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise Failed(f"broken: {text}: waited in vain") from error
    except (OSError, EOFError, AssertionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _with_notes(Failed(f"broken: {text}: {first}"), error) from error


def _with_notes(failed: Failed, error: BaseException) -> Failed:
    for note in getattr(error, "__notes__", ()):
        failed.add_note(note)
    rest = str(error).splitlines()[1:]
    if rest:
        failed.add_note("\n".join(rest))
    return failed
