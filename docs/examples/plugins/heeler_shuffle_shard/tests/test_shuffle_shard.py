"""The balancer keeps the contract, and keeps clients apart."""

from heeler_shuffle_shard import shuffle_shard

from heeler.plugins.balancer import SlotView, load_balancer
from heeler.plugins.registry import find_balancer

CLIENTS = [b"192.0.2.%d" % number for number in range(256)]


def idle(count: int) -> list[SlotView]:
    """Return so many idle workers, each of which can run two requests at once."""
    return [SlotView(slot, 2) for slot in range(1, count + 1)]


def shard(slots: list[SlotView], client: bytes) -> frozenset[int]:
    """Return the slots that a client is ever sent to."""
    return frozenset(shuffle_shard(slots, turn, client).slot for turn in range(4))


def test_it_is_found_by_its_name() -> None:
    """The distribution is installed, and the function can be called as Heeler does."""
    assert load_balancer(find_balancer("shuffle-shard")) is shuffle_shard


def test_each_client_has_two_workers() -> None:
    """All pairs of workers are somebody's."""
    shards = [shard(idle(4), client) for client in CLIENTS]
    assert {len(each) for each in shards} == {2}
    assert len(set(shards)) == 6


def test_less_busy_one_is_chosen() -> None:
    """Whatever the others do."""
    for client in CLIENTS:
        slots = idle(4)
        one, other = sorted(shard(slots, client))
        slots[one - 1].in_flight = 1
        assert {shuffle_shard(slots, turn, client) for turn in range(4)} == {slots[other - 1]}


def test_client_that_fills_its_workers_waits_alone() -> None:
    """It still gets one of them; nobody who has another pair waits, and nobody without a key."""
    slots = idle(4)
    full = shard(slots, CLIENTS[0])
    shards = {client: shard(slots, client) for client in CLIENTS}
    for slot in full:
        slots[slot - 1].in_flight = 2
    for turn, client in enumerate(CLIENTS):
        found = shuffle_shard(slots, turn, client)
        assert found.slot in full if shards[client] == full else found.has_room
    assert shuffle_shard(slots, 0, b"").has_room


def test_worker_that_is_gone_moves_its_own_clients_only() -> None:
    """And those keep their other worker."""
    slots = idle(5)
    for client in CLIENTS:
        before, after = shard(slots, client), shard(slots[:-1], client)
        assert before - {5} <= after
        assert len(after) == 2


def test_one_worker_is_enough() -> None:
    """A server with a single worker serves everybody."""
    assert shard(idle(1), CLIENTS[0]) == {1}
