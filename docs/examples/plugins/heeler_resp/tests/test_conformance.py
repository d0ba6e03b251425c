"""The worker class keeps the promises that every worker class of Heeler makes, whatever it speaks: a test for each."""

from collections.abc import Callable

import pytest

from heeler.plugins.conformance.kit import Probe

PING = Probe(send=b"*1\r\n$4\r\nPING\r\n", expect=b"+PONG\r\n")


@pytest.mark.heeler_conformance("resp", probe=PING)
def test_promise_is_kept(heeler_conformance: Callable[[], None]) -> None:
    """One check of the kit; `heeler conformance --list` tells what each is about."""
    heeler_conformance()
