"""Who a worker is to run as."""

import os

import pytest

from heeler.plugins.errors import ConfigError
from heeler.workers import privileges


def test_names_and_numbers_are_understood() -> None:
    """A user or group is a name, a number, or a number as text."""
    assert privileges.uid_of("root") == privileges.uid_of("0") == privileges.uid_of(0) == 0
    assert privileges.gid_of("root") == privileges.gid_of("0") == privileges.gid_of(0) == 0


def test_who_is_not_there_is_refused() -> None:
    """An unknown name is an error that names the setting."""
    with pytest.raises(ConfigError, match="no user of that name"):
        privileges.uid_of("nobody-of-that-name")
    with pytest.raises(ConfigError, match="no group of that name"):
        privileges.gid_of("nobody-of-that-name")


def test_becoming_who_one_is_needs_no_permission() -> None:
    """A fixed `user` works where the server already runs as that user."""
    before = os.getgroups()
    privileges.drop(os.geteuid(), os.getegid(), initgroups=False)
    privileges.drop(None, None, initgroups=True)
    assert os.getgroups() == before
