"""The exit statuses of every Heeler process, declared once."""

import enum


class ExitStatus(enum.IntEnum):
    """Why a process ended, for init systems and scripts.

    The small numbers are Gunicorn's where it has one, or say what a command has waited for; the others are
    those of sysexits.h.
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
    ROLLED_BACK = 5
    """A reload was waited for, and failed: the old workers serve on."""
    SUPERSEDED = 6
    """A reload was waited for, and a newer one took its place."""
    TIMED_OUT = 7
    """What was waited for has not come in time."""
    GONE = 8
    """A reload was asked for, and the server has ended, or is about to."""
    BIND = 69
    """An address could not be bound (EX_UNAVAILABLE)."""
    FORCED = 75
    """Stopped, but some request was cut at the deadline (EX_TEMPFAIL)."""
    CONFIG = 78
    """A setting was wrong (EX_CONFIG)."""
    OVERDUE = 124
    """A command was to wait, and does not wait any longer; what it waits for goes on (timeout(1))."""
