"""What holds for all tests."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _same_folder() -> Iterator[None]:
    """A test leaves the working directory as it found it."""
    before = os.getcwd()
    yield
    assert os.getcwd() == before
