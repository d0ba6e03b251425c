"""The nearest right name to a wrong one, as people are told it."""

from collections.abc import Iterable


def suggest(wrong: str, right: Iterable[str], ending: str = "") -> str:
    """Return `; did you mean X?`, or the empty text where nothing is near.

    Args:
        wrong: what was given, without its ending.
        right: what it may be.
        ending: what all of them end with; it would make them look alike.
    """
    import difflib  # late: needed only when something is wrong

    near = difflib.get_close_matches(wrong, list(right), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(name + ending for name in near)}?" if near else ""
