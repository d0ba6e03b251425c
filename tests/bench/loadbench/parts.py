"""What the parts of the measurement of the dispatch have in common: lines, rounds, and their middle."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from statistics import median
from typing import Final, TypeVar

from loadbench.report import Row
from loadbench.servers import Server

Processors = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run found, or several in the middle: each field is a number."""

    errors: int
    noise: float


Found = TypeVar("Found", bound=Figures)


def middle(rounds: Sequence[Found]) -> Found:
    """Return the median of each figure; errors are added up. `rounds` is not empty."""
    values = {one.name: median(getattr(found, one.name) for found in rounds) for one in fields(rounds[0])}
    return type(rounds[0])(**{**values, "errors": sum(found.errors for found in rounds)})


@dataclass(slots=True)
class Line:
    """A server and what was found of it, by the condition that it was under."""

    row: Row
    rounds: dict[str, list[Figures]] = field(default_factory=dict)

    def found(self, condition: str, kind: type[Found]) -> Found | None:
        """Return the middle of what was found under one condition, or None."""
        rounds = [one for one in self.rounds.get(condition, ()) if isinstance(one, kind)]
        return middle(rounds) if rounds else None

    def heads(self) -> list[str]:
        """Return the words that its line of a table begins with."""
        return [self.row.server.name, self.row.version]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the measurement.

    Args:
        name: what picks it on the command line.
        servers: its rows.
        rounds: how often each row is measured, unless the caller says.
        conditions: which conditions a row is measured under.
        measure: measures a server under one of them, once.
        tables: makes the tables, each with its title.
    """

    name: str
    servers: tuple[Server, ...]
    rounds: int
    conditions: Callable[[Server, argparse.Namespace], tuple[str, ...]]
    measure: Callable[[Server, str, argparse.Namespace, Processors], Figures]
    tables: Callable[[Sequence[Line], argparse.Namespace], Iterator[str]]


NOTHING: Final = "-"
