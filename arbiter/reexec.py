"""Does what `heeler.arbiter.succession` decides: forks, executes, listens to and ends the new arbiter.

Blocks for nothing: the check and the new arbiter are children, watched from the arbiter's loop.
"""

import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Final, NoReturn, assert_never

from heeler.arbiter import events, forking, signals, succession
from heeler.arbiter.config import init_system
from heeler.arbiter.generations import Generations
from heeler.arbiter.inheritance import VARIABLE, Inheritance
from heeler.arbiter.launch import Launch
from heeler.arbiter.pidfile import PidFile
from heeler.arbiter.server_view import ServerView
from heeler.arbiter.sockets import Sockets
from heeler.arbiter.succession import Succession
from heeler.plugins.exit_status import ExitStatus
from heeler.workers.channel import Channel
from heeler.workers.messages import Announced, BootFailed, Counts, Message
from heeler.workers.scoreboard import Reexec as Shown
from heeler.workers.scoreboard import Scoreboard

Watch = Callable[[int, Callable[[], None] | None], None]
"""Has a function called whenever a descriptor is readable; with None no more."""

_KEPT_BYTES: Final = 32768
"""How much is kept of what a check writes: the end of it."""
_SIGNALS: Final = {"graceful": signal.SIGTERM, "quick": signal.SIGINT, "kill": signal.SIGKILL}


@dataclasses.dataclass(frozen=True, slots=True)
class Means:
    """What a re-exec needs that lives as long as the server.

    Args:
        launch: how the command was started; None where a program serves, which cannot be started again.
        pidfile: None where there is none.
        went: called with how it stands.
        handed_over: called with the new arbiter's process id once that has taken over and the pid file is right,
            right before the old one begins to drain; and with what it calls once all who have to know do.
    """

    launch: Launch | None = None
    pidfile: PidFile | None = None
    went: Callable[[succession.Show], None] = lambda _step: None
    handed_over: Callable[[int, Callable[[], None]], None] = lambda _pid, then: then()


