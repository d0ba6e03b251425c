"""The nearest right name to a wrong one, as people are told it."""

from collections.abc import Iterable


def suggest(wrong: str, right: Iterable[str]) -> str:
    """Return ` (did you mean X?)`, with a space before it, or the empty text where nothing is near."""
    import difflib  # late: needed only when something is wrong

    near = difflib.get_close_matches(wrong, list(right), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""
