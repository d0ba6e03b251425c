"""The settings in force, each with its value and where the value came from.

Decides nothing: `heeler.arbiter.config` reads the sources and makes one of these;
the arbiter, the workers and the hooks read it.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from typing_extensions import override


@dataclasses.dataclass(frozen=True, slots=True)
class Value:
    """One setting in force.

    Args:
        value: the parsed value.
        source: where it came from, as people would say it: `default`,
            `command line`, `environment WEB_CONCURRENCY`, `heeler.conf.py`.
    """

    value: object
    source: str


class Config:
    """All settings in force, read as attributes: `config.workers`.

    Immutable. A reload makes a new one.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Value]) -> None:
        object.__setattr__(self, "_values", dict(values))

    # Any: each setting has a type of its own, which its `parse` vouches for.
    def __getattr__(self, name: str) -> Any:
        """Return the value of the setting `name`."""
        try:
            return object.__getattribute__(self, "_values")[name].value
        except KeyError:
            raise AttributeError(f"no setting is called {name!r}") from None

    @override
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings are read-only: {name!r} cannot be changed")

    def __iter__(self) -> Iterator[str]:
        return iter(object.__getattribute__(self, "_values"))

    def __contains__(self, name: object) -> bool:
        return name in object.__getattribute__(self, "_values")

    def source(self, name: str) -> str:
        """Return where the value of `name` came from."""
        found: Value = object.__getattribute__(self, "_values")[name]
        return found.source

    def replace(self, name: str, value: object, source: str) -> "Config":
        """Return a copy in which one setting differs."""
        values: dict[str, Value] = dict(object.__getattribute__(self, "_values"))
        values[name] = Value(value, source)
        return Config(values)