class Reexec:
    """The new arbiter, from the wish to its taking over.

    Args:
        means: as of `Means`.
        generations: the settings in force.
        sockets: what is handed down.
        server: what the hook `pre_exec` sees.
        board: where the status shows how it stands.
        watch: the loop's.
        step_down: has the old arbiter stop, though not as the last.
    """

    def __init__(
        self,
        means: Means,
        generations: Generations,
        sockets: Sockets,
        server: ServerView,
        board: Scoreboard,
        watch: Watch,
        step_down: Callable[[], None],
    ) -> None:
        self._means: Final = means
        self._generations: Final = generations
        self._sockets: Final = sockets
        self._server: Final = server
        self._board: Final = board
        self._watch: Final = watch
        self._step_down: Final = step_down
        self._succession: Final = Succession(0, 0)
        self._pid = 0
        self._channel: Channel | None = None
        self._pipe = -1
        self._said = b""
        self._counted: dict[str, list[int]] = {}

    @property
    def has_child(self) -> bool:
        """Whether there is a process to wait for, so that a reload, say, has to wait too."""
        return self._succession.has_child

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called at the latest."""
        return self._succession.deadline

    def ask(self, refusal: str) -> None:
        """Begin one, unless `refusal` says why not."""
        if self._means.launch is None:
            refusal = "a program started this server, and not the command `heeler`"
        elif os.getpid() == 1:
            refusal = "as process 1 it cannot be replaced: when that ends, so does the container"
        config = self._generations.loaded.config
        self._succession.boot_timeout_s = config.boot_timeout
        self._succession.graceful_timeout_s = config.graceful_timeout
        self._do(self._succession.asked(time.monotonic(), refusal))

    def stop(self, *, quick: bool) -> None:
        """The whole server stops."""
        self._do(self._succession.stop(quick=quick, now=time.monotonic()))

    def reopen_logs(self) -> None:
        """Have the new arbiter open its log files again, too: the pid file does not name it yet.

        Until it sets its own handlers it ignores the signal, as does a check.
        """
        if self._pid:
            os.kill(self._pid, signal.SIGUSR1)

    def tick(self) -> None:
        """Look at the deadline."""
        self._do(self._succession.tick(time.monotonic()))

    def put_off(self, seconds: float) -> None:
        """The arbiter itself did not run for so long."""
        self._succession.put_off(seconds)

    def reaped(self, pid: int, how: str) -> None:
        """A child is gone that is none of the herd."""
        if pid != self._pid:
            return
        self._pid = 0
        self._hear()
        self._read()
        said = self._said.decode("utf-8", "replace")
        self._drop()
        self._do(self._succession.gone(how, said, time.monotonic()))

    def close(self) -> None:
        """Say to the successor what was counted since it has taken over, and let go of it."""
        if self._succession.step is succession.Step.DONE:
            self._tell_counts()
        self._drop()

    def close_in_child(self) -> None:
        """Close what is the arbiter's alone. Process: a child, whose copy would hide the end of it."""
        if self._channel is not None:
            self._channel.close()
        if self._pipe != -1:
            os.close(self._pipe)

    # -- what is to be done

    def _do(self, actions: Sequence[succession.Action]) -> None:
        for action in actions:
            match action:
                case succession.Check():
                    self._check()
                case succession.Start():
                    self._start()
                case succession.Tell(message):
                    self._tell(message)
                case succession.End(how):
                    if self._pid:  # a child is ours until it is reaped, so its process id cannot be another's
                        os.kill(self._pid, _SIGNALS[how])
                case succession.TakeBack():
                    if self._means.pidfile is not None:
                        self._means.pidfile.restore()
                case succession.HandOver():
                    self._hand_over()
                case succession.Show(at):
                    self._board.set("reexec", Shown[at.upper()])
                    self._means.went(action)
                case events.Log():
                    self._generations.log(action)
                case _:
                    assert_never(action)

    def _check(self) -> None:
        try:
            self._pipe, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            self._not_forked(error)
            return
        self._watch(self._pipe, self._read)
        self._fork(lambda: _be_checked(writer, self._launch), lambda error: os.write(writer, str(error).encode()))
        os.close(writer)

    def _start(self) -> None:
        try:
            self._channel, theirs = Channel.pair()
        except OSError as error:
            self._not_forked(error)
            return
        self._watch(self._channel.fileno(), self._hear)
        left = self._sockets.left_by(os.getpid(), theirs.fileno())
        left = dataclasses.replace(left, workers=self._board.get("workers"))
        self._fork(
            lambda: self._be_successor(left),
            lambda error: theirs.send(BootFailed(int(ExitStatus.INTERNAL), str(error))),
        )
        theirs.close()
        if self._pid:
            self._generations.log(events.Log("info", "successor started", (("pid", self._pid),)))

    def _fork(self, become: Callable[[], NoReturn], complain: Callable[[OSError], object]) -> None:
        with signals.held_back() as mask:
            try:
                pid = forking.fork()
            except OSError as error:
                self._not_forked(error)
                return
            if pid == 0:
                try:
                    signals.reset_in_child(mask)
                    become()
                except OSError as error:
                    complain(error)
                finally:
                    os._exit(ExitStatus.INTERNAL)
        self._pid = pid

    def _not_forked(self, error: OSError) -> None:
        self._drop()
        how = f"it could not be started: {error.strerror or error}"
        self._do(self._succession.gone(how, "", time.monotonic()))

    @property
    def _launch(self) -> Launch:
        assert self._means.launch is not None, "asked of a server that a program started"
        return self._means.launch

    def _be_successor(self, left: Inheritance) -> NoReturn:
        """Become the new arbiter. Process: a child, right after the fork."""
        self._generations.call_hook("pre_exec", self._server)
        left.let_pass()
        self._launch.execute({VARIABLE: left.as_text(os.getpid())})

    def _hand_over(self) -> None:
        self._sockets.hand_over()
        self._tell_counts()
        self._means.handed_over(self._pid, lambda: self._tell(Announced()))
        self._step_down()

    def _tell_counts(self) -> None:
        """Tell the successor what was counted since the last time, so that its totals go on from there."""
        counts, before = self._board.counters(), self._counted
        self._counted = counts
        if before:
            counts = {
                name: [now - then for now, then in zip(values, before[name], strict=True)]
                for name, values in counts.items()
            }
        self._tell(Counts({name: values for name, values in counts.items() if any(values)}))

    def _tell(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.send(message)

    # -- what children say

    def _hear(self) -> None:
        channel = self._channel
        if channel is None or channel.fileno() == -1:
            return
        try:
            while (message := channel.receive()) is not None:
                self._do(self._succession.heard(message, time.monotonic()))
        except ValueError as error:
            self._generations.log(events.Log("warning", "unreadable message", (("pid", self._pid), ("reason", error))))
        except EOFError:  # it is about to be gone
            self._watch(channel.fileno(), None)
            channel.close()

    def _read(self) -> None:
        if self._pipe == -1:
            return
        with contextlib.suppress(BlockingIOError):
            while some := os.read(self._pipe, 65536):
                self._said = (self._said + some)[-_KEPT_BYTES:]
            self._watch(self._pipe, None)
            os.close(self._pipe)
            self._pipe = -1

    def _drop(self) -> None:
        """Let go of what led to a child that is gone."""
        if self._channel is not None and self._channel.fileno() != -1:
            self._watch(self._channel.fileno(), None)
            self._channel.close()
        if self._pipe != -1:
            self._watch(self._pipe, None)
            os.close(self._pipe)
        self._channel, self._pipe, self._said = None, -1, b""


def _be_checked(stderr: int, launch: Launch) -> NoReturn:
    """Become the check. Process: a child, right after the fork."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.set_blocking(stderr, True)
    os.dup2(null, 1)
    os.dup2(stderr, 2)
    # The application is imported: it is not to tell an init system anything.
    launch.execute({"HEELER_CHECK_CONFIG": "1", **dict.fromkeys(init_system.VARIABLES)})
