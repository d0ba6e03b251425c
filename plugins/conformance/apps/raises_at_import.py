"""A module whose import fails."""

raise RuntimeError("this import fails on purpose")
