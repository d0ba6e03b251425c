"""`heeler new-worker NAME [--directory DIRECTORY]`: writes a distribution with a worker class of one's own."""

from collections.abc import Sequence
from pathlib import Path

from heeler.arbiter.commands.output import line
from heeler.arbiter.config.flags import Parser
from heeler.plugins.errors import HeelerError, PluginNotFound, UsageError
from heeler.plugins.registry import find_worker
from heeler.plugins.template.files import check_name, distribution_of, files


def run(argv: Sequence[str]) -> int:
    """Write it into a new folder, and say what comes next.

    Raises:
        HeelerError: the name cannot be used, or the folder cannot be written.
    """
    parser = Parser(prog="heeler new-worker", add_help=False, allow_abbrev=False)
    parser.add_argument("name")
    parser.add_argument("--directory", type=Path)
    wanted = parser.parse_args(list(argv))
    _check(wanted.name)
    folder: Path = wanted.directory or Path(distribution_of(wanted.name))
    texts = files(wanted.name)
    _write(folder, texts)
    for path in sorted(texts):
        line(f"wrote {folder / path}")
    line(f"next: pip install --editable {folder} --group {folder / 'pyproject.toml'}:test")
    line(f"then: pytest {folder}, and heeler -k {wanted.name} app:app")
    return 0


def _check(name: str) -> None:
    try:
        check_name(name)
    except ValueError as error:
        raise UsageError(f"{name!r}: {error}") from error
    try:
        there = find_worker(name)
    except PluginNotFound:
        return
    raise UsageError(f"{name!r}: {there.distribution} has a worker class of that name already")


def _write(folder: Path, texts: dict[str, str]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already, and not empty")
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise HeelerError(f"cannot write {error.filename}: {error.strerror}") from error
