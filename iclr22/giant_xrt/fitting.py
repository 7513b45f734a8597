"""Features of texts that know a graph: neighbourhoods, a tree over nodes, rounds.

fitted = fitting.fit(texts, edges, encoder=encoder, directory="run")
fitted.features  # [n, h]
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.giant_xrt import encoding, matcher, rounds, rows, targets, tfidf, tree
from iclr22.giant_xrt.encoding import Encoder
from iclr22.giant_xrt.pifa import pifa
from iclr22.giant_xrt.rounds import Fitted
from iclr22.giant_xrt.targets import Targets
from iclr22.giant_xrt.tree import Tree

CLUSTERED = ("pifa", "own", "random")


class Options(NamedTuple):
    """How the tree over nodes is made, and whom is learned from."""

    cluster: Literal["pifa", "own", "random"] = (
        "pifa"  # by texts of neighbours, or by own
    )
    texts: Literal["tfidf", "encoder"] = (
        "tfidf"  # as vectors, of words or the encoder's
    )
    leaf: int = 100  # nodes in a finest cluster, at most
    splits: int = 4  # clusters that are joined into one of the level above
    least: int = 32  # of so many clusters, or fewer, there is no level above
    hubs: int = 1000  # nodes of so many neighbours or more are not learned from


DEFAULT, CONFIG, PLAN = Options(), matcher.Config(), rounds.Options()


def fit(
    texts: Sequence[str],
    edges,
    *,
    encoder: Encoder,
    weights=None,
    directed: bool = False,
    config: matcher.Config = CONFIG,
    options: Options = DEFAULT,
    plan: rounds.Options = PLAN,
    vectors=None,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> Fitted:
    """Fine-tune an encoder on a graph and give features of all its nodes.

    Args:
      texts: of the n nodes; they may be empty.
      edges: `[2, e]` node numbers.
      weights: `[e]`, positive.
      directed: an edge makes its second node a neighbour of its first, not the reverse.
      config: of a round.
      options: of the tree.
      plan: of the rounds.
      vectors: `[n, D]` that the tree is made from instead of texts, sparse or dense.
      directory: of checkpoints and of rounds that ended.
      mode: `jit` or `pmap`.

    Raises:
      errors.InputError: no edges, too few nodes for the leaves, a setting out of range, a
        directory of another training.
    """
    if not len(texts):
        raise errors.InputError("expected texts of nodes; found none")
    given = targets.neighbours(
        len(texts), edges, weights, directed=directed, most=options.hubs
    )
    planted = plant(texts, given, encoder, options, vectors=vectors, seed=seed)
    return rounds.fit(
        texts,
        given,
        planted,
        encoder,
        config,
        plan,
        directory=directory,
        seed=seed,
        mode=mode,
    )


def plant(
    texts: Sequence[str],
    given: Targets,
    encoder: Encoder,
    options: Options = DEFAULT,
    *,
    vectors=None,
    seed: int = 0,
) -> Tree:
    """The tree over nodes.

    Args:
      vectors: as in `fit`.

    Raises:
      errors.InputError: an unknown way to cluster, or a setting out of range.
    """
    if options.cluster not in CLUSTERED:
        raise errors.nearest(options.cluster, CLUSTERED, "way to cluster")
    shape: dict[str, Any] = {
        "leaf": options.leaf,
        "splits": options.splits,
        "least": options.least,
    }
    tree.sizes_of(len(texts), **shape)  # refused before anything is read
    if options.cluster == "random":
        return tree.random_tree(len(texts), **shape, seed=seed)
    if vectors is None and options.texts == "encoder":
        vectors = rows.unit(encoding.embed(encoder, texts).astype(np.float64))
    elif vectors is None:
        vectors = tfidf.fit_transform(texts)[1]
    if options.cluster == "pifa":
        vectors = pifa(given.labels, vectors[given.rows])
    else:
        vectors = rows.unit(vectors)
    return tree.build_tree(
        vectors,
        leaf=options.leaf,
        splits=options.splits,
        least=options.least,
        seed=seed,
    )
