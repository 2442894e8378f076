"""Which items a batch has: each epoch has every item once, in an order that seed and epoch alone decide."""

import numpy as np


class Epochs:
    """The order of items, epoch after epoch; it remembers the last one, which follows from its arguments anyway."""

    def __init__(self, count: int, seed: int) -> None:
        """Take the number of items, from 1, and the seed of their orders."""
        self._count, self._seed = count, seed
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def item(self, at: int) -> int:
        """Return which item stands at a place, counted on from epoch to epoch."""
        epoch, position = divmod(at, self._count)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self._seed, epoch]).permutation(self._count)
        return int(self._order[position])
