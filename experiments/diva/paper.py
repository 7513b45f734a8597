"""DIVA: published numbers, headlines, claims, and the commands that measure them.

Numbers are those of figure 3 and table 1 of arXiv:2111.09785: ranges over six fine-grained
image sets and a ResNet-34, so they say which range to expect, not which number.
"""

from collections.abc import Iterator

from experiments.paper import Claim, Headline, Job

NEED = "Labelled data, some of whose labels may be wrong."

RANGES = {
    ("derivative", "flips/auc"): "0.90-0.99",
    ("derivative", "flips/f1"): "0.68-0.92",
    ("uniform", "test/error"): "20.2-58.9",
    ("reweight", "test/error"): "19.2-56.3",
}
_LINES = (  # what, variant, metric
    ("AUC", "derivative", "flips/auc"),
    ("F1 at zero", "derivative", "flips/f1"),
    ("AUC, path score", "derivative_path", "flips/auc"),
    ("AUC, leave-one-out residual", "loo_residual", "flips/auc"),
    ("test error [%]", "uniform", "test/error"),
    ("after one step of reweighting", "reweight", "test/error"),
)
_WEIGHTS = "weights/efficientnet_lite0.npz"
_DIGITS = ("--seeds=5",)
_CIFAR10 = (
    "--dataset=cifar10",
    "--model=efficientnet_lite0",
    f"--weights={{data}}/{_WEIGHTS}",
    "--seeds=5",
)
_MEASURED = (  # data set, features, arguments of the command
    ("digits", "random_relu", _DIGITS),
    ("cifar10", "efficientnet_lite0", _CIFAR10),
)


def _headlines() -> Iterator[Headline]:
    for dataset, features, arguments in _MEASURED:
        for what, variant, metric in _LINES:
            yield Headline(
                what=f"20 % flipped labels, {what}",
                key=(dataset, features, variant, metric),
                published=RANGES.get((variant, metric), ""),
                arguments=arguments,
            )


def _claims() -> Iterator[Claim]:
    for dataset, features, _ in _MEASURED:
        place = (dataset, features)
        yield Claim(
            f"{dataset}: flipped labels are found, AUC in the published range or above",
            (*place, "derivative", "flips/auc"),
            "above",
            _low("derivative", "flips/auc"),
        )
        yield Claim(
            f"{dataset}: a threshold of zero finds them, F1 as published or above",
            (*place, "derivative", "flips/f1"),
            "above",
            _low("derivative", "flips/f1"),
        )
        yield Claim(
            f"{dataset}: a step of reweighting lowers the test error",
            (*place, "reweight", "test/error"),
            "below",
            (*place, "uniform", "test/error"),
        )


def _low(variant: str, metric: str) -> float:
    """The lower end of a published range."""
    return float(RANGES[variant, metric].split("-")[0])


HEADLINES = tuple(_headlines())
CLAIMS = tuple(_claims())
JOBS = {
    "quick": (Job("synthetic", ("--quick",), 1, ("detection",)),),
    "small": (Job("digits", _DIGITS, 2, ("detection",)),),
    "paper": (
        Job("digits", _DIGITS, 2, ("detection",)),
        Job(
            "cifar10",
            _CIFAR10,
            20,
            ("detection",),
            needs="cifar10",
            files=("images/cifar10_jpeg.npz", _WEIGHTS),
        ),
    ),
}
