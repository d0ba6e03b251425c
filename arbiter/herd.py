"""What the arbiter holds of each living child: process id, channel, scoreboard page."""

import dataclasses
from collections.abc import Iterator, Sequence

from heeler.arbiter.config.loader import Loaded
from heeler.arbiter.post_mortem import Cut
from heeler.arbiter.server_view import WorkerView
from heeler.workers.channel import Channel
from heeler.workers.messages import Message
from heeler.workers.scoreboard import STATE, Row, State
from heeler.workers.sources import Listener


@dataclasses.dataclass(slots=True, eq=False)
class Member:
    """A living child.

    Args:
        age: its name in events and actions.
        pid: its process id; 0 until it has said so itself, where another child is to fork it.
        role: what it is for.
        channel: the arbiter's end; closed once the child has closed its own.
        row: its page of the scoreboard.
        loaded: the settings it was born with.
        view: what hooks see of it.
        listeners: the sockets it was born with.
        leaves: whether it drains, though it was not asked to.
        is_silent: whether its heartbeat has stopped for `timeout`.
        untold: what it is still to be told, oldest first; its channel was full.
        cut_before: what it had cut when the stop began.
        parent: the child that is to fork it; None where the arbiter has.
    """

    age: int
    pid: int
    role: str
    channel: Channel
    row: Row
    loaded: Loaded
    view: WorkerView
    listeners: Sequence[Listener] = ()
    leaves: bool = False
    is_silent: bool = False
    untold: list[Message] = dataclasses.field(default_factory=list)
    cut_before: Cut = dataclasses.field(default_factory=Cut)
    parent: "Member | None" = None

    def note_cut(self) -> None:
        """A stop begins: what was cut before is not of its making, unless Ctrl-C has reached the child first."""
        if self.row.words[STATE] != State.GONE:
            self.cut_before = Cut.of(self.row)

    def tell(self, message: Message) -> bool:
        """Send it a message, after those that it is still to be told; False where it has to wait for room."""
        if message not in self.untold:  # to open logs again is said once, however often it was meant
            self.untold.append(message)
        return self.tell_rest()

    def tell_rest(self) -> bool:
        """Send what there is room for now; False where something is left."""
        while self.untold and self.channel.send(self.untold[0]):
            del self.untold[0]
        return not self.untold


class Herd:
    """All living children."""

    def __init__(self) -> None:
        self._by_age: dict[int, Member] = {}
        self._by_pid: dict[int, Member] = {}

    def add(self, member: Member) -> None:
        """Enter a child that was forked."""
        self._by_age[member.age] = member
        if member.pid:
            self._by_pid[member.pid] = member

    def born(self, member: Member, pid: int) -> None:
        """Enter the process id of a child that was forked by another."""
        member.pid = member.view.pid = pid
        member.row.set("pid", pid)
        self._by_pid[pid] = member

    def remove(self, member: Member) -> None:
        """Strike out a child that was reaped."""
        del self._by_age[member.age]
        self._by_pid.pop(member.pid, None)

    def get(self, age: int) -> Member | None:
        """Return the child of that age, None if it is gone."""
        return self._by_age.get(age)

    def unborn(self) -> list[Member]:
        """Return those of whom it is not known yet that they are there."""
        return [member for member in self if not member.pid]

    def with_pid(self, pid: int) -> Member | None:
        """Return the child with that process id, None if it is none of ours."""
        return self._by_pid.get(pid)

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._by_age.values()))
