"""A worker class that speaks no HTTP is held to what its base class promises, with a probe of its own protocol."""

import pathlib

import pytest

from heeler.plugins.conformance.kit import Maker, Probe, Verdict, makers, plan, run_one
from heeler.plugins.conformance.table import Check, find

EXAMPLES = str(pathlib.Path(__file__).resolve().parents[2] / "docs" / "examples")
ECHO = "echo_worker:EchoWorker"
CHECKS = plan(Maker(ECHO, interface=""))


LINE = Probe(b"a line\n", b"a line\n")


def echo(probe: Probe | None = LINE) -> Maker:
    """Return a maker of servers that send each line back."""
    return Maker(ECHO, env={"PYTHONPATH": EXAMPLES}, probe=probe, patience_s=5.0)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_promise_is_kept(check: Check) -> None:
    """The check passes: life cycle, signals, drain, heartbeat and leaks do not depend on HTTP."""
    outcome = run_one(echo(), check)
    assert outcome.verdict is Verdict.PASSED, outcome.message


@pytest.mark.slow
def test_wrong_answer_to_the_probe_fails() -> None:
    """What comes back is compared to the byte."""
    (check,) = find(["boots"])
    outcome = run_one(echo(Probe(b"a line\n", b"A line\n")), check)
    assert outcome.verdict is Verdict.FAILED
    assert outcome.reason == "answered with b'a line\\n', not b'A line\\n'"


@pytest.mark.slow
def test_without_a_probe_the_backlog_is_no_question() -> None:
    """Nobody can tell then whether a connection was served."""
    (check,) = find(["drain_serves_the_backlog"])
    assert run_one(echo(None), check).verdict is Verdict.NOT_APPLICABLE


def test_checks_of_http_do_not_apply() -> None:
    """A class without interfaces has one maker, and is asked nothing that takes HTTP."""
    assert [maker.interface for maker in makers(ECHO)] == [""]
    assert {check.applies for check in CHECKS} == {"any"}
