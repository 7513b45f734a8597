"""In-domain generalization: published numbers, headlines, claims, and their commands.

Numbers are those of the leaderboard of arXiv:2107.08221, R2 times 0.01, on the authors' own
splits, which are not in their code; those here are this project's, with the same shares.
"""

from collections.abc import Iterator

from experiments.paper import Claim, Headline, Job

NEED = "In which ranges of pose, size or colour a regressor of images can be trusted."

LEADERS = {  # data set: by model, extrapolation
    "dsprites": {"pcl": 0.667, "densenet121": 0.644},
    "shapes3d": {"resnet101": 0.678, "resnet50": 0.628},
    "mpi3d": {"resnet50_in21k": 0.541, "resnet101_in21k": 0.416},
}
MODELS = {  # variant: in words, in the order of the tables
    "soft_argmax": "soft-argmax (ours)",
    "cnn": "CNN",
    "coord_conv": "CoordConv",
    "p4_cnn": "CNN equivariant under quarter turns",
    "stn": "spatial transformer",
    "mlp": "MLP",
    "resnet50": "ResNet-50",
    "resnet101": "ResNet-101",
    "densenet121": "DenseNet-121",
    "pca": "PCA",
    "beta_vae": "beta-VAE",
    "ada_gvae": "Ada-GVAE",
    "slow_vae": "SlowVAE",
    "pcl": "PCL",
    "clamp_oracle": "truth, clipped to what training has",
    "train_mean": "mean of training",
}
OURS, ORACLES = ("soft_argmax",), ("clamp_oracle", "train_mean")
TRAINABLE = tuple(x for x in MODELS if x not in (*OURS, *ORACLES))
SPLITS = {
    "random": "random",
    "interpolation": "interpolation",
    "composition": "composition",
    "any_low": "composition, any low",
    "extrapolation": "extrapolation",
}
SHIFTED = tuple(SPLITS)[1:]
CHANGES = {  # of training images: in words
    "corrupt": "noise, blur, holes",
    "shift": "shifts, targets with them",
    "rand_augment": "RandAugment, targets as they were",
}
TEST, COVERED = "test/r_squared", "bands/coverage"
SETS = {  # data set: (its split factors whose ends are beyond training, arguments)
    "mini_dsprites": (("scale", "x", "y"), ()),
    "shapes3d_like": (
        ("floor", "wall", "object", "size", "azimuth"),
        ("--dataset=shapes3d_like",),
    ),
}


def published(dataset: str, variant: str, split: str) -> float | str:
    """The paper's number, or an empty string."""
    if split != "extrapolation":
        return ""
    return LEADERS.get(dataset, {}).get(variant, "")


def shown(model: str, split: str) -> bool:
    """Whether the table has that row; the figure has all of them."""
    if model in ORACLES:
        return split == "extrapolation"
    return model in ("soft_argmax", "cnn") or split not in ("interpolation", "any_low")


def _headlines() -> Iterator[Headline]:
    key = ("mini_dsprites", "extrapolation", "cnn", TEST)
    of = ("--model=cnn", "--split=extrapolation", "--seeds=3")
    yield Headline("CNN, extrapolation, R2", key, arguments=of)
    for data, (factors, arguments) in SETS.items():
        for split, told in SPLITS.items():
            for model, name in MODELS.items():
                if (data, split, model, TEST) == key or not shown(model, split):
                    continue
                usual = model if model in (*OURS, *TRAINABLE) else "cnn"
                of = (*arguments, f"--model={usual}", f"--split={split}", "--seeds=3")
                measured = (data, split, model, TEST)
                yield Headline(f"{name}, {told}, R2", measured, arguments=of)
        for model in ("soft_argmax", "cnn"):
            of = (*arguments, f"--model={model}", "--split=extrapolation", "--seeds=3")
            for factor in factors:
                found = (data, "extrapolation", model, f"ood/r_squared_{factor}")
                told = f"{MODELS[model]}, {factor} beyond training alone, R2"
                yield Headline(told, found, arguments=of)
            for metric, what in (
                (COVERED, "images in bands, trusted range [%]"),
                ("ood/auroc", "AUROC of a score of images out of range"),
            ):
                found = (data, "extrapolation", model, metric)
                yield Headline(f"{MODELS[model]}, {what}", found, arguments=of)


