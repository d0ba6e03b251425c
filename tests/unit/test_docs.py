"""The documents: links lead somewhere, settings and examples exist, sentences stand on lines of their own."""

import ast
import pathlib
import re

import pytest

from heeler.arbiter.config.document import own_settings
from heeler.arbiter.config.table import SETTINGS

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EXAMPLES = sorted((ROOT / "docs" / "examples").rglob("*.py"))

_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_TWO_SENTENCES = re.compile(r"(?<!e\.g)(?<!i\.e)[a-z)`]\. [A-Z]")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
_PATH = re.compile(r"`((?:arbiter|workers|plugins|tests|docs)/[\w./-]+)`")
_OF_COMMANDS = {"--json", "--changed", "--help", "--version", "--directory", "--socket", "--systemd", "--wait"}
_OF_CONFORMANCE = {"--expect", "--full", "--html", "--jobs", "--list", "--paws", "--send"}
_COMMAND = re.compile(r"^\s*(?:\$ )?(?:ExecStart=)?(?:\S*/)?heeler (.+)$", re.MULTILINE)


def name(path: pathlib.Path) -> str:
    """Return the path as a test's name."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_pages_lead_somewhere(page: pathlib.Path) -> None:
    """A relative link names a file that is there."""
    targets = [one for one in _LINK.findall(page.read_text()) if "://" not in one and not one.startswith("mailto:")]
    assert [one for one in targets if not (page.parent / one).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_paths_in_pages_exist(page: pathlib.Path) -> None:
    """A path of the repository that a page names is there."""
    assert [path for path in _PATH.findall(page.read_text()) if not (ROOT / path).exists() and "NNNN" not in path] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_flags_in_commands_exist(page: pathlib.Path) -> None:
    """Each flag of a `heeler` command line in the documents is one that Heeler knows."""
    settings = [*SETTINGS, *(setting for setting, _ in own_settings())]
    known = {flag for setting in settings for flag in setting.cli} | _OF_COMMANDS | _OF_CONFORMANCE
    text = page.read_text().replace("\\\n", " ")
    used = {flag for line in _COMMAND.findall(text) for flag in _FLAG.findall(line)}
    assert used - known == set()


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "reference"], ids=name)
def test_sentences_end_lines(page: pathlib.Path) -> None:
    """Semantic newlines: no line holds the end of one sentence and the start of the next.

    Pages of reference are generated for the most part, and left out.
    """
    prose = _FENCE.sub("", page.read_text())
    joined = [line for line in prose.splitlines() if _TWO_SENTENCES.search(line) and not line.startswith("|")]
    assert joined == []


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_examples_say_what_they_are(example: pathlib.Path) -> None:
    """Each example compiles and begins with what it is for."""
    assert ast.get_docstring(ast.parse(example.read_text()))
