"""The sample distributions: small, found by name, and right."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from support.samples import PLUGINS, install
from support.server import heeler

WORKERS = {"heeler_resp": "src/heeler_resp/worker.py", "heeler_trio": "heeler_trio.py"}
BALANCERS = {"heeler_shuffle_shard"}  # see test_sample_balancer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", WORKERS)
def test_worker_class_is_small(name: str) -> None:
    """A worker class is sixty lines at most: docstrings, imports, empty lines and all."""
    code = (PLUGINS / name / WORKERS[name]).read_text()
    assert len(code.splitlines()) <= 60
    assert max(len(line) for line in code.splitlines()) <= 120


def test_each_is_in_the_list() -> None:
    """What is a sample here is named on the page, and tested."""
    folders = {path.parent.name for path in PLUGINS.glob("*/pyproject.toml")}
    assert folders == WORKERS.keys() | BALANCERS
    page = (PLUGINS / "README.md").read_text()
    assert all(f"({name}/README.md)" in page for name in folders)


@pytest.mark.parametrize("name", WORKERS)
def test_distribution_passes_its_own_tests(name: str, tmp_path: pathlib.Path) -> None:
    """The whole conformance kit among them; none is skipped."""
    install(tmp_path / "site", name)
    command = [sys.executable, "-m", "pytest", "-n", "3", "-p", "no:cacheprovider", "--strict-markers", "-W", "error"]
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=PLUGINS / name, env=environ, capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed in " in done.stdout and "skipped" not in done.stdout


def test_both_are_listed(tmp_path: pathlib.Path) -> None:
    """By name, as those that Heeler brings."""
    env = install(tmp_path, *WORKERS)
    found = {each["name"]: each["class"] for each in json.loads(heeler("workers", "--json", env=env).stdout)}
    assert found["trio"] == "heeler_trio:TrioWorker"
    assert found["resp"] == "heeler_resp.worker:RespWorker"


def test_arbiter_does_without_their_libraries(tmp_path: pathlib.Path) -> None:
    """Importing a worker class, as the arbiter does, brings in no event loop."""
    install(tmp_path, *WORKERS)
    code = (
        "import sys; from heeler.plugins.registry import find_worker;"
        "[find_worker(name).load() for name in ('trio', 'resp')];"
        "print(sorted({'trio', 'asyncio', 'ssl'} & set(sys.modules)))"
    )
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_wrong_application_is_refused(tmp_path: pathlib.Path) -> None:
    """A WSGI application on trio, with the command that would be right; on `resp`, whatever can be called will do."""
    env = install(tmp_path, *WORKERS)
    done = heeler("-k", "trio", "hello:app", env=env)
    assert done.status == 4
    assert "is a WSGI application, and worker class 'trio' serves ASGI; say `heeler -k sync hello:app`" in done.stderr
    assert heeler("-k", "resp", "hello:app", "--check-config", env=env).status == 0
    done = heeler("-k", "resp", "--check-config", env=env)
    assert (done.status, done.stdout) == (0, "heeler: all is well: no application, worker class resp\n")
    done = heeler("-k", "resp", "hello:__name__", "-b", "127.0.0.1:0", env=env)
    assert done.status == 4 and "'hello:__name__' is a str, which cannot be called" in done.stderr
