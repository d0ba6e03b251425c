"""The ways to run the kit: as a command, and as a pytest plugin; and what they show."""

import json
import pathlib
import subprocess
import sys

import pytest

from heeler.plugins.conformance import matrix
from heeler.plugins.conformance.kit import CHECKS, Outcome, Verdict, makers, target
from heeler.plugins.conformance.table import find
from heeler.plugins.errors import UsageError
from support.server import environment, heeler

WORKERS = pathlib.Path(__file__).resolve().parent / "workers"
ENV = {"PYTHONPATH": str(WORKERS)}


def outcomes() -> list[Outcome]:
    """Return what three checks found on two classes."""
    boots, unix, scope = find(["boots", "unix_socket", "asgi_scope"])
    return [
        Outcome(boots, "good", Verdict.PASSED, "", 0.5),
        Outcome(unix, "good", Verdict.NOT_APPLICABLE, "why <not>", 0.0),
        Outcome(boots, "bad", Verdict.FAILED, "it is <broken>\nand a log", 1.0),
        Outcome(scope, "bad", Verdict.PASSED, "", 0.1),
    ]


# -- the table


def test_names_and_promises() -> None:
    """Each check has a name of its own, and a promise of one sentence."""
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert [check.name for check in CHECKS if not check.promise.endswith(".")] == []


def test_unknown_check_is_refused_with_the_nearest_name() -> None:
    """By the kit and so by all that use it."""
    with pytest.raises(UsageError, match="no check is called 'boot'; did you mean boots"):
        find(["boot"])


def test_check_applies_to_its_interface_only() -> None:
    """Life cycle to all, HTTP to both interfaces, and theirs to each."""
    boots, pipelining, validator, scope = find(["boots", "pipelining", "wsgi_validator", "asgi_scope"])
    assert [scope.applies_to(one) for one in ("asgi", "wsgi", "")] == [True, False, False]
    applying = {one: [check.applies_to(one) for check in (boots, pipelining, validator)] for one in ("wsgi", "")}
    assert applying == {"wsgi": [True, True, True], "": [True, False, False]}


def test_class_of_both_interfaces_has_two_columns() -> None:
    """The one it prefers is called by its plain name."""
    assert [target(maker) for maker in makers("sync")] == ["sync"]
    assert [target(maker) for maker in makers("asyncio")] == ["asyncio", "asyncio (wsgi)"]


# -- the matrix


def test_text() -> None:
    """A line a check, a column a class; below, why something failed."""
    assert matrix.text(outcomes(), width=12) == (
        "CHECK         good    bad\n"
        "boots         ok      FAILED\n"
        "unix_socket   -\n"
        "asgi_scope            ok\n"
        "\n"
        "2 passed, 1 failed, 1 not applicable\n"
        "\n"
        "bad: boots: it is <broken>\nand a log\n"
    )


def test_json() -> None:
    """All that was found, for programs."""
    found = json.loads(matrix.as_json(outcomes()))
    assert [(one["check"], one["target"], one["verdict"]) for one in found][2] == ("boots", "bad", "failed")
    assert found[2]["message"] == "it is <broken>\nand a log"


def test_html() -> None:
    """A page of its own, in which nothing that was said is markup."""
    page = matrix.as_html(outcomes(), "A & B")
    assert page.startswith("<!doctype html>")
    assert "<h1>A &amp; B</h1>" in page
    assert 'title="it is &lt;broken&gt;"' in page
    assert "<broken>" not in page and "http" not in page.split("<table>")[0]


# -- the command


@pytest.mark.slow
def test_command_says_what_it_found(tmp_path: pathlib.Path) -> None:
    """Status 0 where all is kept; the table on stdout, progress on stderr, a page where one is asked for."""
    page = tmp_path / "matrix.html"
    done = heeler("conformance", "-k", "sync", "--html", str(page), "pipelining", "boots")
    assert (done.status, done.stdout.splitlines()[1:3]) == (
        0,
        [f"{'boots':<46}  ok", f"{'pipelining':<46}  ok"],
    )
    assert done.stderr == "ok      sync  boots\nok      sync  pipelining\n"
    assert "<h1>Heeler conformance: sync</h1>" in page.read_text()


