"""The molds: one for the generation that serves, one for the generation that is to come.

Decides when a mold is made, and when it has done its part. Pure, as the pool of workers is, which asks it
from which mold a worker can be forked.
"""

from collections.abc import Iterator
from typing import Final

from typing_extensions import override

from heeler.arbiter.children import Child, Children, Life
from heeler.arbiter.pool import Pool, Wish

MOLD: Final = "mold"
SLOT: Final = 1


class MoldPool(Pool):
    """The slot of the molds.

    Args:
        target: 1 where workers are forked from a mold, else 0.
        children: the book that all roles share.
    """

    def __init__(self, target: int, children: Children) -> None:
        super().__init__(MOLD, target, 1, children)

    def ready(self, generation: int) -> Child | None:
        """Return the mold from which workers of a generation are forked now; None while there is none."""
        serving = [child for child in self._of(generation) if child.life is Life.READY]
        return max(serving, key=lambda child: child.age, default=None)

    def is_promised(self) -> bool:
        """Whether some worker is about to become a mold."""
        return any(is_promised(child) for child in self._mine())

    @override
    def surplus(self) -> list[Child]:
        """Return the molds from which nothing will be forked: their code is gone, or there is a newer one."""
        newest = {child.generation: self.ready(child.generation) for child in self._mine()}
        return [
            child
            for child in self._mine()
            if child.is_active and (self.generation_of(child) is None or _is_older(child, newest[child.generation]))
        ]

    @override
    def _wants(self) -> Iterator[Wish]:
        wanted = [self.serving, self.coming] if self.target else []
        for generation in wanted:
            if generation is not None and not any(_counts(child) for child in self._of(generation.number)):
                yield Wish(SLOT, generation)

    def _of(self, generation: int) -> list[Child]:
        return [child for child in self._mine() if child.generation == generation]


def is_promised(child: Child) -> bool:
    """Whether it is a mold that a worker is to become once it has drained: it may take long, and may never be."""
    return child.role == MOLD and child.parent is not None and child.life is Life.BOOTING


def _counts(child: Child) -> bool:
    return child.is_active and not is_promised(child)


def _is_older(child: Child, other: Child | None) -> bool:
    return other is not None and other.age > child.age
