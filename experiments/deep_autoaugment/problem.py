"""The data of the Deep AutoAugment experiment: images to learn from, images to test on."""

from typing import NamedTuple

import numpy as np

from experiments import run as runner
from iclr22 import data, errors
from iclr22.deep_autoaugment import classifier, pipeline, training


class Problem(NamedTuple):
    """Images and classes of one seed."""

    x: np.ndarray  # uint8 [n, h, w, c]
    y: np.ndarray  # int32 [n]
    x_test: np.ndarray
    y_test: np.ndarray
    names: tuple[str, ...]  # of classes
    models: pipeline.Options  # resolved

    @property
    def train(self) -> tuple[np.ndarray, np.ndarray]:
        """What is learned from."""
        return self.x, self.y


class Pool(NamedTuple):
    """All that there is of a data set."""

    splits: data.Splits  # train and test
    names: tuple[str, ...]
    models: pipeline.Options  # with what the data decide


def load(run: runner.Run) -> Pool:
    """The data set that was asked for, pixels from 0 to 255. Where there is no test split,
    it is a quarter of the images, the same for all seeds."""
    if run.own:
        splits, names = data.from_file(run.dataset, image_size=run.options.image_size)
    else:
        entry = data.get(run.dataset)
        rng = np.random.default_rng(0)
        splits = entry.synthetic(rng, 400) if run.quick else entry.load(run.data_dir)
        names = entry.info.class_names
    for split in splits.values():
        if "x" not in split or split["x"].ndim != 4:
            found = split["x"].shape if "x" in split else "features alone"
            raise errors.InputError(
                f"{run.dataset}: expected images x [n, h, w, channels]; found {found}"
            )
    if run.dataset == "digits":
        splits = {k: v | {"x": stretched(v["x"])} for k, v in splits.items()}
    if "test" not in splits:
        splits = _divided(splits["train"])
    splits = {
        name: dict(zip("xy", classifier.checked(split["x"], split["y"]), strict=True))
        for name, split in splits.items()
    }
    classes = 1 + max(int(part["y"].max()) for part in splits.values())
    names = tuple(names) or tuple(map(str, range(classes)))
    return Pool(splits, names, _resolved(run.options.models, splits["train"], classes))


def _divided(split) -> data.Splits:
    order = np.random.default_rng(7).permutation(len(split["y"]))
    count = len(order) // 4
    rows = {"test": order[:count], "train": np.sort(order[count:])}
    return {name: {k: split[k][at] for k in "xy"} for name, at in rows.items()}


def _resolved(models: pipeline.Options, train, classes: int) -> pipeline.Options:
    """Options whose networks know the classes, and how bright images are: those of all
    seeds are alike, so that one program serves them."""

    def fitted(config):
        config = config._replace(classes=classes)
        return training.fitted_to(config, train["x"], train["y"])

    pretrain = fitted(models.search.pretrain)
    return models._replace(
        search=models.search._replace(pretrain=pretrain), train=fitted(models.train)
    )


def stretched(x) -> np.ndarray:
    """Pixels from 0 to 16 as pixels from 0 to 255."""
    return np.rint(x * (255 / 16)).astype(np.uint8)


def make(run: runner.Run, pool: Pool, seed: int) -> Problem:
    """One seed's images: `train_size` of them to learn from, chosen by the seed."""
    options, train, test = run.options, pool.splits["train"], pool.splits["test"]
    order = np.random.default_rng((seed, 7)).permutation(len(train["y"]))
    rows, most = order[: options.train_size or None], options.test_size or None
    return Problem(
        train["x"][rows],
        train["y"][rows],
        test["x"][:most],
        test["y"][:most],
        pool.names,
        pool.models,
    )
