"""Batches for representation learners: images of a training split, alone or in pairs.

Both images of a pair are of the split, and a batch is a function of its step.
"""

from typing import Literal, NamedTuple, get_args

import jax
import numpy as np

from iclr22 import errors, identity
from iclr22.data import batching
from iclr22.data.factors import FactorImages
from iclr22.in_domain import drawing
from iclr22.in_domain.partners import Partners

Kind = Literal["beta_vae", "ada_gvae", "slow_vae", "pcl"]
SCALE = 0.1  # of a transition, of a factor's range


class Pairs(NamedTuple):
    """Batches of shuffled epochs over the first image; the partner is drawn anew.

    Attributes:
      data: all images.
      rows: int64 `[n]`, those of the split.
      kind: beta_vae has no partner; that of ada_gvae differs in few factors; that of
        slow_vae follows, as half of pcl's do, whose others follow another image.
      partners: of the split's points.
      base: batches of places in `rows`, of all processes.
      part: (index, count): this process takes every batch's slice number `index`.
      changed: of ada_gvae: how many factors differ, 0: as many as is drawn.
      scale: of a transition, of a factor's range.
    """

    data: FactorImages
    rows: np.ndarray
    kind: Kind
    partners: Partners
    base: batching.Batches
    part: tuple[int, int] = (0, 1)
    changed: int = 1
    scale: float = SCALE

    def content(self) -> str:
        """Digest of what all batches are made from."""
        data = self.data
        images = {} if data.x is None else {"x": data.x}
        about = images | {"index": data.index, "rows": self.rows}
        choice = f"{self.kind}-{self.changed}-{self.scale}-{data.renderer}-{data.side}"
        base = f"{self.base.size}-{self.base.seed}"
        return f"{identity.content(about)}-{choice}-{base}"

    def __call__(self, step: int) -> dict:
        """Batch number `step`: images (`drawing`), of pairs with a second one, label `[b]`
        float32 of pcl, 1 where the second follows the first, row and weight `[b]`."""
        given = self.base(step)
        first, weight = given["at"], given["weight"]
        own = batching.own(len(first), self.part)
        row = np.arange(len(first), dtype=np.int32)
        batch = drawing.stored(self.data, self.rows[first[own]])
        batch |= {"row": row[own], "weight": weight[own]}
        if self.kind == "beta_vae":
            return batch
        rng = np.random.default_rng((self.base.seed, step, 1))
        if self.kind == "ada_gvae":
            second = self.partners.changed(first, rng, self.changed)
        else:
            source = first
            if self.kind == "pcl":
                follows = row % 2 == 0
                source = np.where(
                    follows, first, rng.integers(0, len(self.rows), len(first))
                )
                batch["label"] = follows[own].astype(np.float32)
            second = self.partners.moved(source, rng, self.scale)
        return batch | drawing.stored(self.data, self.rows[second[own]], "2")


def make(
    data: FactorImages,
    rows,
    kind: Kind,
    size: int,
    *,
    seed: int = 0,
    devices: int = 1,
    changed: int = 1,
    scale: float = SCALE,
) -> Pairs:
    """`Pairs` for this process, of `size` examples over all.

    Args:
      data: images of points of a grid.
      rows: of them, those that may be seen, `[n]`.
      devices: that batches divide over.
      changed: of ada_gvae: in how many factors a partner differs; 0: a drawn number.
      scale: of a transition (`Partners.moved`).

    Raises:
      errors.InputError: another kind, no rows, or more factors to change than there are.
    """
    if kind not in get_args(Kind):
        raise errors.nearest(kind, get_args(Kind), "kind of pairs")
    factors = len(data.grid.factors)
    if not 0 <= changed <= factors:
        raise errors.InputError(
            f"changed: expected 0 to {factors}, the number of factors; found {changed}"
        )
    if not scale > 0:
        raise errors.InputError(f"scale: expected a number above 0; found {scale}")
    rows = np.asarray(rows, np.int64)
    at = {"at": np.arange(len(rows), dtype=np.int64)}
    base = batching.make(at, size, seed=seed, devices=devices)
    base = base._replace(part=(0, 1))
    partners = Partners(data.grid, data.index[rows])
    part = (jax.process_index(), jax.process_count())
    return Pairs(data, rows, kind, partners, base, part, changed, scale)
