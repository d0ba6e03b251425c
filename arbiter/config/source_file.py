"""Where the source of a module is, without importing anything.

Looks where Python's import would look, in the same order; whatever it cannot follow
(an archive, a compiled module, a namespace package) it leaves undecided.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from typing import Final

_NOT_SOURCE: Final = (*EXTENSION_SUFFIXES, *BYTECODE_SUFFIXES)


def source_of(place: str, folders: Sequence[str], directory: str) -> str | None:
    """Return the path of the source file that importing `place` would run; None where that is not certain.

    Args:
        place: `package.module`, or a path.
        folders: the module path.
        directory: what relative paths are relative to.
    """
    if place.endswith(".py") or os.sep in place:
        path = os.path.join(directory, place)
        return path if os.path.isfile(path) else None
    parts = place.split(".")
    if not all(part.isidentifier() for part in parts) or parts[0] in sys.modules:
        return None
    searched = [os.path.join(directory, folder) for folder in folders]
    for part in parts[:-1]:
        found = _find(part, searched)
        if found is None or os.path.basename(found) != "__init__.py":
            return None
        searched = [os.path.dirname(found)]
    return _find(parts[-1], searched)


def _find(name: str, folders: Sequence[str]) -> str | None:
    for folder in folders:
        if os.path.isfile(folder):
            return None  # an archive
        base = os.path.join(folder, name)
        if os.path.isdir(base):
            # Without `__init__.py` it may be a part of a namespace package.
            path = os.path.join(base, "__init__.py")
            compiled = any(os.path.isfile(os.path.join(base, f"__init__{suffix}")) for suffix in _NOT_SOURCE)
            return path if os.path.isfile(path) and not compiled else None
        if any(os.path.isfile(base + suffix) for suffix in _NOT_SOURCE):
            return None
        if os.path.isfile(base + SOURCE_SUFFIXES[0]):
            return base + SOURCE_SUFFIXES[0]
    return None
