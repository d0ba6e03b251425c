"""The exit statuses of every Heeler process, declared once."""

import enum


class ExitStatus(enum.IntEnum):
    """Why a process ended, for init systems and scripts.

    The small numbers are Gunicorn's where it has one; the others are those of
    sysexits.h.
    """

    OK = 0
    """Stopped as asked; nothing was cut."""
    INTERNAL = 1
    """A fault of Heeler's own; the traceback is in the error log."""
    USAGE = 2
    """The command line was wrong."""
    BOOT = 3
    """A worker did not boot: the application's import raised, or hung."""
    APP_LOAD = 4
    """The application was not found: no such module, file or attribute, or not callable."""
    BIND = 69
    """An address could not be bound (EX_UNAVAILABLE)."""
    FORCED = 75
    """Stopped, but some request was cut at the deadline (EX_TEMPFAIL)."""
    CONFIG = 78
    """A setting was wrong (EX_CONFIG)."""
