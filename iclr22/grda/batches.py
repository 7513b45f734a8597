"""Batches with as many samples of every domain, as a pure function of the step."""

import functools
from typing import NamedTuple

import jax
import jraph
import numpy as np

from iclr22 import errors
from iclr22.data.domains import DomainData


class DomainBatches(NamedTuple):
    """`step -> batch` as `adversarial` describes it; every domain has its own shuffled epochs.

    Attributes:
      x, y, labelled: rows of all domains `[n, ...]`.
      rows: per domain the numbers of its rows, in file order.
      sources: `[N]` float32.
      graph: of the domains, embeddings as nodes.
      slots: samples of every domain in a global batch.
      seed: of the shuffling.
      shared: one shuffling for all domains. Where files are sorted by class, slots then
        hold one class: this leaks target labels (the released code does it).
      part: (index, count): this process takes every batch's share number `index`.
    """

    x: np.ndarray
    y: np.ndarray
    labelled: np.ndarray
    rows: tuple[np.ndarray, ...]
    sources: np.ndarray
    graph: jraph.GraphsTuple
    slots: int
    seed: int = 0
    shared: bool = False
    part: tuple[int, int] = (0, 1)

    def __call__(self, step: int) -> dict:
        """This process's share of batch number `step`."""
        index, count = self.part
        share = self.slots // count
        drawn = step * self.slots + index * share + np.arange(share)
        picked = [self._pick(u, drawn) for u in range(len(self.rows))]
        return self.take(np.stack(picked, axis=1))

    def _pick(self, domain, drawn):
        rows = self.rows[domain]
        epochs, places = np.divmod(drawn, len(rows))
        stream = 0 if self.shared else domain
        orders = [
            _permutation(self.seed, stream, e, len(rows)) for e in epochs.tolist()
        ]
        return rows[[order[i] for order, i in zip(orders, places, strict=True)]]

    def take(self, rows) -> dict:
        """The batch of these rows `[slots, N]`."""
        return {
            "x": self.x[rows],
            "y": self.y[rows],
            "labelled": self.labelled[rows],
            "weight": np.ones(len(rows), np.float32),
            "sources": self.sources,
            "graph": self.graph,
        }


def make(
    data: DomainData,
    graph: jraph.GraphsTuple,
    slots: int,
    *,
    seed: int = 0,
    shared: bool = False,
    devices: int = 1,
) -> DomainBatches:
    """Batches of `slots` samples of every domain, made to fit the devices.

    Args:
      data: x and y as they enter the model.
      graph: of the domains, embeddings as nodes.
      shared: see `DomainBatches`.

    Raises:
      errors.InputError: a domain without samples; `shared`, and domains differ in size.
    """
    order = np.argsort(data.domain, kind="stable")
    sizes = np.bincount(data.domain, minlength=data.size)
    rows = tuple(np.split(order, np.cumsum(sizes)[:-1]))
    if sizes.min() == 0:
        name = data.domain_names[sizes.argmin()]
        raise errors.InputError(f"domain {name}: expected samples; found none")
    if shared and sizes.min() < sizes.max():
        raise errors.InputError(
            "--pairing=shared_index needs as many samples in every domain; found "
            f"{sizes.min()} to {sizes.max()}. Use --pairing=independent."
        )
    known = np.isfinite(data.y).all(axis=1) if data.regression else data.y >= 0
    labelled = (known & data.sources[data.domain]).astype(np.float32)
    hidden = np.zeros_like(data.y)  # labels of targets never reach the device
    y = np.where(labelled.reshape(-1, *(1,) * (data.y.ndim - 1)) > 0, data.y, hidden)
    slots = -(-slots // devices) * devices
    part = (jax.process_index(), jax.process_count())
    sources = data.sources.astype(np.float32)
    return DomainBatches(
        data.x, y, labelled, rows, sources, graph, slots, seed, shared, part
    )


@functools.lru_cache(maxsize=4096)
def _permutation(seed: int, stream: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng((seed, stream, epoch)).permutation(n)
