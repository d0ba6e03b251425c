"""Compares what the checkout, the sdist and the wheels hold; prints what one of them lacks.

Use: compare_packages.py CHECKOUT SDIST WHEEL [WHEEL ...]
"""

import pathlib
import subprocess
import sys
import tarfile
import zipfile

SUBPACKAGES = ("arbiter", "workers", "plugins")
ROOT_MODULES = (".py", "py.typed")
SHIPPED = ("docs/", "tests/", *(f"{name}/" for name in SUBPACKAGES))


def tracked(checkout: str) -> set[str]:
    """Return the paths of the files under version control."""
    command = ["git", "-C", checkout, "ls-files", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return set(filter(None, listed.split("\0")))


def in_wheel(path: str) -> str | None:
    """Return where a file of the checkout stands in a wheel, or None if it stands in none."""
    if path.startswith("src/heeler/"):
        return path.removeprefix("src/") if path.endswith(ROOT_MODULES) else None
    return f"heeler/{path}" if path.startswith(tuple(f"{name}/" for name in SUBPACKAGES)) else None


def in_sdist(path: str) -> bool:
    """Whether a file of the checkout stands in the sdist."""
    root_module = path.startswith("src/heeler/") and path.endswith(ROOT_MODULES)
    return root_module or path.startswith(SHIPPED) or path in {"CHANGELOG.md", "README.md", "LICENSE", "pyproject.toml"}


def report(name: str, wanted: set[str], found: set[str]) -> int:
    """Print the differences and return how many there are."""
    for path in sorted(wanted - found):
        print(f"{name} lacks {path}")
    for path in sorted(found - wanted):
        print(f"{name} should not hold {path}")
    return len(wanted ^ found)


def main(checkout: str, sdist: str, *wheels: str) -> int:
    """Compare them all; 1 if any differs."""
    files = tracked(checkout)
    with tarfile.open(sdist) as archive:
        held = {member.name.partition("/")[2] for member in archive if member.isfile()}
    # hatchling adds PKG-INFO, and ships the list of ignored files that it went by.
    differences = report("the sdist", {path for path in files if in_sdist(path)}, held - {"PKG-INFO", ".gitignore"})
    wanted = {place for place in map(in_wheel, files) if place is not None}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive_:
            held = {name for name in archive_.namelist() if ".dist-info/" not in name}
        differences += report(pathlib.Path(wheel).name, wanted, held)
    print(f"{len(wanted)} files in a wheel, {differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
