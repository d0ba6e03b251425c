"""The built-in worker classes keep every promise, with each interface they serve."""

from collections.abc import Iterator

import pytest

from heeler.plugins.conformance.checks.clients import check_large_upload
from heeler.plugins.conformance.kit import Maker, Verdict, plan, run_one
from heeler.plugins.conformance.table import Check
from support.server import SERVED

CASES = [
    pytest.param((name, interface), check, id=f"{name}-{interface}-{check.name}")
    for name, interface in SERVED
    for check in plan(Maker(name, interface=interface))
]


@pytest.fixture(scope="module")
def maker(request: pytest.FixtureRequest) -> Iterator[Maker]:
    """One for each class and interface; the server that checks share is stopped at the end."""
    name, interface = request.param
    with Maker(name, interface=interface) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize(("maker", "check"), CASES, indirect=["maker"], scope="module")
def test_promise_is_kept(maker: Maker, check: Check) -> None:
    """The check passes, or has no meaning for the class."""
    outcome = run_one(maker, check)
    assert outcome.verdict is not Verdict.FAILED, outcome.message


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(("name", "interface"), SERVED)
def test_upload_of_a_gibibyte(name: str, interface: str) -> None:
    """1 GiB arrives whole, and takes no more memory than a small upload."""
    with Maker(name, interface=interface, quick=False, patience_s=30) as maker:
        check_large_upload(maker)