@pytest.mark.slow
def test_command_fails_where_a_promise_is_broken() -> None:
    """Status 1, and what was found is there for programs too."""
    done = heeler("conformance", "-k", "bad_wire:KeepsNoConnection", "--json", "keep_alive", env=ENV)
    assert done.status == 1
    (found,) = json.loads(done.stdout)
    assert (found["verdict"], found["target"]) == ("failed", "bad_wire:KeepsNoConnection")


@pytest.mark.slow
def test_command_takes_a_probe_and_settings() -> None:
    """A class without HTTP is asked in its own protocol; what stands behind `--` are settings of its servers."""
    examples = str(WORKERS.parents[2] / "docs" / "examples")
    asked = ("--send", r"a\x20line\n", "--expect", r"a line\n", "drain_serves_the_backlog", "--", "--backlog", "99")
    done = heeler("conformance", "-k", "echo_worker:EchoWorker", *asked, env={"PYTHONPATH": examples})
    assert done.status == 0, done.stdout
    done = heeler("conformance", "-k", "sync", "boots", "--", "--backlogg", "99")
    assert (done.status, "unknown option --backlogg" in done.stdout) == (1, True)


def test_command_lists_checks() -> None:
    """With what each applies to, and its promise."""
    done = heeler("conformance", "--list")
    assert (done.status, len(done.stdout.splitlines())) == (0, len(CHECKS))
    assert done.stdout.startswith("boots (any): A server becomes ready")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "say which worker class: heeler conformance -k NAME"),
        (("-k", "synk"), "did you mean sync?"),
        (("-k", "sync", "bots"), "no check is called 'bots'; did you mean boots?"),
        (("-k", "sync", "--send", "x"), "a probe is a question and its answer"),
    ],
)
def test_command_refuses(args: tuple[str, ...], says: str) -> None:
    """What it cannot do is said in one line, before anything is started."""
    done = heeler("conformance", *args)
    assert done.status in (2, 78)
    assert says in done.stderr and done.stderr.count("\n") == 1


# -- the plugin of pytest

THREE_LINES = """\
import pytest

@pytest.mark.heeler_conformance({arguments})
def test_keeps_its_promises(heeler_conformance):
    heeler_conformance()
"""


def run_pytest(folder: pathlib.Path, arguments: str) -> str:
    """Run a test of three lines in a pytest of its own, and return its summary."""
    (folder / "test_class.py").write_text(THREE_LINES.format(arguments=arguments))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rA",
        "--strict-markers",
        "-p",
        "no:cacheprovider",
        "test_class.py",
    ]
    done = subprocess.run(command, cwd=folder, env=environment(ENV), capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.slow
def test_plugin_makes_a_test_of_each_check(tmp_path: pathlib.Path) -> None:
    """Three lines are enough; `only` and `without` choose."""
    chosen = 'only=["boots", "keep_alive", "pipelining", "asgi_scope"], without=["pipelining"]'
    said = run_pytest(tmp_path, f'"sync", {chosen}')
    assert "PASSED test_class.py::test_keeps_its_promises[sync-boots]" in said
    assert "PASSED test_class.py::test_keeps_its_promises[sync-keep_alive]" in said
    assert "2 passed" in said


@pytest.mark.slow
def test_plugin_fails_where_a_promise_is_broken(tmp_path: pathlib.Path) -> None:
    """The failure is what the check says."""
    said = run_pytest(tmp_path, '"bad_wire:KeepsNoConnection", only=["keep_alive"]')
    assert "1 failed" in said
    assert "the connection is not kept after request 0" in said


def test_plugin_wants_the_mark(tmp_path: pathlib.Path) -> None:
    """Without a class there is nothing to run it on."""
    assert "say which class" in run_pytest(tmp_path, "")
