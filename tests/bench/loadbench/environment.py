"""What the benchmark needs and how it gets there: Debian's packages, virtual environments in .bench/, a program in C.

Nothing is done twice: the peers are installed anew when the requirements or the interpreter change, Heeler when its
source does. A peer that cannot be installed is named, and the others are measured all the same.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
CHECKOUT = BENCH.parent.parent
APPS = BENCH / "apps"
HOME = CHECKOUT / ".bench"
VENV = HOME / "venv"
REQUIREMENTS = {"venv": BENCH / "requirements.txt", "venv-gunicorn23": BENCH / "requirements-gunicorn23.txt"}
WSLOAD = HOME / "wsload"
LOGS = HOME / "logs"
RESULTS = HOME / "results"
SOURCES = ("pyproject.toml", "src/heeler/*.py", "arbiter/**/*.py", "workers/**/*.py", "plugins/**/*.py")


class EnvironmentUnfit(Exception):
    """Something without which nothing can be measured is missing and could not be installed."""


def say(text: str) -> None:
    """Tell whoever waits what is being done."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def command(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command with its output kept."""
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def missing_debian_packages(programs: Iterable[str]) -> list[str]:
    """Name the Debian packages of the `programs` and build tools that are not here."""
    needed = [program for program in programs if not shutil.which(program)]
    if not shutil.which("cc"):
        needed.append("build-essential")
    if not Path("/usr/include/ev.h").exists():
        needed.append("libev-dev")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        needed.append("python3-dev")
    if importlib.util.find_spec("ensurepip") is None:
        needed.append("python3-venv")  # Debian's Python comes without what `python -m venv` needs
    return needed


def install_debian_packages(programs: Iterable[str] = ("wrk",)) -> None:
    """Install with apt-get what is missing.

    Raises: EnvironmentUnfit when one of `programs` is still missing; without the build tools only bjoern is.
    """
    packages = missing_debian_packages(programs)
    if packages and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"apt-get install {' '.join(packages)}")
        command("apt-get", "update", "-qq")
        # One by one: a name that this release lacks is not to keep the others away.
        for package in packages:
            command("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", package)
    absent = [program for program in programs if not shutil.which(program)]
    if absent:
        raise EnvironmentUnfit(f"not installed, and not to be had from here: {', '.join(absent)} (Debian has them)")


def read_stamps(home: Path = VENV) -> dict[str, str]:
    """Return what the last preparation of `home` wrote down in it, or nothing."""
    try:
        return dict(json.loads((home / "stamps.json").read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def write_stamp(name: str, value: str, home: Path = VENV) -> None:
    """Write down in `home` that `name` has been prepared from `value`."""
    stamps = {**read_stamps(home), name: value}
    (home / "stamps.json").write_text(json.dumps(stamps, indent=1))


def pip(*arguments: str, venv: Path = VENV) -> subprocess.CompletedProcess[str]:
    """Run the pip of a virtual environment."""
    return command(str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", *arguments)


def requirements(file: Path) -> list[str]:
    """Return the requirements in a requirements file, without comments."""
    lines = (line.split("#", 1)[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line]


def prepare_venv(venv: Path = VENV) -> None:
    """Make a virtual environment, unless there is one of the same interpreter.

    Raises: EnvironmentUnfit.
    """
    stamp = f"{sys.version} {sys.base_prefix}"
    if read_stamps(venv).get("python") == stamp and (venv / "bin" / "python").exists():
        return
    HOME.mkdir(exist_ok=True)
    say(f"virtual environment {venv} of Python {sys.version.split()[0]}")
    base = getattr(sys, "_base_executable", sys.executable)
    made = command(base, "-m", "venv", "--clear", str(venv))  # the stamps in it go too
    if made.returncode != 0:
        raise EnvironmentUnfit(f"no virtual environment: {(made.stderr or made.stdout).strip()[-300:]}")
    write_stamp("python", stamp, venv)


def install_requirements(file: Path, venv: Path = VENV) -> None:
    """Install a requirements file, line by line if it does not go in one; a line that fails is told, not fatal."""
    wanted = requirements(file)
    stamp = " ".join(wanted)
    if read_stamps(venv).get(file.name) == stamp:
        return
    say(f"pip install -r {file.name}")
    if pip("install", "-q", "-r", str(file), venv=venv).returncode != 0:
        for requirement in wanted:
            done = pip("install", "-q", requirement, venv=venv)
            if done.returncode != 0:
                say(f"{requirement} could not be installed: {done.stderr.strip()[-400:]}")
                stamp = ""  # so that the next run tries again
    write_stamp(file.name, stamp, venv)


def compile_wsload() -> str:
    """Make the load generator for WebSockets of its source; return what is wrong, or nothing."""
    source = BENCH / "wsload.c"
    if WSLOAD.exists() and WSLOAD.stat().st_mtime >= source.stat().st_mtime:
        return ""
    if not shutil.which("cc"):
        return "there is no C compiler for the load generator"
    say(f"cc {source.name}")
    done = command("cc", "-O2", "-Wall", "-Wextra", "-o", str(WSLOAD), str(source))
    return f"the load generator does not compile: {done.stderr.strip()[-300:]}" if done.returncode else ""


def source_digest() -> str:
    """Return a digest of Heeler's source, which says whether what is installed is what is in the checkout."""
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(CHECKOUT.glob(pattern)):
            digest.update(str(path.relative_to(CHECKOUT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def install_heeler() -> None:
    """Install Heeler from the checkout, as a user would have it: a built wheel, not the checkout itself."""
    digest = source_digest()
    if read_stamps().get("heeler") == digest:
        return
    say("pip install heeler, from the checkout")
    done = pip("install", "-q", "--force-reinstall", "--no-deps", str(CHECKOUT))
    if done.returncode == 0:
        done = pip("install", "-q", str(CHECKOUT))  # its dependencies, those that are missing
    if done.returncode != 0:
        say(f"heeler could not be installed: {done.stderr.strip()[-400:]}")
        return
    write_stamp("heeler", digest)


def installed_versions(venv: Path = VENV) -> dict[str, str]:
    """Return the versions of all that is in the environment, by name of the distribution."""
    listed = pip("list", "--format", "json", venv=venv)
    return {item["name"].lower(): item["version"] for item in json.loads(listed.stdout or "[]")}


def worker_classes() -> frozenset[str]:
    """Return the names of the worker classes that the installed Heeler has."""
    code = "import importlib.metadata as m; print(*m.entry_points(group='heeler.workers').names)"
    return frozenset(command(str(VENV / "bin" / "python"), "-I", "-c", code).stdout.split())
