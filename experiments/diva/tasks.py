"""The data of the DIVA experiment: one seed's problem, given and true labels."""

from typing import NamedTuple

import numpy as np

from experiments import run as runner
from iclr22 import data, diva, errors
from iclr22.data import Splits
from iclr22.diva import maps

PRETRAINED, FILE, VECTORS = "efficientnet_lite0", "features", "vectors"  # of --model
NETWORK_SIZE = 32  # pixels of a folder's images for the network trained here


class Pool(NamedTuple):
    """All that there is of a data set."""

    splits: Splits
    names: tuple[str, ...]  # of classes
    model: tuple[str, ...]  # which features are measured


class Task(NamedTuple):
    """One seed's problem: images or vectors, given and true labels, test data."""

    x: np.ndarray  # [n, ...], through `scaling`
    y: np.ndarray  # [n] given labels
    clean: np.ndarray  # [n] true labels as far as known
    flips: np.ndarray  # [n] bool
    x_test: np.ndarray  # [t, ...], through `scaling`
    y_test: np.ndarray  # [t]
    classes: int
    seed: int
    tag: str = ""  # in names of what is trained: other labels, another network
    scaling: maps.Scaling | None = None

    @property
    def targets(self):
        """One-hot `[n, classes]`."""
        return diva.one_hot(self.y, self.classes)


def load(run: runner.Run) -> Pool:
    """The data set that was asked for."""
    if run.own:
        large = PRETRAINED in run.options.model
        size = run.options.image_size if large else NETWORK_SIZE
        splits, names = data.from_file(run.dataset, image_size=size)
    else:
        entry = data.get(run.dataset)
        rng = np.random.default_rng(0)
        splits = entry.synthetic(rng, 400) if run.quick else entry.load(run.data_dir)
        names = entry.info.class_names
    classes = 1 + max(int(part["y"].max()) for part in splits.values())
    names = tuple(names) or tuple(str(i) for i in range(classes))
    return Pool(splits, names, _models(run, splits["train"]))


def _models(run, train) -> tuple[str, ...]:
    """Kinds of features; of own data what no label has touched, unless told otherwise.

    What they need must be in the file; better to hear so before any long work.
    """
    model = run.options.model
    if not model:
        flat = "z" in train or train["x"].ndim == 2
        model = (VECTORS,) if flat else ("random_relu",)
    for name in model:
        if name == VECTORS and "z" not in train and train["x"].ndim > 2:
            raise errors.InputError(
                f"--model={name} needs z or vectors x [n, d] in {run.dataset}; found "
                f"x {train['x'].shape}"
            )
        field = _field(name, train)
        if field not in train:
            raise errors.InputError(
                f"--model={name} needs {field} in {run.dataset}; found {', '.join(train)}"
            )
    return model


def _field(model: str, train) -> str:
    """What of a file the features are made of."""
    return "z" if model == FILE or (model == VECTORS and "z" in train) else "x"


def make_task(run: runner.Run, pool: Pool, seed: int) -> Task:
    """Choose and flip with the seed. With a test split only the flips vary by seed."""
    options, train = run.options, pool.splits["train"]
    field = _field(pool.model[0], train) if len(pool.model) == 1 else "x"
    x, y = train[field], train["y"]
    rng = np.random.default_rng(seed)
    if run.own or "test" in pool.splits:
        order = np.arange(len(y))
        test = pool.splits.get("test", {field: x[:0], "y": y[:0]})
        x_test, y_test = test[field], test["y"]
    else:
        order = rng.permutation(len(y))
        size = options.train_size
        rest = order[size:] if size < len(y) else order[len(y) // 2 :]
        x_test, y_test = x[rest], y[rest]
        order = order[: len(y) - len(rest)]
    order = order if run.own else order[: options.train_size]
    keep = slice(None, options.test_size or None)
    clean = y[order]
    noisy, flips = flip(clean, len(pool.names), options.noise, rng)
    if run.own:
        flips |= train.get("flipped", np.zeros(len(y), bool))
    scaling = maps.scaling_of(x, options.models.standardise)
    return Task(
        x=scaling(x[order]),
        y=noisy,
        clean=clean,
        flips=flips,
        x_test=scaling(x_test[keep]),
        y_test=y_test[keep],
        classes=len(pool.names),
        seed=seed,
        scaling=scaling,
    )


def flip(labels, classes: int, share: float, rng):
    """Replace a share of labels by another class, uniformly: `(labels, flipped)`.

    Differs: the paper draws the replacement from all classes or does not say; here it
    is always a different one, so that every flip is wrong.
    """
    n = len(labels)
    flips = np.zeros(n, bool)
    flips[rng.choice(n, round(share * n), replace=False)] = True
    shift = rng.integers(1, classes, n)
    return np.where(flips, (labels + shift) % classes, labels), flips
