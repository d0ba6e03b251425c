"""The worker class keeps the promises that every worker class of Heeler makes: a test for each."""

from collections.abc import Callable

import pytest


@pytest.mark.heeler_conformance("trio")
def test_promise_is_kept(heeler_conformance: Callable[[], None]) -> None:
    """One check of the kit; `heeler conformance --list` tells what each is about."""
    heeler_conformance()
