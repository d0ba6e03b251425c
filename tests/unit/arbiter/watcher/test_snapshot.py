"""What is seen of a project's files, and what counts as a change."""

import os
import pathlib

import pytest

from heeler.arbiter.watcher.project import Project
from heeler.arbiter.watcher.snapshot import Snapshot


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A project with a package, a template, and all that does not count."""
    for path in (
        "app.py",
        "shop/views.py",
        "shop/index.html",
        ".git/hook.py",
        "node_modules/x/setup.py",
        "shop/__pycache__/views.cpython-311.pyc",
        "environment/pyvenv.cfg",
        "environment/lib/tool.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


def _names(snapshot: Snapshot, folder: pathlib.Path) -> list[str]:
    return sorted(os.path.relpath(path, folder) for path in snapshot.files)


def _directories(snapshot: Snapshot, folder: pathlib.Path) -> list[str]:
    return sorted(os.path.relpath(path, folder) for path in snapshot.directories)


def test_python_files_are_found_and_nothing_that_was_installed(folder: pathlib.Path) -> None:
    """A virtual environment is known by what lies in it, whatever it is called."""
    snapshot = Snapshot.take(Project((str(folder),)))
    assert _names(snapshot, folder) == ["app.py", "shop/views.py"]
    assert _directories(snapshot, folder) == [".", "shop"]


@pytest.mark.parametrize(
    ("extra", "found", "watched"),
    [
        ("shop", ["shop/index.html", "shop/views.py"], ["shop"]),
        ("shop/index.html", ["shop/index.html"], ["shop"]),
        ("shop/none.html", [], ["shop"]),
        ("none/none.html", [], []),
        ("**/*.html", ["shop/index.html"], [".", "shop"]),
        (".git/*.py", [".git/hook.py"], [".git"]),
    ],
)
def test_extra_files_may_be_files_directories_and_patterns(
    folder: pathlib.Path, extra: str, found: list[str], watched: list[str]
) -> None:
    """And need not be there yet."""
    snapshot = Snapshot.take(Project((), (str(folder / extra),)))
    assert (_names(snapshot, folder), _directories(snapshot, folder)) == (found, watched)


def test_links_in_a_circle_end(folder: pathlib.Path) -> None:
    """A directory is looked into once, by whichever way."""
    (folder / "shop" / "again").symlink_to(folder)
    (folder / "elsewhere").symlink_to(folder / "shop")
    assert len(Snapshot.take(Project((str(folder),))).files) == 2


def test_a_directory_with_too_much_in_it_is_not_wholly_watched(folder: pathlib.Path) -> None:
    """What is nearest is."""
    snapshot = Snapshot.take(Project((str(folder),)), most=1)
    assert _names(snapshot, folder) == ["app.py"]
    assert not snapshot.is_whole


def test_nothing_has_changed_where_nothing_was_written(folder: pathlib.Path) -> None:
    """Reading a file, and writing beside it what does not count, changes nothing."""
    project = Project((str(folder),))
    before = Snapshot.take(project)
    (folder / "app.py").read_text()
    (folder / ".app.py.swp").touch()
    (folder / "shop" / "index.html").write_text("other")
    assert Snapshot.take(project).changes(before) == []


def test_each_way_of_saving_is_a_change(folder: pathlib.Path) -> None:
    """In place, by renaming another file of the same length and time over it, a new file, a file that goes."""
    project = Project((str(folder),))
    before = Snapshot.take(project)
    (folder / "app.py").write_text("written in place")
    views = folder / "shop" / "views.py"
    other = folder / "shop" / "views.py~"
    other.write_text(views.read_text())
    os.utime(other, ns=(0, views.stat().st_mtime_ns))
    other.rename(views)
    (folder / "new").mkdir()
    (folder / "new" / "file.py").touch()
    after = Snapshot.take(project)
    assert [os.path.relpath(path, folder) for path in after.changes(before)] == [
        "app.py",
        "new/file.py",
        "shop/views.py",
    ]
    views.unlink()
    assert Snapshot.take(project).changes(after) == [str(views)]


def test_a_directory_that_is_gone_is_no_error(folder: pathlib.Path) -> None:
    """Its files have changed, and that is all."""
    project = Project((str(folder / "shop"),))
    before = Snapshot.take(project)
    (folder / "shop").rename(folder / "store")
    assert Snapshot.take(project).changes(before) == [str(folder / "shop" / "views.py")]
