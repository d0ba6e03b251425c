"""The page on the theory of dispatch has the simulator's figures."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "explanation" / "dispatch-theory.md").read_text()

pytestmark = pytest.mark.slow


def cells(lines: str) -> set[tuple[str, ...]]:
    """Return the first two cells of each row."""
    rows = [line.split("|") for line in lines.splitlines() if line.startswith("| ")]
    return {tuple(cell.strip() for cell in row[1:3]) for row in rows if "--" not in row[1]}


@pytest.mark.parametrize("arguments", ["", "--workers 4 --capacity 4 --shared --mix bimodal"])
def test_tables_are_those_of_the_simulator(arguments: str) -> None:
    """Their first columns are, at least: those of higher loads take longer."""
    command = [sys.executable, str(ROOT / "tests" / "bench" / "balance_sim.py"), "--loads", "0.5", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert f"$ python tests/bench/balance_sim.py {arguments}".strip() in PAGE.splitlines()
    assert cells(done.stdout) <= cells(PAGE)
    assert len(cells(done.stdout)) >= 8