def _changes() -> Iterator[Headline]:
    """The study of augmentations."""
    for change, told in CHANGES.items():
        for split in ("random", "extrapolation"):
            key = ("mini_dsprites", split, f"cnn, {change}", TEST)
            of = ("--model=cnn", f"--augmentation={change}", f"--split={split}")
            what = f"CNN with {told}, {split}, R2"
            yield Headline(what, key, arguments=(*of, "--seeds=3"))


def _claims() -> Iterator[Claim]:
    for data, (factors, _) in SETS.items():
        for model in TRAINABLE:
            for split in SHIFTED:
                yield Claim(
                    f"{data}: {MODELS[model]} falls from random to {SPLITS[split]}",
                    (data, "random", model, TEST),
                    "above",
                    (data, split, model, TEST),
                )
        for factor in factors:
            key = (data, "extrapolation", "cnn", f"id/r_squared_{factor}")
            yield Claim(
                f"{data}: {factor} is read while another factor is beyond training, "
                "better than beyond training itself",
                key,
                "above",
                (*key[:3], f"ood/r_squared_{factor}"),
            )
        yield Claim(
            f"{data}: predictions beyond training are pulled back to it",
            (data, "extrapolation", "cnn", "ood/bias"),
            "below",
            0.0,
        )
        yield from _ours(data, factors)


def _ours(data, factors) -> Iterator[Claim]:
    """What the paper has not."""
    if data == "mini_dsprites":
        yield Claim(
            f"{data}: changes of images that change factors spoil even the random split",
            (data, "random", "cnn", TEST),
            "above",
            (data, "random", "cnn, rand_augment", TEST),
            ours=True,
        )
        for factor in ("x", "y"):
            key = (data, "extrapolation", "cnn, shift", f"{TEST}_{factor}")
            yield Claim(
                f"{data}: shifts with their targets help {factor} beyond training",
                key,
                "above",
                (data, "extrapolation", "cnn", key[3]),
                ours=True,
            )
    own = (data, "extrapolation", "soft_argmax")
    if data == "mini_dsprites":
        yield Claim(
            f"{data}: soft-argmax extrapolates, R2 0.95 or more",
            (*own, TEST),
            "above",
            0.95,
            ours=True,
        )
        for factor in ("x", "y"):
            yield Claim(
                f"{data}: soft-argmax reads {factor} beyond training, R2 0.98 or more",
                (*own, f"ood/r_squared_{factor}"),
                "above",
                0.98,
                ours=True,
            )
    for factor in factors:
        yield Claim(
            f"{data}: soft-argmax reads {factor} better than the truth clipped to training",
            (*own, f"{TEST}_{factor}"),
            "above",
            (data, "extrapolation", "clamp_oracle", f"{TEST}_{factor}"),
            ours=True,
        )
    for split, told in SPLITS.items():
        for model in ("soft_argmax", "cnn"):
            for relation, bound in (("above", 88.0), ("below", 92.0)):
                yield Claim(
                    f"{data}: bands of {MODELS[model]} cover {relation} {bound:.0f} % in "
                    f"the trusted range, {told}",
                    (data, split, model, COVERED),
                    relation,
                    bound,
                    ours=True,
                )


HEADLINES = (*_headlines(), *_changes())
CLAIMS = tuple(_claims())
FIGURES = ("headline", "splits", "curves", "certificate")
JOBS = {
    "quick": (Job("sprites", ("--quick",), 1, ("headline",)),),
    "small": (Job("sprites", (), 8, FIGURES),),
    "paper": (
        Job("sprites", (), 8, FIGURES),
        Job("scenes", ("--dataset=shapes3d_like",), 15, FIGURES),
    ),
}
