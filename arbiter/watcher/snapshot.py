"""What the files of a project look like at a moment, and which differ between two.

Both engines rest on it: polling looks again and again, and notices from the system only say when to look. So both
see the same, however an editor writes: in place, by renaming another file, or by removing the old one first.
"""

import dataclasses
import glob
import os
from collections import deque
from collections.abc import Iterator
from typing import Final, Self

import heeler
from heeler.arbiter.watcher.project import ENVIRONMENT_MARK, Project, is_code, is_skipped

MOST_DIRECTORIES: Final = 10_000
"""No project has so many; a server that was started in a home directory may find them below it."""

Stamp = tuple[int, int, int]
"""When a file was written last (ns), how long it is, and its inode."""


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a project at a moment.

    Args:
        files: each with its stamp.
        directories: in which files may come and go.
        is_whole: False where there were too many directories.
    """

    files: dict[str, Stamp]
    directories: frozenset[str]
    is_whole: bool = True

    @classmethod
    def take(cls, project: Project, most: int = MOST_DIRECTORIES) -> Self:
        """Look at all files.

        Args:
            project: which.
            most: how many directories are looked into.

        Blocking: as long as the file system takes.
        """
        walk = _Walk(most)
        for root in project.roots:
            walk.walk(root, only_code=True)
        for extra in project.extra:
            walk.look_at(extra)
        return cls(walk.files, frozenset(walk.directories), walk.left > 0)

    def changes(self, before: "Snapshot") -> list[str]:
        """Return the files that are new, gone, or others than `before`, sorted."""
        names = self.files.keys() | before.files.keys()
        return sorted(name for name in names if self.files.get(name) != before.files.get(name))


class _Walk:
    """A walk through directories, nearest first; what changes or vanishes meanwhile is seen as it is then."""

    def __init__(self, most: int) -> None:
        self.files: dict[str, Stamp] = {}
        self.directories: set[str] = set()
        self.left = most
        self._seen: set[tuple[tuple[int, int], bool]] = set()
        self._ours = {(found.st_dev, found.st_ino) for found in map(_stat, _own_folders()) if found is not None}

    def walk(self, root: str, *, only_code: bool) -> None:
        """Take in a directory, and all below it.

        Args:
            root: the directory, which is not skipped, whatever its name is.
            only_code: whether other files than Python's are left out.
        """
        waiting = deque([root])
        while waiting and self.left > 0:
            directory = waiting.popleft()
            if not self._enter(directory, only_code):
                continue
            entries = _scan(directory)
            if entries is None:
                continue
            if directory != root and any(entry.name == ENVIRONMENT_MARK for entry in entries):
                continue
            self.left -= 1
            self.directories.add(directory)
            for entry in entries:
                if _is_directory(entry):
                    if not is_skipped(entry.path):
                        waiting.append(entry.path)
                elif not only_code or is_code(entry.name):
                    self._add(entry.path)

    def look_at(self, extra: str) -> None:
        """Take in a file, a directory, or what a pattern matches."""
        if os.path.isdir(extra):
            self.walk(extra, only_code=False)
        elif not glob.has_magic(extra):
            self._add(extra)
            self._watch(os.path.dirname(extra))
        else:
            base = extra
            while glob.has_magic(base):
                base = os.path.dirname(base)
            self._watch(base)
            for path in glob.iglob(extra, recursive=True, include_hidden=True):
                self._watch(path if os.path.isdir(path) else os.path.dirname(path))
                if not os.path.isdir(path):
                    self._add(path)

    def _enter(self, directory: str, only_code: bool) -> bool:
        """Whether it is to be looked into: links may lead to one by several ways, or in circles."""
        found = _stat(directory)
        if found is None:
            return False
        node = found.st_dev, found.st_ino
        if node in self._ours or (node, only_code) in self._seen:
            return False
        self._seen.add((node, only_code))
        return True

    def _watch(self, directory: str) -> None:
        if os.path.isdir(directory):
            self.directories.add(directory)

    def _add(self, path: str) -> None:
        found = _stat(path)
        if found is not None:
            self.files[path] = (found.st_mtime_ns, found.st_size, found.st_ino)


def _own_folders() -> Iterator[str]:
    """Heeler's own files, which an editable install has among the project's: they change by a new start only."""
    home = os.path.dirname(os.path.abspath(heeler.__file__))
    yield home
    for name in ("arbiter", "plugins", "workers"):
        yield os.path.join(home, name)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _scan(directory: str) -> list["os.DirEntry[str]"] | None:
    """Return what is in a directory; None where it is gone, or not ours to read."""
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return None


def _is_directory(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
