"""How the reports of the Autobahn testsuite are judged."""

import pytest

from run import judge


def result(behavior: str, closing: str = "OK") -> dict[str, str]:
    """Return what the testsuite reports of a case."""
    return {"behavior": behavior, "behaviorClose": closing}


def test_report_without_a_failure_is_good() -> None:
    """Non-strict and informational are no failures."""
    results = {"1.1.1": result("OK"), "6.4.1": result("NON-STRICT"), "7.13.1": result("INFORMATIONAL", "INFORMATIONAL")}
    assert judge(results, 3) == []


@pytest.mark.parametrize("behavior", ["FAILED", "UNIMPLEMENTED", "WRONG CODE", "UNCLEAN"])
def test_each_other_behaviour_is_a_fault(behavior: str) -> None:
    """Whatever is not known to be good is bad, in the case itself or in its closing handshake."""
    results = {"10.1.1": result("OK", behavior), "2.1": result(behavior)}
    assert judge(results, None) == [f"case 2.1: {behavior}, closing: OK", f"case 10.1.1: OK, closing: {behavior}"]


def test_cases_that_were_not_run_are_a_fault() -> None:
    """An empty or a short report is not a good one."""
    assert judge({}, None) == ["0 cases were run, not one or more"]
    assert judge({"1.1.1": result("OK")}, 247) == ["1 cases were run, not 247"]
