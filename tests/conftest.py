"""What holds for all tests."""

import os
from collections.abc import Iterator

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
