"""Which files are the project's: those whose change restarts the workers, in development.

Decides what is looked at, and looks at none of it: `heeler.arbiter.watcher.snapshot` does.

Directories are watched, and not the list of what a worker has imported: an import that fails is never
complete, and the file that mends it may be one that nobody has imported yet.
"""

import dataclasses
import os
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from typing import Final, Self

import heeler
from heeler.plugins.config import Config

_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})
_OF_THE_KERNEL: Final = frozenset({"/dev", "/proc", "/run", "/sys"})
"""A container whose working directory is `/` has these in its project."""

ENVIRONMENT_MARK: Final = "pyvenv.cfg"
"""What lies in each virtual environment, whatever that is called."""


def is_skipped(path: str) -> bool:
    """Whether a directory, and all below it, is nobody's work: `.git`, `.venv`, `node_modules` ..."""
    name = os.path.basename(path)
    return name.startswith(".") or name in _SKIPPED or path in _OF_THE_KERNEL


def is_code(name: str) -> bool:
    """Whether a file of that name is a Python file, and not what an editor keeps beside it."""
    return name.endswith(".py") and not name.startswith(".")


@dataclasses.dataclass(frozen=True, slots=True)
class Project:
    """What is watched; all paths are absolute.

    Args:
        roots: directories with Python files.
        extra: files, directories, and patterns as `glob` has them; whatever is found there counts.
    """

    roots: tuple[str, ...]
    extra: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Config, directory: str, module_path: Sequence[str]) -> Self:
        """Return what the settings say.

        Args:
            config: the settings.
            directory: the one that the command was started in.
            module_path: Python's, for where modules of the project may lie besides the working directory.
        """
        extra = [os.path.join(config.chdir, os.path.expanduser(given)) for given in config.reload_extra_files]
        if config.config and config.config != "none" and not config.config.startswith("python:"):
            extra.append(os.path.join(directory, config.config.removeprefix("file:")))
        if config.reload_dirs:
            roots = [os.path.join(config.chdir, os.path.expanduser(given)) for given in config.reload_dirs]
        else:
            roots = [config.chdir, *_home_of(config.app or "", config.chdir), *_own(module_path)]
        return cls(_whole(roots), _whole(extra))

    def name(self, path: str) -> str:
        """Return what people call a file: its path from the first root where it lies below it."""
        below = self.roots[0] + os.sep if self.roots else ""
        return path.removeprefix(below)

    def has(self, path: str) -> bool:
        """Whether a Python file lies below a root, and not in a directory that is skipped."""
        for root in self.roots:
            if path.startswith(root.rstrip(os.sep) + os.sep) and is_code(os.path.basename(path)):
                folder = os.path.dirname(path)
                while len(folder) > len(root) and not _is_left_out(folder):
                    folder = os.path.dirname(folder)
                if len(folder) <= len(root):
                    return True
        return False


def forget_modules(project: Project, kept: Iterable[str]) -> None:
    """Forget the modules of the project that this process has imported, so that they are imported anew.

    A config module may import some of them, and a program that calls `heeler.run` all of them; without this a
    worker would inherit them as they were then.

    Args:
        project: whose.
        kept: modules that stay, by name.

    Process: a worker, before anything of the application is imported.
    """
    stay = {"__main__", "__mp_main__", "heeler", *kept}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name in stay or name.startswith("heeler.") or not isinstance(path, str):
            continue
        if project.has(os.path.abspath(path)):
            del sys.modules[name]


def _is_left_out(folder: str) -> bool:
    return is_skipped(folder) or os.path.exists(os.path.join(folder, ENVIRONMENT_MARK))


def _whole(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(os.path.abspath(path) for path in paths))


def _home_of(target: str, directory: str) -> list[str]:
    """Return the directory from which the application is imported, where it is named by its file."""
    place = target.partition(":")[0]
    if not (place.endswith(".py") or os.sep in place):
        return []
    home = os.path.dirname(os.path.abspath(os.path.join(directory, place)))
    while os.path.isfile(os.path.join(home, "__init__.py")):
        home = os.path.dirname(home)
    return [home]


def _own(module_path: Sequence[str]) -> list[str]:
    """Return those entries of the module path that nobody has installed: `PYTHONPATH`, editable installs."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "scripts")]
    installed.append(os.path.dirname(os.path.dirname(os.path.abspath(heeler.__file__))))
    if sys.prefix != sys.base_prefix:
        installed.append(sys.prefix)
    return [entry for entry in module_path if os.path.isdir(entry) and not _is_installed(entry, installed)]


def _is_installed(entry: str, installed: Sequence[str]) -> bool:
    if not _SKIPPED.isdisjoint(entry.split(os.sep)):
        return True
    return any(entry == place or entry.startswith(place + os.sep) for place in installed)
