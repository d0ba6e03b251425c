"""A worker class from a separate distribution is used as the built-in ones are."""

import json
import pathlib
import subprocess
import sys

import pytest

from support.client import get
from support.server import Server, heeler

SAMPLE = pathlib.Path(__file__).parent / "plugins" / "pawprint"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder into which pip has installed the sample distribution."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-build-isolation", "--no-compile", "--target", str(folder), str(SAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return str(folder)


def test_bare_name_is_enough(installed: str) -> None:
    """`-k pawprint` finds it, and it serves."""
    with Server("hello:app", "-k", "pawprint", "--paws", "3", env={"PYTHONPATH": installed}) as server:
        response = get(server.address)
        assert response.status == 200
        assert response.header("x-paws") == "3"


def test_setting_comes_from_every_source(installed: str) -> None:
    """Environment and config module set it, too."""
    conf = "worker_class = 'pawprint'\npaws = 2\n"
    files = {"heeler.conf.py": conf, "app.py": "def app(e, s):\n    s('200 OK', [])\n    return []\n"}
    with Server("app", files=files, env={"PYTHONPATH": installed}) as server:
        assert get(server.address).header("x-paws") == "2"
    with Server("app", files=files, env={"PYTHONPATH": installed, "HEELER_PAWS": "1"}) as server:
        assert get(server.address).header("x-paws") == "1"


def test_help_shows_its_settings_once_it_is_chosen(installed: str) -> None:
    """And not otherwise."""
    env = {"PYTHONPATH": installed}
    chosen = heeler("-k", "pawprint", "--help", env=env)
    assert "Pawprint:\n" in chosen.stdout
    assert "--paws INT" in chosen.stdout
    assert "How many paws each response carries (default: 4)" in " ".join(chosen.stdout.split())
    assert "--paws" not in heeler("--help", env=env).stdout


def test_config_command_knows_its_settings(installed: str) -> None:
    """With value and source."""
    done = heeler("config", "paws", "--json", "-k", "pawprint", "--paws", "7", env={"PYTHONPATH": installed})
    assert json.loads(done.stdout) == {"paws": {"value": 7, "source": "command line"}}


def test_workers_command_lists_it(installed: str) -> None:
    """Name, distribution and version, next to the built-in ones."""
    env = {"PYTHONPATH": installed}
    found = {each["name"]: each for each in json.loads(heeler("workers", "--json", env=env).stdout)}
    assert found["pawprint"] == {
        "name": "pawprint",
        "distribution": "heeler-pawprint",
        "version": "3.1",
        "class": "heeler_pawprint:PawprintWorker",
    }
    assert found["sync"]["distribution"] == "heeler"
    table = heeler("workers", env=env).stdout.splitlines()
    assert table[0].split() == ["NAME", "DISTRIBUTION", "VERSION", "CLASS"]
    assert ["pawprint", "heeler-pawprint", "3.1", "heeler_pawprint:PawprintWorker"] in [row.split() for row in table]


def test_broken_plugin_that_is_not_chosen_costs_nothing(installed: str, tmp_path: pathlib.Path) -> None:
    """It is listed, and the others work; chosen, it is one line that names its distribution."""
    info = tmp_path / "broken_plugin-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[heeler.workers]\nbroken = broken_plugin:Worker\n")
    (tmp_path / "broken_plugin.py").write_text("import not_there_at_all\n")
    env = {"PYTHONPATH": f"{tmp_path}:{installed}"}
    assert heeler("-k", "pawprint", "hello:app", "--check-config", env=env).status == 0
    assert "broken-plugin" in heeler("workers", env=env).stdout
    done = heeler("-k", "broken", "hello:app", env=env)
    assert done.status == 78
    assert done.stderr == (
        "heeler: error: 'broken' (from broken-plugin 0.1): its import fails:"
        " ModuleNotFoundError: No module named 'not_there_at_all'\n"
    )
