"""The sample distributions of docs/examples/plugins, installed as anybody would install them."""

import pathlib
import subprocess
import sys
from typing import Final

PLUGINS: Final = pathlib.Path(__file__).resolve().parents[2] / "docs" / "examples" / "plugins"
"""Where they are."""

_PIP: Final = (
    *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"),
    *("--no-deps", "--no-build-isolation", "--no-compile"),
)


def install(site: pathlib.Path, *names: str) -> dict[str, str | None]:
    """Have pip install them into the folder `site`; return the environment in which they are found."""
    folders = [str(PLUGINS / name) for name in names]
    done = subprocess.run([*_PIP, "--target", str(site), *folders], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {"PYTHONPATH": str(site)}
