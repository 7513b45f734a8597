"""Made instances with many labels, and what PECOS found on them."""

import functools
import pathlib

import numpy as np
import scipy.sparse as sp

from iclr22.giant_xrt.tree import Tree

REFERENCE = pathlib.Path(__file__).parent / "giant_xrt" / "pecos_reference.npz"
TEST = slice(480, 600)  # instances of `blocks` that nothing is trained on


@functools.cache
def blocks(instances=600, labels=160, features=400, groups=8, seed=0):
    """`[n, D]` features of length 1 and `[n, L]` labels: three of one group each, whose
    features are of the group for the most part."""
    random = np.random.RandomState(seed)  # the reference was made of its numbers
    prototypes = [random.choice(features, 40, replace=False) for _ in range(groups)]
    owner = np.arange(labels) % groups
    own = []
    for group in owner:
        most = random.choice(prototypes[group], 14, replace=False)
        own.append(np.append(most, random.choice(features, 6, replace=False)))
    found, true = np.zeros((instances, features)), np.zeros((instances, labels))
    for row in range(instances):
        members = np.flatnonzero(owner == random.randint(groups))
        for label in random.choice(members, 3, replace=False):
            true[row, label] = 1
            found[row, random.choice(own[label], 8, replace=False)] = 1
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return sp.csr_matrix(found.astype(np.float32)), sp.csr_matrix(
        true.astype(np.float32)
    )


def reference(name: str) -> tuple[dict, Tree]:
    """What PECOS 1.2.8 ranked first, by quantity, and the tree it was given."""
    with np.load(REFERENCE) as file:
        start = f"{name}_"
        kept = {x.removeprefix(start): file[x] for x in file if x.startswith(start)}
    levels = sum(x.startswith("parents_") for x in kept)
    parents = (kept[f"parents_{i}"].astype(np.int64) for i in range(levels))
    return kept, Tree(tuple(parents))
