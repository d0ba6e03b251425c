"""The pytest plugin: `heeler_conformance` in a test runs the kit, a test a check.

    @pytest.mark.heeler_conformance("paws")
    def test_keeps_its_promises(heeler_conformance):
        heeler_conformance()

The mark takes what `heeler.plugins.conformance.maker.Maker` takes: further words are settings
(`"--threads", "2"`); `probe`, `quick` and so on are given by name. `only` and `without` choose
checks by name. pytest knows of this file by its entry point; nothing else imports it.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from heeler.plugins.conformance.maker import Maker
    from heeler.plugins.conformance.table import Check

NAME = "heeler_conformance"


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    usage = f"{NAME}(worker_class, *settings, only=None, without=(), **maker): the class that the kit is run on"
    config.addinivalue_line("markers", usage)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each check that applies to the class."""
    if NAME not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker(NAME)
    if mark is None or not mark.args:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: say which class: @pytest.mark.{NAME}('name')")
    # Late: whoever has Heeler installed and tests something else does not pay for it.
    from heeler.plugins.conformance.kit import makers, plan, target
    from heeler.plugins.conformance.table import CHECKS, find

    given = dict(mark.kwargs)
    only, without = given.pop("only", None), find(given.pop("without", ()))
    chosen = [check for check in (CHECKS if only is None else find(only)) if check not in without]
    cases = [
        pytest.param((maker, check), id=f"{target(maker)}-{check.name}".replace(" ", ""))
        for maker in makers(*mark.args, **given)
        for check in plan(maker, chosen)
    ]
    metafunc.parametrize(NAME, cases, indirect=True, scope="module")


@pytest.fixture(scope="module")
def _heeler_makers() -> Iterator[set["Maker"]]:
    """The makers of a module; the servers that their checks share are stopped at its end."""
    used: set[Maker] = set()
    yield used
    for maker in used:
        maker.close()


@pytest.fixture(scope="module")
def heeler_conformance(request: pytest.FixtureRequest, _heeler_makers: set["Maker"]) -> Callable[[], None]:
    """Run the check that the test is for."""
    case: tuple[Maker, Check] = request.param
    maker, check = case

    def run() -> None:
        from heeler.plugins.conformance.verdict import NotApplicable

        _heeler_makers.add(maker)
        try:
            check.run(maker)
        except NotApplicable as why:
            pytest.skip(str(why))

    return run
