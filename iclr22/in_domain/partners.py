"""Who makes a pair with whom: points of a grid that differ in few factors, or follow.

Both points are of one set of points, say of a training split, whatever points those are.
"""

import numpy as np

from iclr22.data.factors import Grid

TRIES = 16  # transitions that are drawn at once
ROUNDS = 8  # how often, for points from which all have left the set
LEAVES = 0.2  # probability that a categorical factor changes in a transition
KEPT = 64  # sets of factors whose groups of points are kept


class Partners:
    """Draws of a second point, from a set of points.

    Args:
      grid: of the factors.
      index: flat indices of the points, int64 `[n]`, each once.
    """

    def __init__(self, grid: Grid, index):
        self.grid, self.index = grid, np.asarray(index, np.int64)
        self.order = np.argsort(self.index)
        self.sorted = self.index[self.order]
        self._groups: dict[tuple[int, ...], tuple[np.ndarray, ...]] = {}

    def changed(self, at, rng: np.random.Generator, count: int = 1) -> np.ndarray:
        """Places in `index`, `[b]`, of points that differ from those at places `at` in some
        factors, and are equal in the others.

        Which factors may differ is drawn uniformly for each point; the partner is drawn
        uniformly from all others that agree in the rest, so that it differs in at least one.
        A point that no other agrees with tries other factors, then is its own partner.

        Args:
          count: how many may differ; 0: as many as is drawn from 1 to all but one.
        """
        at, found = np.asarray(at), np.array(at)
        factors = len(self.grid.sizes)
        most = max(1, factors - 1)
        drawn = rng.integers(1, most + 1, len(at)) if not count else count
        scores = np.argsort(rng.random((len(at), factors)), axis=1)
        free = scores < np.broadcast_to(drawn, len(at))[:, None]
        draws, left = rng.random(len(at)), np.ones(len(at), bool)
        for turn in range(factors):
            which = np.roll(free, turn, axis=1)
            for subset in np.unique(which[left], axis=0):
                rows = np.flatnonzero(left & (which == subset).all(axis=1))
                found[rows] = self._other(
                    tuple(np.flatnonzero(subset)), at, draws, rows
                )
            left = found == at
            if not left.any():
                break
        return found

    def _other(self, free, at, draws, rows):
        """Another point of the group of each, the point itself where it is alone."""
        order, group, starts = self._grouped(free)
        at, own = at[rows], group[at[rows]]
        others = starts[own + 1] - starts[own] - 1
        place = starts[own] + np.floor(draws[rows] * others).astype(np.int64)
        one = order[place]  # points of a group are in order, so that one is passed over
        after = order[np.minimum(place + 1, starts[own + 1] - 1)]
        return np.where(others > 0, np.where(one >= at, after, one), at)

    def _grouped(self, free):
        """`(places by group, group of each place, where groups start)` of points that are
        equal in all factors but those that are free."""
        if free not in self._groups:
            numbers = self.grid.numbers(self.index)
            numbers[:, list(free)] = 0
            key = self.grid.flat(numbers)
            order = np.argsort(key, kind="stable").astype(np.int32)
            new = np.diff(key[order], prepend=-1) != 0
            group = np.empty(len(key), np.int32)
            group[order] = np.cumsum(new) - 1
            starts = np.append(np.flatnonzero(new), len(key))
            while len(self._groups) >= KEPT:
                self._groups.pop(next(iter(self._groups)))
            self._groups[free] = order, group, starts
        return self._groups[free]

    def moved(self, at, rng: np.random.Generator, scale: float) -> np.ndarray:
        """Places in `index`, `[b]`, of points that follow those at places `at`.

        Every ordinal factor goes d values on with a probability in proportion to
        exp(-|d| / b), b being `scale` of its range, cyclic ones around; a categorical factor
        is another with probability .2. Transitions that leave the set are drawn again; after
        128 the next point differs in one factor (`changed`).
        """
        at, found = np.asarray(at), np.array(at)
        numbers = self.grid.numbers(self.index[at])
        left = np.arange(len(at))
        for _ in range(ROUNDS):
            steps = self._transitions(numbers[left], rng, scale)
            place, inside = self._places(steps)
            first = inside.argmax(axis=1)
            done = inside.any(axis=1)
            found[left[done]] = place[done, first[done]]
            left = left[~done]
            if not len(left):
                return found
        found[left] = self.changed(at[left], rng)
        return found

    def _transitions(self, numbers, rng, scale):
        """Numbers `[b, TRIES, f]` after a transition, of numbers `[b, f]`; some outside."""
        shape = len(numbers), TRIES
        found = np.empty((*shape, numbers.shape[1]), np.int64)
        for j, factor in enumerate(self.grid.factors):
            now, size = numbers[:, j, None], factor.size
            if factor.kind == "categorical":
                other = now + rng.integers(1, max(size, 2), shape)
                leaves = rng.random(shape) < LEAVES
                found[..., j] = np.where(leaves, other % size, now)
                continue
            share = 1 - np.exp(-1 / max(scale * (size - 1), 1e-9))
            there, back = rng.geometric(share, (2, *shape))
            found[..., j] = now + there - back
            if factor.kind == "cyclic":
                found[..., j] %= size
        return found

    def _places(self, numbers):
        """`(places in index, whether there is one)` of numbers `[b, t, f]`."""
        sizes = np.array(self.grid.sizes)
        inside = ((numbers >= 0) & (numbers < sizes)).all(axis=-1)
        valid = np.clip(numbers, 0, sizes - 1).reshape(-1, len(sizes))
        flat = self.grid.flat(valid).reshape(inside.shape)
        place = np.minimum(np.searchsorted(self.sorted, flat), len(self.sorted) - 1)
        return self.order[place], inside & (self.sorted[place] == flat)
