"""Counts and logs that tests of item models share."""

import numpy as np
import scipy.sparse

from iclr22.data.events import sort_events
from iclr22.recurrent_intensity import factorization, scores


def counts_of(shape=(9, 7), share=0.4, seed=0):
    """Random counts with an empty row, an empty column and some above 1."""
    rng = np.random.default_rng(seed)
    dense = rng.poisson(2, shape) * (rng.random(shape) < share)
    dense[2], dense[:, 3] = 0, 0
    return scipy.sparse.csr_array(dense.astype(np.float32))


def blocks(seed=0):
    """Half of the pairs within two blocks, and the mask of what is within."""
    rng = np.random.default_rng(seed)
    inside = np.arange(40)[:, None] % 2 == np.arange(30) % 2
    seen = inside & (rng.random(inside.shape) < 0.5)
    return scipy.sparse.csr_array(seen.astype(np.float32)), inside


def held_out_auc(factors):
    """Chance that a pair within the blocks, not seen in training, beats one outside."""
    counts, inside = blocks()
    s = scores.dense(factorization.score(factors, np.arange(40), np.arange(30)))
    good, bad = s[inside & (counts.toarray() == 0)], s[~inside]
    return np.mean(good[:, None] > bad)


def walks(users=60, items=12, seed=0):
    """Users who stay among the even or the odd items."""
    rng = np.random.default_rng(seed)
    kind = np.arange(users) % 2
    item = 2 * rng.integers(0, items // 2, (users, 10)) + kind[:, None]
    time = np.sort(rng.random((users, 10)), axis=1) * 10
    return sort_events(np.repeat(np.arange(users), 10), item.ravel(), time.ravel())
