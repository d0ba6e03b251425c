"""Makes the environment of Python 2.7 that the Autobahn testsuite needs: it was never ported to Python 3.

The environment is kept under .autobahn/ in the repository's root, and made once; that takes about a minute.
"""

import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

TESTSUITE: Final = "autobahntestsuite==25.10.1"
"""What is installed there; a change of it makes the environment again."""

_VIRTUALENV: Final = "virtualenv==20.15.1"  # the last but a few that runs on, and makes, Python 2.7
_PIP_ENV: Final = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_PYTHON_VERSION_WARNING": "1"}


class NoPythonError(Exception):
    """There is no Python 2.7 here."""


def wstest(folder: pathlib.Path) -> pathlib.Path:
    """Return the testsuite's command, installed under `folder`.

    Raises:
        NoPythonError: there is no Python 2.7 to install it for.
        subprocess.CalledProcessError: the installation failed.
    """
    environment, stamp = folder / "python27", folder / "installed"
    command = environment / "bin" / "wstest"
    if stamp.exists() and stamp.read_text() == TESTSUITE and command.exists():
        return command
    python = _find()
    shutil.rmtree(environment, ignore_errors=True)
    tools = folder / "virtualenv"
    _run(python, "-m", "pip", "install", "--quiet", "--upgrade", "--target", os.fspath(tools), _VIRTUALENV)
    _run(python, "-m", "virtualenv", "--quiet", os.fspath(environment), PYTHONPATH=os.fspath(tools))
    _run(os.fspath(environment / "bin" / "pip"), "install", "--quiet", TESTSUITE)
    stamp.write_text(TESTSUITE)
    return command


def _find() -> str:
    """Return a Python 2.7 that has pip: $PYTHON27, one of pyenv's, or the one on the path."""
    for python in _candidates():
        try:
            command = [python, "-m", "pip", "--version"]
            version = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except OSError:
            continue
        if version.returncode == 0 and "(python 2.7)" in version.stdout:
            return python
    raise NoPythonError("no Python 2.7 with pip: set PYTHON27 to one, or `pyenv install 2.7.18`")


def _candidates() -> Iterator[str]:
    if named := os.environ.get("PYTHON27"):
        yield named
        return
    root = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    for found in sorted(root.glob("versions/2.7.*/bin/python"), reverse=True):
        yield os.fspath(found)
    yield "python2.7"


def _run(*command: str, **environ: str) -> None:
    subprocess.run(command, check=True, env={**os.environ, **_PIP_ENV, **environ}, timeout=900)
