"""Runs checks and keeps what they found.

for outcome in run(Maker("sync")):
    print(outcome.check.name, outcome.verdict.value)
"""

import concurrent.futures
import dataclasses
import enum
import functools
import time
from collections.abc import Iterable, Iterator, Sequence

from heeler.plugins.conformance.maker import HTTP, Maker, Probe
from heeler.plugins.conformance.table import CHECKS, Check
from heeler.plugins.conformance.verdict import Failed, NotApplicable

__all__ = [
    "CHECKS",
    "Check",
    "Failed",
    "Maker",
    "NotApplicable",
    "Outcome",
    "Probe",
    "Verdict",
    "makers",
    "plan",
    "run",
]


class Verdict(enum.Enum):
    """What a check found."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """A check that has been run.

    Args:
        check: which.
        target: the worker class, and in brackets the interface where it is not the one it prefers.
        verdict: what it found.
        message: why it failed or has no meaning; the first line says it, the rest is for the search.
        seconds: how long it took.
    """

    check: Check
    target: str
    verdict: Verdict
    message: str
    seconds: float

    @property
    def reason(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]


def makers(worker_class: str, *args: str, quick: bool = True, probe: Probe | None = None) -> list[Maker]:
    """Return a maker for each interface that the class serves, the one it is tried with first in front."""
    first = Maker(worker_class, *args, quick=quick, probe=probe)
    others = [one for one in HTTP if one in first.interfaces and one != first.interface]
    return [first, *(Maker(worker_class, *args, interface=one, quick=quick) for one in others)]


def plan(maker: Maker, checks: Iterable[Check] = CHECKS) -> list[Check]:
    """Return those of `checks` that have a meaning for the class and interface."""
    return [check for check in checks if check.applies_to(maker.interface)]


def target(maker: Maker) -> str:
    """Return how the maker's column is headed."""
    preferred = next((one for one in HTTP if one in maker.interfaces), "")
    return maker.worker_class if maker.interface == preferred else f"{maker.worker_class} ({maker.interface})"


def run_one(maker: Maker, check: Check) -> Outcome:
    """Run one check. Never raises: whatever a check raises is what it found."""
    begun_at = time.monotonic()
    verdict, message = Verdict.PASSED, ""
    try:
        check.run(maker)
    except NotApplicable as why:
        verdict, message = Verdict.NOT_APPLICABLE, str(why)
    except Exception as error:
        verdict, message = Verdict.FAILED, _text(error)
    return Outcome(check, target(maker), verdict, message, time.monotonic() - begun_at)


def _text(error: Exception) -> str:
    text = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
    return "\n".join([text, *getattr(error, "__notes__", ())])


def run(maker: Maker, checks: Sequence[Check] | None = None, jobs: int = 1) -> Iterator[Outcome]:
    """Run the checks that apply, and give what each found, in their order; then stop the server they shared.

    Args:
        maker: starts the servers.
        checks: which; all of them by default.
        jobs: how many are run side by side. They wait more than they work.
    """
    chosen = plan(maker, CHECKS if checks is None else checks)
    with maker, concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(functools.partial(run_one, maker), chosen)
