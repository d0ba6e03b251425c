"""The interface that third parties write against, as code that only has to type-check."""

from collections.abc import Sequence
from typing import Any, assert_type

from typing_extensions import override

from heeler.plugins.balancer import Balancer, SlotView, load_balancer
from heeler.plugins.balancers import least_busy
from heeler.plugins.config import Config
from heeler.plugins.errors import ConfigError, HeelerError
from heeler.plugins.exit_status import ExitStatus
from heeler.plugins.registry import Plugin, find_balancer, find_worker, workers
from heeler.plugins.setting import Setting
from heeler.workers.base import Boot, Drain, Worker
from heeler.workers.sources import Connection, Source


class OneAtATime(Worker):
    """A worker class of a third party, with a setting of its own."""

    settings = (Setting("greeting", str, "hello", "What to say first.", "Greeter", cli=("--greeting",)),)

    @override
    def run(self) -> None:
        while self.draining is None:
            assert_type(self.sources, list[Source])
            wait_s = self.tick()
            for source in self.sources:
                self.accept(source)
            assert_type(wait_s, float)

    @override
    def handle(self, connection: Connection) -> None:
        connection.sock.close()

    @override
    def drain(self, drain: Drain) -> None:
        assert_type(drain.deadline, float)
        assert_type(drain.status, ExitStatus)


def uses_boot(boot: Boot) -> int:
    """What a worker is born with, and its life."""
    worker = OneAtATime(boot)
    assert_type(boot.config, Config)
    assert_type(boot.config.workers, Any)
    assert_type(boot.slot, int)
    return worker.main()


def uses_registry() -> list[str]:
    """Plugins are found by name, and listed without importing them."""
    assert_type(find_worker("sync"), Plugin)
    return [f"{plugin.name} {plugin.distribution} {plugin.version}" for plugin in workers()]


def first_with_room(slots: Sequence[SlotView], turn: int, key: bytes) -> SlotView:
    """A balancer of a third party."""
    for view in slots:
        assert_type((view.slot, view.capacity, view.in_flight, view.connections), tuple[int, int, int, int])
        assert_type((view.has_room, view.load), tuple[bool, float])
        if view.has_room:
            return view
    return least_busy(slots, turn, key)


def uses_balancers() -> Balancer:
    """Ours and theirs are of one type, by name and given as they are."""
    assert_type(load_balancer(find_balancer("sticky")), Balancer)
    assert_type(find_balancer(first_with_room), Plugin)
    return first_with_room


def uses_errors(error: ConfigError) -> HeelerError:
    """Errors have attributes before they have texts."""
    assert_type(error.setting, str | None)
    assert_type(error.exit_status, ExitStatus)
    return error
