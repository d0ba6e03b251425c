"""`heeler conformance -k NAME`: whether a worker class keeps its promises."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from heeler.arbiter.commands.output import complain, line
from heeler.arbiter.config.flags import Parser
from heeler.arbiter.config.worker_class import resolve
from heeler.plugins.errors import HeelerError, UsageError
from heeler.plugins.exit_status import ExitStatus

if TYPE_CHECKING:
    from heeler.plugins.conformance.kit import Outcome, Probe


def run(argv: Sequence[str]) -> int:
    """Run the checks and print what they found.

    Returns:
        0 where every promise is kept, 1 where one is broken.
    """
    at = list(argv).index("--") if "--" in argv else len(argv)
    args = tuple(argv[at + 1 :])
    wanted = _parser().parse_args(list(argv[:at]))
    # Late: no other command pays for it.
    from heeler.plugins.conformance import kit, matrix
    from heeler.plugins.conformance.table import CHECKS, find

    if wanted.list:
        for check in CHECKS:
            line(f"{check.name} ({check.applies}): {check.promise}")
        return ExitStatus.OK
    classes = [resolve(name)[0].name for name in wanted.worker_class or ()]
    if not classes:
        raise UsageError("say which worker class: heeler conformance -k NAME")
    checks = find(wanted.checks) if wanted.checks else None
    outcomes: list[Outcome] = []
    for name in classes:
        for maker in kit.makers(name, *args, quick=not wanted.full, probe=_probe(wanted.send, wanted.expect)):
            for outcome in kit.run(maker, checks, wanted.jobs):
                complain(f"{matrix.SIGNS[outcome.verdict]:<6}  {outcome.target}  {outcome.check.name}")
                outcomes.append(outcome)
    if wanted.html:
        _write(wanted.html, matrix.as_html(outcomes, f"Heeler conformance: {', '.join(classes)}"))
    line((matrix.as_json(outcomes) if wanted.json else matrix.text(outcomes)).rstrip("\n"))
    broken = any(outcome.verdict is kit.Verdict.FAILED for outcome in outcomes)
    return ExitStatus.INTERNAL if broken else ExitStatus.OK


def _parser() -> Parser:
    made = Parser(prog="heeler conformance", add_help=False, allow_abbrev=False)
    made.add_argument("-k", "--worker-class", action="append")
    made.add_argument("--json", action="store_true")
    made.add_argument("--html", metavar="FILE")
    made.add_argument("--full", action="store_true")
    made.add_argument("--jobs", type=int, default=3)
    made.add_argument("--send")
    made.add_argument("--expect")
    made.add_argument("--list", action="store_true")
    made.add_argument("checks", nargs="*")
    return made


def _probe(send: str | None, expect: str | None) -> "Probe | None":
    from heeler.plugins.conformance.kit import Probe

    if send is None and expect is None:
        return None
    if send is None or expect is None:
        raise UsageError("a probe is a question and its answer: --send TEXT --expect TEXT")
    return Probe(_bytes(send), _bytes(expect))


def _bytes(text: str) -> bytes:
    r"""Return the bytes that a text with escapes such as `\r\n` and `\x00` means."""
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise HeelerError(f"{path} cannot be written: {error.strerror}") from error
