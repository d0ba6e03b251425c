"""The one place that reads the metadata of installed distributions.

The backport of importlib.metadata is used where the standard library's is older than it:
it neither trips over a leftover of a half-removed distribution nor over a fork.
Imported late, by the functions that need it: it costs more than all of `heeler --version`.
"""

import sys

if sys.version_info >= (3, 13):
    from importlib.metadata import (
        Distribution,
        EntryPoint,
        PackageNotFoundError,
        distribution,
        distributions,
        entry_points,
    )
else:
    from importlib_metadata import (
        Distribution,
        EntryPoint,
        PackageNotFoundError,
        distribution,
        distributions,
        entry_points,
    )

__all__ = ["Distribution", "EntryPoint", "PackageNotFoundError", "distribution", "distributions", "entry_points"]
