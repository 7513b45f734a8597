"""Rounds of fine-tuning, coarse to fine: the encoder learns a level of the tree in each.

Every round begins at the encoder of the one before and at a head made from its vectors; its
predictions say which clusters of the next level are hard negatives (Chien et al., ICLR 2022,
section 4; Zhang et al., NeurIPS 2021). With a directory a round that ended is read and one
that was interrupted goes on.
"""

import pathlib
import shutil
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from scipy import sparse

from iclr22 import bundle, checkpoint, errors, identity, loop, parallel
from iclr22.giant_xrt import (
    bootstrap,
    candidates,
    encoding,
    matcher,
    prediction,
    targets,
)
from iclr22.giant_xrt.encoding import Encoder
from iclr22.giant_xrt.prediction import Predicted
from iclr22.giant_xrt.targets import Targets
from iclr22.giant_xrt.tree import Tree
from iclr22.nn.tokens import Texts

KIND, VERSION = "giant_xrt round", 1
FEATURES = "features.npz"
SAVES = 4  # checkpoints of a round
LOOKED = 512  # nodes whose loss is told before and after a round


class Options(NamedTuple):
    """How rounds go; how each learns is `matcher.Config`."""

    steps: tuple[int, ...] = (
        2500,
    )  # updates of each round; the last of all further ones
    most_clusters: int = 2048  # levels with more clusters are not learned
    negatives: candidates.Negatives = (
        "tfn+man"  # parents: true ones, predicted, or both
    )
    top: int = 20  # clusters that are predicted for each node
    most_candidates: int = 256  # of a node; negatives beyond it are left out
    heads: bootstrap.Start = (
        "linear"  # begin at classifiers, parents' rows, or at random
    )
    cost: float = 100.0  # C of these classifiers


class Fitted(NamedTuple):
    """What rounds leave."""

    encoder: Encoder
    tree: Tree
    heads: tuple[dict[str, np.ndarray], ...]  # of each level that was learned
    features: np.ndarray  # [n, h] float32, of all nodes
    rounds: list[dict[str, float]]  # a row of each; see `fit`


class Task(NamedTuple):
    """What does not change from round to round."""

    texts: Texts
    targets: Targets
    tree: Tree
    labels: list[Any]  # CSR [r, K_t] of each level
    config: matcher.Config
    options: Options
    seed: int
    mode: str
    digest: str  # of all these


class Round(NamedTuple):
    """How the encoder stands after a round; before the first nothing is predicted."""

    encoder: Encoder
    head: Any = None
    predicted: Predicted | None = None
    row: dict[str, float] | None = None
    features: np.ndarray | None = None  # [n, h], where they were needed


def levels(tree: Tree, most: int) -> list[int]:
    """Levels that are learned: those of clusters, `most` of them at most.

    Raises:
      errors.InputError: there is none.
    """
    found = [i for i, size in enumerate(tree.sizes[:-1]) if size <= most]
    if not found:
        raise errors.InputError(
            f"expected a tree with a level of 1 to {most} clusters; found levels of "
            f"{', '.join(map(str, tree.sizes))}, the last of which are the labels. Choose "
            "smaller leaves, or more clusters."
        )
    return found


