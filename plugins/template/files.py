"""The files of a new distribution, by path, with its names filled in."""

import re
import string
from typing import Final

from heeler import __version__
from heeler.plugins.registry import API_VERSION
from heeler.plugins.template import code, project

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def check_name(name: str) -> str:
    """Return `name`, if a worker class may be called so.

    Raises:
        ValueError: it may not; the text says what would be right.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "not a name such as `paws` or `two-paws`: small letters and digits, with single hyphens between"
        )
    return name


def distribution_of(name: str) -> str:
    """Return what the distribution with the worker class `name` is called."""
    return f"heeler-{name}"


def files(name: str) -> dict[str, str]:
    """Return the text of each file of a distribution with the worker class `name`, by its path within."""
    snake = name.replace("-", "_")
    package = f"heeler_{snake}"
    texts = {
        "pyproject.toml": project.PYPROJECT,
        "README.md": project.README,
        "CHANGELOG.md": project.CHANGELOG,
        ".gitignore": project.GITIGNORE,
        ".github/workflows/tests.yml": project.CI,
        f"src/{package}/__init__.py": code.PACKAGE,
        f"src/{package}/py.typed": "",
        f"src/{package}/worker.py": code.WORKER,
        "tests/test_conformance.py": code.CONFORMANCE,
        "tests/test_setting.py": code.SETTING,
    }
    names = {
        "name": name,
        "snake": snake,
        "upper": snake.upper(),
        "title": "".join(part.capitalize() for part in name.split("-")),
        "package": package,
        "distribution": distribution_of(name),
        "version": __version__,
        "api_version": str(API_VERSION),
    }
    return {path: string.Template(text).substitute(names) for path, text in texts.items()}
