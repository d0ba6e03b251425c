"""The page on the conformance kit."""

import pathlib

from heeler.plugins.conformance.matrix import catalogue
from heeler.plugins.conformance.table import CHECKS

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "reference" / "conformance.md"


def test_page_lists_every_check() -> None:
    """The page ends with the checks as they are, in their order."""
    assert PAGE.read_text().endswith(f"\n\n{catalogue(CHECKS)}")
