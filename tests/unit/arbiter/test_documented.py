"""The documentation of the arbiter says what the code says."""

import ast
import pathlib
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TypeVar

import heeler.arbiter
import heeler.arbiter.listener
import heeler.arbiter.mold
import heeler.arbiter.watcher
import heeler.workers
from heeler.arbiter import children, policy, succession

_State = TypeVar("_State", bound=Enum)
_ROOT = pathlib.Path(__file__).resolve().parents[3]
_POSITION = {"_log": 1, "event": 2, "Log": 1}
"""Which argument is the phrase, by the function that logs."""


def _phrases() -> Iterator[str]:
    roles = (heeler.arbiter.listener, heeler.arbiter.mold, heeler.arbiter.watcher)
    packages = (heeler.arbiter, *roles, heeler.workers)
    folders = [folder for package in packages for folder in package.__path__]
    for path in (path for folder in folders for path in pathlib.Path(folder).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = str(getattr(node.func, "attr", None) or getattr(node.func, "id", ""))
                at = _POSITION.get(name, len(node.args))
                yield from _texts(node.args[at] if at < len(node.args) else None)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                yield from _assigned(node)


def _assigned(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    """The phrases that are logged later."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if getattr(target, "attr", None) == "fault" or getattr(target, "id", None) == "phrase":
        yield from _texts(node.value)


def _texts(node: ast.expr | None) -> Iterator[str]:
    """The text that is written there, or either of two."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def test_every_lifecycle_phrase_is_documented() -> None:
    """docs/reference/log-events.md lists what is logged, and nothing that is not."""
    page = (_ROOT / "docs/reference/log-events.md").read_text()
    documented = set(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE))
    logged = set(_phrases())
    assert documented - logged == set()
    assert logged - documented == set()


def _diagram(transitions: Mapping[_State, frozenset[_State]]) -> str:
    first = next(iter(transitions))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first.value}"]
    for state, following in transitions.items():
        lines += [f"    {state.value} --> {other.value}" for other in sorted(following, key=lambda one: str(one.value))]
    return "\n".join([*lines, "```"])


def test_the_state_diagrams_are_current() -> None:
    """The diagrams in docs/explanation/process-model.md are those of the transition tables."""
    page = (_ROOT / "docs/explanation/process-model.md").read_text()
    assert _diagram(children.TRANSITIONS) in page
    assert _diagram(policy.TRANSITIONS) in page
    assert _diagram(succession.TRANSITIONS) in page
