"""Rounds of fine-tuning, coarse to fine: the encoder learns a level of the tree in each.

Every round begins at the encoder of the one before and at a head made from its vectors; its
predictions say which clusters of the next level are hard negatives (Chien et al., ICLR 2022,
section 4; Zhang et al., NeurIPS 2021). With a directory a round that ended is read and one
that was interrupted goes on.
"""

import pathlib
import shutil
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import bundle, checkpoint, errors, identity, parallel
from iclr22.giant_xrt import encoding, learning, matcher, targets
from iclr22.giant_xrt.encoding import Encoder
from iclr22.giant_xrt.learning import Options, Round, Task
from iclr22.giant_xrt.prediction import Predicted
from iclr22.giant_xrt.targets import Targets
from iclr22.giant_xrt.tree import Tree
from iclr22.nn.tokens import Texts

KIND, VERSION = "giant_xrt round", 1
FEATURES = "features.npz"


class Fitted(NamedTuple):
    """What rounds leave."""

    encoder: Encoder
    tree: Tree
    heads: tuple[dict[str, np.ndarray], ...]  # of each level that was learned
    features: np.ndarray  # [n, h] float32, of all nodes
    rounds: list[dict[str, float]]  # a row of each; see `fit`


def levels(sizes: Sequence[int], most: int) -> list[int]:
    """Levels of a tree of these sizes that are learned: those of clusters, `most` of them
    at most; the last are the labels.

    Raises:
      errors.InputError: there is none.
    """
    found = [i for i, size in enumerate(sizes[:-1]) if size <= most]
    if not found:
        raise errors.InputError(
            f"expected a tree with a level of 1 to {most} clusters; found levels of "
            f"{', '.join(map(str, sizes))}, the last of which are the labels. Choose "
            "smaller leaves, or more clusters."
        )
    return found


def planned(
    sizes: Sequence[int],
    encoder: encoding.Config,
    config: matcher.Config,
    options: Options,
) -> list[matcher.Config]:
    """Configurations of all rounds over a tree of these sizes; `widest` (of
    `pad_like_pecos`) is known only once there are candidates.

    Raises:
      errors.InputError: no level to learn.
    """
    return [
        config._replace(
            encoder=encoder, clusters=sizes[level], steps=learning.steps(options, place)
        )
        for place, level in enumerate(levels(sizes, options.most_clusters))
    ]


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
    learned = levels(tree.sizes, options.most_clusters)
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
        return learning.learn(task, before, place, level, None)
    path = folder / "round.npz"
    if parallel.any_of_all(path.exists()):
        found = _read(path, task, before.encoder)
        logging.info("round %d of %d clusters: read", place, task.tree.sizes[level])
        return found
    found = learning.learn(task, before, place, level, folder)
    if parallel.is_main():
        _write(path, task, found)
    parallel.barrier("round")
    if parallel.is_main():
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        (folder.parent / f"round_{place - 1}" / FEATURES).unlink(missing_ok=True)
    return found


def _write(path, task: Task, done: Round) -> None:
    about = {"digest": task.digest, "row": done.row}
    assert done.predicted is not None
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
