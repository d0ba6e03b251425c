"""`heeler config [KEY] [--json] [--changed]`: the settings in force, and where each value comes from."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from heeler.arbiter.commands.output import line
from heeler.arbiter.config.loader import Loaded, Sources
from heeler.plugins.errors import UsageError
from heeler.plugins.suggest import suggest


def run(argv: Sequence[str]) -> int:
    """Print them; all the flags of `heeler run` are taken, and count."""
    switches = {"--json", "--changed"}
    rest = tuple(word for word in argv if word not in switches)
    loaded = Sources(rest, dict(os.environ), Path.cwd(), needs_application=False).load()
    key = _key(loaded) if loaded.words else None
    changed = "--changed" in argv
    if "--json" in argv:
        line(json.dumps(as_json(loaded, key, changed=changed), indent=2))
    elif key is not None:
        line(shown(getattr(loaded.config, key)))
    else:
        print_text(loaded, changed=changed)
    return 0


def print_text(loaded: Loaded, *, changed: bool) -> None:
    """Print `name = value (source)` for every setting, or for those that are not at their default."""
    for name in names(loaded, changed=changed):
        line(f"{name} = {shown(getattr(loaded.config, name))} ({loaded.config.source(name)})")


def names(loaded: Loaded, *, changed: bool) -> list[str]:
    """Return the names of the settings, or of those that are not at their default."""
    return [name for name in loaded.config if not changed or loaded.config.source(name) != "default"]


def as_json(loaded: Loaded, key: str | None, *, changed: bool) -> dict[str, dict[str, object]]:
    """Return value and source by name, of JSON types only."""
    wanted = [key] if key else names(loaded, changed=changed)
    return {
        name: {"value": _plain(getattr(loaded.config, name)), "source": loaded.config.source(name)} for name in wanted
    }


def shown(value: object) -> str:
    """Return a value as it would be written in the config module."""
    if isinstance(value, tuple):
        return repr(list(value))
    return _place(value) if callable(value) else repr(value)


def _plain(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return _place(value) if callable(value) else repr(value)


def _place(value: Callable[..., object]) -> str:
    """Return where a function or class is."""
    module = getattr(value, "__module__", None) or ""
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return f"{module}.{name}" if module else str(name)


def _key(loaded: Loaded) -> str:
    key = loaded.words[0]
    if key not in loaded.config:
        dashed = key.lstrip("-").replace("-", "_")
        near = suggest(dashed, list(loaded.config))
        raise UsageError(f"no setting is called {key!r}{near}")
    return key
