"""The simulator of balancers agrees with the theory of queues, with itself, and with nobody who breaks the contract."""

import functools
import itertools
import math
import random
import statistics
from collections.abc import Sequence

import pytest

import balance_sim
from balance_sim import MIXES, main, make_plan
from heeler.plugins.balancer import SlotView, load_balancer
from heeler.plugins.balancers import least_busy
from heeler.plugins.registry import find_balancer
from queueing import BrokenBalancer, Plan, Site, balanced, central_queue, eager

SHORT = ("--requests", "500", "--loads", "0.5", "0.9")


@functools.cache
def plan(mix: str, rate: float, requests: int, seed: int = 1) -> Plan:
    """Return requests of a mix, `rate` in a unit of time."""
    return make_plan(MIXES[mix], rate, requests, 1000, random.Random(seed))


def erlang_c(servers: int, load: float) -> float:
    """Return the mean wait of M/M/c, in mean service times."""
    offered = servers * load
    below = sum(offered**n / math.factorial(n) for n in range(servers))
    all_busy = offered**servers / math.factorial(servers) / (1 - load)
    return all_busy / (below + all_busy) / (servers * (1 - load))


@pytest.mark.slow
@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (2, 0.6), (8, 0.7)])
def test_central_queue_is_that_of_erlang(servers: int, load: float) -> None:
    """Its mean wait is that of M/M/c."""
    waits = central_queue(plan("exp", servers * load, 200_000), Site(servers))
    assert statistics.fmean(waits) == pytest.approx(erlang_c(servers, load), rel=0.05)


@pytest.mark.slow
def test_shared_processor_is_fair() -> None:
    """Where requests share a processor, the mean wait depends on the load and not on the mix: M/G/1-PS."""
    for mix in ("exp", "bimodal"):
        waits = eager(plan(mix, 0.5, 40_000), Site(1, 10_000, shared=True), lambda: 0)
        assert statistics.fmean(waits) == pytest.approx(0.5 / (1 - 0.5), rel=0.08)


@pytest.mark.parametrize("site", [Site(8), Site(4, 2), Site(3, 5)])
@pytest.mark.parametrize("name", ["least-busy", "random-two", "round-robin"])
def test_idle_only_is_a_central_queue(site: Site, name: str) -> None:
    """Where workers are alike and a free one is never kept free, each request waits as in one queue."""
    requests = plan("bimodal", 0.9 * site.servers, 3000)
    waits = balanced(requests, site, load_balancer(find_balancer(name)))
    assert waits == pytest.approx(central_queue(requests, site), abs=1e-6)
    assert max(waits) > 1


def test_eager_hand_out_waits_longer() -> None:
    """One by one to workers that may be busy: beside the same requests in one queue, more of them wait, and longer."""
    requests, turns = plan("bimodal", 0.8 * 8, 5000), itertools.count()
    own_queues = sorted(eager(requests, Site(8), lambda: next(turns) % 8))
    one_queue = sorted(central_queue(requests, Site(8)))
    assert own_queues[2500] > one_queue[2500] and own_queues[4950] > 2 * one_queue[4950]


def test_one_client_is_served_in_its_order() -> None:
    """Requests that a balancer lets wait for a worker begin in the order in which they came, each client's at least."""
    requests = plan("exp", 0.7 * 4, 3000)
    waits = balanced(requests, Site(4), load_balancer(find_balancer("sticky")))
    last: dict[bytes, float] = {}
    for arrival, wait, key in zip(requests.arrivals, waits, requests.keys, strict=True):
        assert arrival + wait >= last.get(key, 0.0)
        last[key] = arrival + wait
    assert max(waits) > max(central_queue(requests, Site(4)))


def test_requests_bound_to_a_worker_wait_for_it() -> None:
    """First in first out, as in a queue of its own, while others idle; the balancer is asked once for each."""
    requests, asked = plan("exp", 0.7, 2000), itertools.count()

    def first(slots: Sequence[SlotView], _turn: int, _key: bytes) -> SlotView:
        next(asked)
        return slots[0]

    waits = balanced(requests, Site(4), first)
    assert waits == pytest.approx(central_queue(requests, Site(1)), abs=1e-6)
    assert next(asked) == 2000


def test_worker_with_room_takes_what_has_waited_longer() -> None:
    """What waits for it alone and what waits for any begin in the order in which they came."""

    def bound(slots: Sequence[SlotView], turn: int, key: bytes) -> SlotView:
        return slots[int(key)] if key else least_busy(slots, turn, key)

    # The first worker is busy till 10. What comes at 1 is bound to it, the rest comes when both are busy: at 10 the
    # one of 1 begins, at 11 that of 3, which goes anywhere, at 12 that of 4, which is bound again.
    arrivals, services, keys = [0.0, 1.0, 2.0, 3.0, 4.0], [10.0, 1.0, 18.0, 1.0, 1.0], [b"0", b"0", b"", b"", b"0"]
    assert balanced(Plan(arrivals, services, keys), Site(2), bound) == [0.0, 9.0, 0.0, 8.0, 8.0]


# -- the command


def test_same_arguments_give_the_same_table(capsys: pytest.CaptureFixture[str]) -> None:
    """To the last digit, with every kind of row; another seed gives another."""
    found = []
    for seed in ("1", "1", "2"):
        assert main([*SHORT, "--seed", seed]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1] != found[2]
    heads = [line.split("|")[1].strip() for line in found[0].splitlines() if line]
    rows = ["central queue", *balance_sim.OWN, "eager round robin", "random (reuseport)"]
    assert [head for head in heads if head in rows] == rows * 2


def test_balancers_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """By their names and by their places, in the order asked for; a wrong name is one line."""
    named = ("heeler:sticky", "heeler.plugins.balancers:least_busy")
    assert main([*SHORT, "--mix", "web", *(word for name in named for word in ("--balancer", name))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[3:5]] == list(named)
    assert main([*SHORT, "--balancer", "least-bzy"]) == 1
    assert "no balancer of that name; did you mean least-busy?" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--loads", "1"), ("--capacity", "0"), ("--mix", "none")])
def test_arguments_that_make_no_sense(arguments: tuple[str, str]) -> None:
    """They are refused, as argparse does it."""
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


# -- what breaks the contract


def foreign(_slots: Sequence[SlotView], _turn: int, _key: bytes) -> SlotView:
    """A worker that is not there."""
    return SlotView(1, 1)


def nobody(_slots: Sequence[SlotView], _turn: int, _key: bytes) -> None:
    """No worker at all."""


@pytest.mark.parametrize("name", ["foreign", "nobody"])
def test_balancer_that_breaks_the_contract(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told from a slow one: the simulation ends, and says what was wrong."""
    balancer = globals()[name]
    with pytest.raises(BrokenBalancer, match="none of the slots it was given"):
        balanced(plan("exp", 4.0, 200), Site(8), balancer)
    monkeypatch.setattr(balance_sim, "find_balancer", lambda _: find_balancer(balancer))
    assert main([*SHORT, "--balancer", name]) == 1
    assert capsys.readouterr().err.startswith(f"balance_sim: {name} ")
