"""GRDA: published numbers, headlines, claims, and the commands that measure them.

Numbers are those of tables 1 and 2 of arXiv:2202.03428.
"""

from collections.abc import Iterator

from experiments.paper import Claim, Headline, Job

NEED = "Many related sites or sensors, labels at a few of them."

_PAPER = ("source_only", "dann", "adda", "cdann", "mdd", "grda")
ACCURACY = {
    "dg15": (39.77, 72.11, 69.00, 72.44, 51.33, 84.44),
    "dg60": (38.39, 61.98, 32.17, 61.70, 66.24, 96.76),
}
MSE = {
    "tpt48_east_west": {
        "level1/mse": (1.852, 3.942, 2.449, 0.902, 0.993, 0.936),
        "level2/mse": (1.992, 2.186, 2.401, 2.335, 1.383, 1.025),
        "level3/mse": (1.942, 1.939, 1.966, 3.002, 1.603, 1.830),
        "target/mse": (1.926, 2.679, 2.254, 2.108, 1.335, 1.297),
    },
    "tpt48_north_south": {
        "level1/mse": (2.255, 1.851, 2.172, 0.924, 1.159, 0.754),
        "level2/mse": (1.900, 1.964, 2.600, 6.434, 2.087, 0.882),
        "level3/mse": (3.032, 4.015, 3.462, 1.882, 3.149, 1.889),
        "target/mse": (2.426, 2.600, 2.709, 2.621, 2.054, 1.165),
    },
}


SEEDS = {"dg15": 5, "dg60": 3}
MEASURED = ("grda", *_PAPER[:-1], "propagate", "grda_plus")  # in the order of a table


def published(dataset: str, variant: str, metric: str):
    """The paper's number, or an empty string."""
    if variant not in _PAPER:
        return ""
    if metric == "target/accuracy" and dataset in ACCURACY:
        return ACCURACY[dataset][_PAPER.index(variant)]
    values = MSE.get(dataset, {}).get(metric)
    return values[_PAPER.index(variant)] if values else ""


def _headlines() -> Iterator[Headline]:
    metric = "target/accuracy"
    for dataset in ("dg15", "dg60"):
        command = (f"--dataset={dataset}", f"--seeds={SEEDS[dataset]}")
        for variant in MEASURED:
            yield Headline(
                f"{variant}, target domains, accuracy [%]",
                (dataset, "independent", variant, metric),
                published(dataset, variant, metric),
                command,
            )
        yield Headline(
            "grda as released (batches leak target labels) [%]",
            (dataset, "shared_index", "grda", metric),
            published(dataset, "grda", metric),
            command,
        )
    short = ("source_only", "grda", "grda_plus", "least_squares")
    for variant in short:
        yield Headline(
            f"{variant}, target states, accuracy [%]",
            ("tpt48_east_west_classes", "independent", variant, metric),
            arguments=("--dataset=tpt48_east_west_classes", "--seeds=3"),
        )
    for dataset in ("tpt48_east_west", "tpt48_north_south"):
        for variant in short:
            yield Headline(
                f"{variant}, target states, MSE",
                (dataset, "independent", variant, "target/mse"),
                published(dataset, variant, "target/mse"),
                (f"--dataset={dataset}", "--seeds=3"),
            )


def _claims() -> Iterator[Claim]:
    metric = "target/accuracy"
    for dataset, numbers in ACCURACY.items():
        place, number = (dataset, "independent"), numbers[-1]
        key = (*place, "grda", metric)
        for other in ("source_only", "dann"):
            what = f"{dataset}: GRDA is better than {other}, no labels leaking"
            yield Claim(what, key, "above", (*place, other, metric))
        what = f"{dataset}: GRDA as good as published, no labels leaking"
        yield Claim(what, key, "above", number)
        released = (dataset, "shared_index", "grda", metric)
        what = f"{dataset}: the same with the released batches, which leak labels"
        yield Claim(what, released, "above", number, 0.95, ours=True)
        what = f"{dataset}: GRDA+ reaches the published number without a leak"
        yield Claim(what, (*place, "grda_plus", metric), "above", number, ours=True)
    for dataset in MSE:
        ours, other = (
            (dataset, "independent", variant, "target/mse")
            for variant in ("grda", "source_only")
        )
        what = f"{dataset}: GRDA is better than training on sources"
        yield Claim(what, ours, "below", other)


HEADLINES = tuple(_headlines())
CLAIMS = tuple(_claims())
_SOME = "--method=source_only,grda,grda_plus"
_DG60 = {"needs": "dg60", "files": ("grda/dg60.npz",)}
JOBS = {
    "quick": (Job("synthetic", ("--quick",), 1, ("targets",)),),
    "small": (
        Job("dg15", ("--seeds=5",), 3, ("targets",)),
        Job("dg60", ("--dataset=dg60", _SOME, "--seeds=1"), 4, **_DG60),
        Job("east_west", ("--dataset=tpt48_east_west", _SOME, "--seeds=3"), 2),
        Job("north_south", ("--dataset=tpt48_north_south", _SOME, "--seeds=3"), 2),
    ),
    "paper": (
        Job("dg15", ("--seeds=5",), 3, ("targets",)),
        Job("noise", ("--task=noise", "--seeds=3"), 8, ("noise",)),
        Job("dg60", ("--dataset=dg60", "--seeds=3"), 40, ("targets",), **_DG60),
        Job("east_west", ("--dataset=tpt48_east_west", "--seeds=3"), 6),
        Job("north_south", ("--dataset=tpt48_north_south", "--seeds=3"), 6),
        Job("classes", ("--dataset=tpt48_east_west_classes", "--seeds=3"), 6),
    ),
}
