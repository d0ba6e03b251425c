"""`heeler new-worker` writes a distribution that passes as written."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from heeler.plugins.template.files import files
from support.client import get
from support.server import Server, heeler

pytestmark = pytest.mark.slow

PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
PIP += ["--no-build-isolation", "--no-compile"]


def run(*command: str, cwd: pathlib.Path, **changes: str) -> str:
    """Run a command that must succeed; return what it printed."""
    environ = {**os.environ, **changes}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_distribution_passes_as_written(tmp_path: pathlib.Path) -> None:
    """It can be installed, its own tests with the whole conformance kit pass, and `heeler -k NAME` serves."""
    written = heeler("new-worker", "two-paws", cwd=tmp_path)
    assert (written.status, written.stderr) == (0, "")
    project, site = tmp_path / "heeler-two-paws", tmp_path / "site"
    assert sorted(path.name for path in project.iterdir()) == [
        ".github", ".gitignore", "CHANGELOG.md", "README.md", "pyproject.toml", "src", "tests",
    ]  # fmt: skip

    run(*PIP, "--target", str(site), ".", cwd=project)
    assert (site / "heeler_two_paws" / "py.typed").exists()

    jobs = ["-n", "3", "-p", "no:cacheprovider", "--strict-markers", "-W", "error"]
    told = run(sys.executable, "-m", "pytest", *jobs, cwd=project, PYTHONPATH=str(site))
    assert " passed in " in told and "skipped" not in told and "failed" not in told

    with Server("hello:app", "-k", "two-paws", env={"PYTHONPATH": str(site)}) as server:
        assert get(server.address).status == 200


def test_kit_finds_the_mistake_of_the_tutorial(tmp_path: pathlib.Path) -> None:
    """A worker class that does not take back what it says it is doing seems to lose a request in every stop."""
    assert heeler("new-worker", "paws", cwd=tmp_path).status == 0
    project = tmp_path / "heeler-paws"
    worker = project / "src" / "heeler_paws" / "worker.py"
    right = worker.read_text()
    worker.write_text(right.replace("        self.row.leave_only()\n", ""))
    assert worker.read_text() != right
    run(*PIP, "--target", str(tmp_path / "site"), ".", cwd=project)
    done = heeler("conformance", "-k", "paws", "boots", env={"PYTHONPATH": str(tmp_path / "site")})
    assert done.status == 1
    assert "it ended with status 75, not 0" in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["Paws"], "'Paws': not a name such as `paws` or `two-paws`"),
        (["two_paws"], "small letters and digits, with single hyphens between"),
        (["sync"], "'sync': heeler has a worker class of that name already"),
        (["paws", "--directory", "full"], "full is there already, and not empty"),
        (["paws", "--directory", "full/file/paws"], "cannot write"),
        ([], "the following arguments are required: name"),
    ],
)
def test_what_cannot_be_written_is_one_line(tmp_path: pathlib.Path, argv: list[str], message: str) -> None:
    """Nothing is written, and nothing overwritten."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("kept")
    done = heeler("new-worker", *argv, cwd=tmp_path)
    assert message in done.stderr
    assert (done.stderr.count("\n"), done.stdout) == (1, "")
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "file"]


def test_tutorial_shows_what_is_written() -> None:
    """Each line of code that the tutorial explains stands in the worker class, but for the types."""
    page = pathlib.Path(__file__).parents[2] / "docs" / "tutorials" / "first-worker-class.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    written = files("paws")["src/heeler_paws/worker.py"].splitlines()
    lines = [line for block in blocks for line in block.splitlines()]
    assert lines[0] == "def take(self, connection, request, body):"
    assert [line for line in lines[1:] if f"    {line}" not in written] == []


def test_directory_is_where_it_goes(tmp_path: pathlib.Path) -> None:
    """An empty folder that is there already will do."""
    (tmp_path / "here").mkdir()
    done = heeler("new-worker", "paws", "--directory", "here", cwd=tmp_path)
    assert done.status == 0
    assert 'paws = "heeler_paws.worker:PawsWorker"' in (tmp_path / "here" / "pyproject.toml").read_text()
