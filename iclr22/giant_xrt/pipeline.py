"""From a graph with texts to an encoder that knows it, and features of all nodes.

A variant is what is trained: `giant`, rounds over a tree that is made from neighbours
(PIFA), `no_pifa`, over one of the nodes' own texts, `random_tree`, over a random one, or
`link`, an encoder that is tuned to tell neighbours from others, the paper's rival.
"""

from typing import Any, NamedTuple

import numpy as np

from iclr22 import errors, graph
from iclr22.data.text_graphs import TextGraph
from iclr22.giant_xrt import artifact, encoding, fitting, link, rounds, tree
from iclr22.giant_xrt.artifact import Model
from iclr22.giant_xrt.encoding import Encoder
from iclr22.giant_xrt.fitting import Options as Tree
from iclr22.giant_xrt.link import Config as Link
from iclr22.giant_xrt.matcher import Config as Matcher
from iclr22.giant_xrt.rounds import Options as Rounds

TREES: dict[str, dict[str, Any]] = {  # variant: what is other about its tree
    "giant": {},
    "no_pifa": {"cluster": "own"},
    "random_tree": {"cluster": "random"},
}
VARIANTS = (*TREES, "link")


class Options(NamedTuple):
    """A variant, and the hyper-parameters of all."""

    MAIN = "matcher"
    RESOLVED = ("variant",)  # by who trains

    variant: str = "giant"  # of VARIANTS
    matcher: Matcher = Matcher()  # of a round
    rounds: Rounds = Rounds()  # how many there are
    tree: Tree = Tree()  # over nodes
    link: Link = Link()  # of the variant of that name


class Fitted(NamedTuple):
    """What one training leaves."""

    encoder: Encoder
    features: np.ndarray  # [n, h] float32, of all nodes
    model: Model | None  # with the tree; none of `link`
    rounds: list[dict[str, float]]  # of each what `rounds.fit` tells; none of `link`


def train(
    data: TextGraph,
    encoder: Encoder,
    options: Options | None = None,
    *,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> Fitted:
    """Train one variant.

    Args:
      data: texts and links; labels are not looked at.
      encoder: `encoding.of_bert` or `encoding.of_bag` makes it.
      directory: an interrupted training goes on from there.

    Raises:
      errors.InputError: an unknown variant; what `fitting.fit` and `link.fit` refuse.
    """
    options = options or Options()
    if options.variant not in VARIANTS:
        raise errors.nearest(options.variant, VARIANTS, "variant")
    links = graph.links(data.nodes.graph)  # both ways, unless the graph is directed
    edges = np.stack([links.senders, links.receivers])
    told = {"directory": directory, "seed": seed, "mode": mode}
    if options.variant == "link":
        (config,) = planned(data, encoder, options).values()
        tuned = link.fit(data.texts, edges, encoder, config, **told)
        return Fitted(tuned, encoding.embed(tuned, data.texts), None, [])
    found = fitting.fit(
        data.texts,
        edges,
        encoder=encoder,
        weights=links.weights,
        directed=True,
        config=options.matcher,
        options=options.tree._replace(**TREES[options.variant]),
        plan=options.rounds,
        **told,
    )
    return Fitted(found.encoder, found.features, artifact.of(found), found.rounds)


def planned(data: TextGraph, encoder: Encoder, options: Options) -> dict[str, Any]:
    """Configurations that are trained for a variant, by name, with what the data decide.

    Raises:
      errors.InputError: a tree that there are too few nodes for.
    """
    shape = options.tree.leaf, options.tree.splits, options.tree.least
    sizes = tree.sizes_of(len(data.texts), *shape)
    given = encoder.config, options.matcher, options.rounds
    every = rounds.planned(sizes, *given)
    if options.variant == "link":  # the same number of updates
        steps = sum(x.steps for x in every)
        return {"link": options.link._replace(encoder=encoder.config, steps=steps)}
    return {f"{options.variant}-{i}": config for i, config in enumerate(every)}
