"""What a command writes: its result on standard output, what went wrong on standard error."""

import sys


def line(text: str) -> None:
    """Write a line of a command's result."""
    sys.stdout.write(text + "\n")


def complain(text: str) -> None:
    """Write a line on what went wrong, after all that was written before it."""
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
