"""Notices of what happens in directories, and what becomes of those that cannot be watched."""

import pathlib
import select

from heeler.arbiter.watcher.notices import Notices

_DEADLINE_S = 10.0


def _is_told(notices: Notices) -> bool:
    return bool(select.select([notices.fileno()], [], [], _DEADLINE_S)[0])


def test_a_directory_that_is_gone_is_said_to_have_failed(tmp_path: pathlib.Path) -> None:
    """Unless others are to be watched by now: then it was one of those that are gone."""
    notices, gone = Notices(), frozenset({str(tmp_path / "gone")})
    assert notices.watch(gone)
    assert _is_told(notices)
    assert notices.failed(gone)
    assert notices.failed(frozenset({str(tmp_path)})) == ""


def test_directories_are_watched_once() -> None:
    """Asking again changes nothing, and without any there is nothing to watch."""
    notices = Notices()
    assert not notices.watch(frozenset())
    assert notices.failed(frozenset()) == ""
