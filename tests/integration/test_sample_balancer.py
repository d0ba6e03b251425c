"""The sample balancer `shuffle-shard`: installed as anybody would install it, found by name, and right."""

import os
import pathlib
import subprocess
import sys

import pytest

from support.samples import PLUGINS, install

NAME = "heeler_shuffle_shard"
SIMULATOR = pathlib.Path(__file__).resolve().parents[1] / "bench" / "balance_sim.py"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """The environment in which the sample, that pip has installed, is found."""
    return install(tmp_path_factory.mktemp("site"), NAME)


def run(environ: dict[str, str | None], *arguments: str, folder: pathlib.Path) -> str:
    """Return what an interpreter prints that is started in `folder`."""
    env = {**os.environ, **{name: value for name, value in environ.items() if value}, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_function_is_small() -> None:
    """The whole file is twenty lines at most."""
    code = (PLUGINS / NAME / f"{NAME}.py").read_text()
    assert len(code.splitlines()) <= 20
    assert max(len(line) for line in code.splitlines()) <= 120


def test_it_is_in_the_list() -> None:
    """The page of samples names it."""
    assert f"({NAME}/README.md)" in (PLUGINS / "README.md").read_text()


def test_distribution_passes_its_own_tests(environ: dict[str, str | None]) -> None:
    """All of them; none is skipped."""
    done = run(
        environ, *("-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", "-W", "error"), folder=PLUGINS / NAME
    )
    assert " passed in " in done and "skipped" not in done


@pytest.mark.parametrize("named", ["shuffle-shard", "heeler-shuffle-shard:shuffle-shard", f"{NAME}:shuffle_shard"])
def test_it_is_found(environ: dict[str, str | None], tmp_path: pathlib.Path, named: str) -> None:
    """By its bare name, with its distribution, and by its place; it stands in the list with ours."""
    code = (
        "import sys; from heeler.plugins.balancer import load_balancer;"
        "from heeler.plugins.registry import balancers, find_balancer;"
        "print([plugin.name for plugin in balancers()], 'heeler_shuffle_shard' in sys.modules);"
        f"print(load_balancer(find_balancer({named!r})).__module__)"
    )
    listed, module = run(environ, "-c", code, folder=tmp_path).splitlines()
    assert listed == "['least-busy', 'random-two', 'round-robin', 'shuffle-shard', 'sticky'] False"
    assert module == NAME


def test_listener_needs_no_more_than_before(environ: dict[str, str | None], tmp_path: pathlib.Path) -> None:
    """Importing it brings in none of what a process of ours does without."""
    code = (
        "import sys, heeler_shuffle_shard; print(sorted({'asyncio', 'socket', 'ssl', 'threading'} & set(sys.modules)))"
    )
    assert run(environ, "-c", code, folder=tmp_path) == "[]\n"


def test_simulator_judges_it(environ: dict[str, str | None], tmp_path: pathlib.Path) -> None:
    """By its name; the table of its page is what the simulator says."""
    arguments = ["--mix", "bimodal", "--loads", "0.5", "0.7", "0.8", "--balancer", "shuffle-shard"]
    done = run(environ, str(SIMULATOR), *arguments, folder=tmp_path)
    row = next(line for line in done.splitlines() if line.startswith("| shuffle-shard "))
    page = (PLUGINS / NAME / "README.md").read_text()
    assert row in page
