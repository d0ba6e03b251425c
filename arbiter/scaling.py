"""When a scaler is asked how many workers there are to be, what it is told, and who has the last word.

People have it: once they have chosen a number, the scaler rests until they give it back, or until a reload.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Final

from heeler.arbiter import accept_queue, events, scale_wish
from heeler.arbiter.config.loader import Loaded
from heeler.arbiter.cpu_time import CpuTime
from heeler.arbiter.generations import Generations
from heeler.arbiter.herd import Herd, Member
from heeler.arbiter.policy import LISTENER, Phase, Policy
from heeler.arbiter.sockets import Sockets
from heeler.plugins.registry import find_scaler
from heeler.plugins.scaler import EVERY_S, HISTORY_S, Observation, Scaler, load_scaler
from heeler.workers.logs import event
from heeler.workers.scoreboard import CAPACITY, IN_FLIGHT, ScaleMode, Scoreboard

_KEPT: Final = int(HISTORY_S / EVERY_S)
_GAP_S: Final = 4 * EVERY_S
"""After a longer time without an observation what was seen before says nothing any more."""


class Scaling:
    """What is known of the load, and what follows from it.

    Args:
        generations: the settings in force, and the logs.
        sockets: where connections wait.
        herd: the children.
        board: is told the bounds and the mode.
    """

    def __init__(self, generations: Generations, sockets: Sockets, herd: Herd, board: Scoreboard) -> None:
        self._generations: Final = generations
        self._sockets: Final = sockets
        self._herd: Final = herd
        self._board: Final = board
        self._history: deque[Observation] = deque(maxlen=_KEPT)
        self._cpu: Final = CpuTime()
        self._looked_at = time.monotonic()
        self._is_failing = False
        self.mode = ScaleMode.OFF
        self._loaded: Loaded
        self._scaler: Scaler
        self.follow()

    def follow(self) -> None:
        """Go by the settings in force from now on."""
        self._loaded = self._generations.loaded
        config = self._loaded.config
        least, most = config.workers_min or 0, config.workers_max or 0
        self._board.set("workers_min", least)
        self._board.set("workers_max", most)
        self._is_failing = False
        self._enter(ScaleMode.ON if least < most else ScaleMode.OFF)
        if self.mode is ScaleMode.ON:
            self._scaler = self._found()

    def rest(self) -> None:
        """People have chosen a number."""
        if self.mode is ScaleMode.ON:
            self._enter(ScaleMode.BY_HAND)
            event(self._generations.logs.arbiter, logging.INFO, "scaler rests", scaler=self._name)

    def take_wish(self, refusal: scale_wish.Answer | None, step: Callable[[events.ScaleTo], None]) -> None:
        """Do what `heeler scale` asks, and answer.

        Args:
            refusal: why nothing can be changed now.
            step: has the number changed.
        """
        wish = scale_wish.take(self._board)
        if wish is None:
            return
        answer = refusal or self._obey(wish.workers)
        workers = wish.workers
        if workers == scale_wish.SCALER and not self._board.get("workers"):
            workers = self._loaded.config.workers  # all were sent away, and without any there is no load to see
        if answer is scale_wish.Answer.DONE and workers != scale_wish.SCALER:
            step(events.ScaleTo(workers, (("by", "heeler scale"),)))
        scale_wish.answer(self._board, wish, answer)

    def _obey(self, workers: int) -> scale_wish.Answer:
        if workers == scale_wish.SCALER:
            return self._resume()
        least, most = scale_wish.bounds(self._board)
        if not least <= workers <= most:
            return scale_wish.Answer.OUT_OF_BOUNDS
        self.rest()
        return scale_wish.Answer.DONE

    def _resume(self) -> scale_wish.Answer:
        """People leave it to the scaler again."""
        if self.mode is ScaleMode.OFF:
            return scale_wish.Answer.NO_SCALER
        if self.mode is ScaleMode.BY_HAND:
            self._enter(ScaleMode.ON)
            event(self._generations.logs.arbiter, logging.INFO, "scaler resumes", scaler=self._name)
        return scale_wish.Answer.DONE

    def deadline(self) -> float | None:
        """Return when `look` must be called; None where the scaler is not asked."""
        return self._looked_at + EVERY_S if self.mode is ScaleMode.ON else None

    def look(self, policy: Policy, serving: Callable[[], Collection[Member]], now: float) -> events.ScaleTo | None:
        """Look at the load, if it is time, and return what the scaler wants to be changed.

        Args:
            policy: what the server is at.
            serving: returns the workers that serve.
            now: monotonic seconds.
        """
        if self.mode is not ScaleMode.ON or now < self._looked_at + EVERY_S:
            return None
        passed_s, self._looked_at = now - self._looked_at, now
        if passed_s > _GAP_S:
            self._history.clear()
        if policy.phase is not Phase.SERVING or not policy.pool.target:
            return None
        seen = self._observe(policy, serving(), now, passed_s)
        self._history.append(seen)
        wanted = self._ask()
        if wanted is None or wanted == seen.workers:
            return None
        return events.ScaleTo(
            wanted, (("by", self._name), ("load", f"{seen.load:.2f}"), ("queue", seen.queue), ("ready", seen.ready))
        )

    def _observe(self, policy: Policy, serving: Collection[Member], now: float, passed_s: float) -> Observation:
        sockets = [listener for bound in self._sockets.bound for listener in bound.own or (bound.listener,)]
        with_listeners = sum(member.row.words[IN_FLIGHT] for member in self._herd if member.role == LISTENER)
        return Observation(
            now,
            policy.pool.target,
            len(serving),
            sum(member.row.words[CAPACITY] for member in serving),
            sum(member.row.words[IN_FLIGHT] for member in serving),
            sum(map(accept_queue.waiting, sockets)) + with_listeners,
            self._cpu.taken_since(serving) / passed_s,
            self._loaded.config.workers_min,
            self._loaded.config.workers_max,
        )

    def _ask(self) -> int | None:
        """Return what the scaler says, within the bounds; None where it fails, which is said once."""
        config = self._loaded.config
        try:
            wanted = self._scaler(tuple(self._history))
            return int(max(config.workers_min, min(int(wanted), config.workers_max)))
        except BaseException as error:  # as with hooks: whatever it raises, supervision goes on
            if not self._is_failing:
                event(self._generations.logs.error, logging.ERROR, "scaler failed", exc_info=error, scaler=self._name)
            self._is_failing = True
            return None

    def _enter(self, mode: ScaleMode) -> None:
        self.mode = mode
        self._board.set("scaling", mode)
        self._history.clear()

    @property
    def _name(self) -> str:
        named = self._loaded.config.scaler
        return named if isinstance(named, str) else find_scaler(named).name

    def _found(self) -> Scaler:
        """The loader has had it in its hands, so it is there."""
        return load_scaler(find_scaler(self._loaded.config.scaler))
