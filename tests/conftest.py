"""What holds for all tests."""

import os
import traceback
from collections.abc import Generator, Iterator

import hypothesis
import pytest

# By itself Hypothesis fails an example that takes 200 ms: how busy the machine is decides that, and no promise of ours.
hypothesis.settings.register_profile("heeler", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("heeler")


@pytest.fixture(autouse=True)
def _same_folder() -> Iterator[None]:
    """A test leaves the working directory as it found it."""
    before = os.getcwd()
    yield
    assert os.getcwd() == before


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed lets go of its sockets and files: else they are collected in another, as its warnings."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None and not item.config.getoption("usepdb") else None
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            _ = frame.f_locals  # up to Python 3.12 a copy, which is only renewed where somebody looks
        error = error.__cause__ or error.__context__
    return report