def fit(
    texts: Sequence[str] | Texts,
    targets_: Targets,
    tree: Tree,
    encoder: Encoder,
    config: matcher.Config,
    options: Options,
    *,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> Fitted:
    """Fine-tune an encoder on the neighbourhoods of nodes.

    The row of a round tells clusters; candidates, their mean over nodes; widest; steps;
    begin and end, the loss before and after on some nodes, without dropout; recall,
    percent of a node's clusters among the predicted; seconds.

    Args:
      texts: of all n nodes, or their tokens.
      targets_: neighbourhoods of the nodes that are trained on.
      tree: over all n nodes.
      config: of rounds; encoder, clusters, widest and steps are filled in.
      directory: of checkpoints and of rounds that ended.

    Raises:
      errors.InputError: nothing to learn; a directory of another training.
    """
    given = texts if isinstance(texts, Texts) else encoding.read(encoder, texts)
    learned = levels(tree, options.most_clusters)
    if len(given.lengths) != tree.sizes[-1]:
        raise errors.InputError(
            f"expected a tree over {len(given.lengths)} texts; found one over "
            f"{tree.sizes[-1]} labels"
        )
    config = config._replace(encoder=encoder.config)
    labels = targets.up(targets_.labels, tree)
    what = given.tokens, given.offsets, targets_.rows, labels[-1].data
    content = (*what, labels[-1].indices, tree.parents, encoder.params)
    digest = "-".join([identity.content(content), repr((config, options)), str(seed)])
    task = Task(given, targets_, tree, labels, config, options, seed, mode, digest)
    now, done = Round(encoder), []
    for place, level in enumerate(learned):
        folder = pathlib.Path(directory) / f"round_{place}" if directory else None
        now = _read_or_learn(task, now, place, level, folder)
        done.append(now)
    features = now.features
    if features is None:
        features = encoding.embed(now.encoder, given)
    rows = [x.row for x in done if x.row]
    return Fitted(now.encoder, tree, tuple(x.head for x in done), features, rows)


def _read_or_learn(task: Task, before: Round, place, level, folder) -> Round:
    if folder is None:
        return _learn(task, before, place, level, None)
    path = folder / "round.npz"
    if parallel.any_of_all(path.exists()):
        found = _read(path, task, before.encoder)
        logging.info("round %d of %d clusters: read", place, task.tree.sizes[level])
        return found
    found = _learn(task, before, place, level, folder)
    if parallel.is_main():
        _write(path, task, found)
    parallel.barrier("round")
    if parallel.is_main():
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        (folder.parent / f"round_{place - 1}" / FEATURES).unlink(missing_ok=True)
    return found


def _learn(task: Task, before: Round, place: int, level: int, folder) -> Round:
    """One round."""
    began, options, tree = time.monotonic(), task.options, task.tree
    labels, seed = task.labels[level], task.seed + place
    above = _above(task, before, place, level)
    found = candidates.of(
        above,
        tree.matrix(level),
        labels,
        most=options.most_candidates,
        seed=seed,
    )
    config = task.config._replace(
        clusters=tree.sizes[level],
        widest=int(found.lengths.max()),
        steps=options.steps[min(place, len(options.steps) - 1)],
    )
    head = _first_head(task, before, place, level, above, config)
    source = candidates.batches(
        task.texts,
        task.targets.rows,
        found,
        size=config.batch,
        limit=config.encoder.tokens,
        seed=seed,
        devices=jax.device_count(),
    )
    begin = {"encoder": before.encoder.params, "head": head}
    state = loop.fit(
        matcher,
        config,
        source,
        loop.Schedule(config.steps, save_every=-(-config.steps // SAVES)),
        seed=seed,
        mode=task.mode,
        directory=folder,
        begin=begin,
        name=f"{config.clusters} clusters",
    )
    params = jax.tree.map(_on_host, state.params)
    encoder = before.encoder._replace(params=params["encoder"])
    features = encoding.embed(encoder, task.texts)
    vectors = features[task.targets.rows]
    parents = tree.parents[level] if place else None
    predicted = prediction.predict(
        params["head"], vectors, options.top, parents=parents, above=before.predicted
    )
    row = {
        "clusters": config.clusters,
        "candidates": float(found.lengths.mean()),
        "widest": config.widest,
        "steps": config.steps,
        "begin": _looked(task, config, before, head, found),
        "end": _looked(
            task, config, Round(encoder, features=features), params["head"], found
        ),
        "recall": prediction.recall(predicted, labels),
        "seconds": time.monotonic() - began,
    }
    logging.info("round %d: %s", place, row)
    return Round(encoder, params["head"], predicted, row, features)


def _on_host(x) -> np.ndarray:
    return np.asarray(x.addressable_data(0))


def _above(task: Task, before: Round, place: int, level: int):
    """Clusters of the level above whose children are candidates, bool CSR."""
    if not place:
        return sparse.csr_matrix(np.ones((len(task.targets.rows), 1), bool))
    predicted = before.predicted.clusters if before.predicted else None
    return candidates.parents(task.labels[level - 1], predicted, task.options.negatives)


def _first_head(task: Task, before: Round, place, level, above, config):
    """Where the head of a round begins."""
    found = None
    if place:
        found = bootstrap.head(
            task.options.heads,
            task.tree.parents[level],
            above=above,
            labels=task.labels[level],
            vectors=_vectors(task, before, slice(None)),
            before=before.head,
            cost=task.options.cost,
            seed=task.seed + place,
        )
    if found is None:
        key = jax.random.key(task.seed + place)
        found = jax.device_get(matcher.fresh_head(config, key))
    return found


def _vectors(task: Task, of: Round, rows) -> np.ndarray:
    """Vectors of nodes that are trained on, these rows of them."""
    nodes = task.targets.rows[rows]
    if of.features is not None:
        return of.features[nodes]
    return encoding.embed(of.encoder, task.texts, nodes)


def _looked(task: Task, config, of: Round, head, found) -> float:
    """Mean loss of some nodes that are trained on, without dropout."""
    count = len(task.targets.rows)
    rows = np.random.default_rng(task.seed).permutation(count)[:LOOKED]
    batch = candidates.padded(found, rows, config.widest)
    vectors = jnp.asarray(_vectors(task, of, rows))
    logits = matcher.scores(
        jax.tree.map(jnp.asarray, head), vectors, batch["candidates"]
    )
    each = matcher.example_loss(config, logits, batch["counts"], batch["real"])
    return float(each.mean())


def _write(path, task: Task, done: Round) -> None:
    about = {"digest": task.digest, "row": done.row}
    trees = {
        "params": done.encoder.params,
        "head": done.head,
        "predicted": done.predicted._asdict(),
    }
    checkpoint.write_npz(path.with_name(FEATURES), features=done.features)
    bundle.save(path, KIND, VERSION, about=about, trees=trees)


def _read(path, task: Task, encoder: Encoder) -> Round:
    """A round that ended.

    Raises:
      errors.InputError: it is one of other data or another configuration.
    """
    about, trees = bundle.load(path, KIND, VERSION, lambda x: (x.about, x.trees))
    if about["digest"] != task.digest:
        raise errors.InputError(
            f"{path} is of other texts, edges, encoder or options. Choose another "
            "directory (--workdir)."
        )
    features = None
    if path.with_name(FEATURES).exists():
        with np.load(path.with_name(FEATURES), allow_pickle=False) as file:
            features = file["features"]
    encoder = encoder._replace(params=trees["params"])
    predicted = Predicted(**trees["predicted"])
    return Round(encoder, trees["head"], predicted, about["row"], features)
