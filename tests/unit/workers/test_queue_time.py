"""What a proxy says of the time that a request has waited."""

import time

import pytest

from heeler.workers.queue_time import proxied_ns

NOW = 1_700_000_000.5


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)


@pytest.mark.parametrize(
    "value",
    ["t=1700000000.25", "1700000000.25", "1700000000250", "t=1700000000250000", " 1700000000250 "],
)
def test_forms_in_use(value: str) -> None:
    """Seconds, milliseconds and microseconds, with `t=` and without."""
    assert proxied_ns(value) == 250_000_000


@pytest.mark.parametrize("value", ["", "t=", "now", "1700000001", "1699990000", "-5", "nan", "inf", "1e400", "t=t=1"])
def test_nonsense_is_no_time(value: str) -> None:
    """What is no number, lies ahead, or lies an hour back counts as nothing."""
    assert proxied_ns(value) == 0
