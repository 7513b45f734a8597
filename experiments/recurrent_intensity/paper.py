"""Recurrent intensity: published numbers, headlines, claims, and the commands of both.

Ma, Liu and Deoras, ICLR 2022 (OpenReview TZeArecH2Nf). Numbers are those of the figure of
the released code on MovieLens-1M, read off.
"""

from collections.abc import Iterator

from experiments.paper import Claim, Headline, Job

NEED = "A log of who bought what: whom to tell about an item, within budgets."

TABLE = (
    "pop",
    "ema",
    "hawkes",
    "hp",
    "als",
    "bpr",
    "logistic_mf",
    "graph_conv",
    "rnn",
    "rnn_pop",
    "rnn_ema",
    "rnn_hawkes",
    "rnn_hp",
    "transformer",
    "transformer_hp",
)  # variants
SIDES = ("item/precision", "user/precision")  # items for users, users for items
# The paper's precision is events per recommendation: an event that repeats counts again.
PAIRS = ("item/pair_precision", "user/pair_precision")  # counts it once
PRECISION = {
    "ml1m": {  # percent, of both sides
        "pop": (1.09, 1.72),
        "ema": (1.09, 1.93),
        "hawkes": (1.09, 2.00),
        "hp": (1.09, 2.09),
        "als": (1.41, 1.71),
        "bpr": (1.22, 1.68),
        "bpr_item": (1.24, 0.42),
        "bpr_user": (0.37, 1.22),
        "logistic_mf": (1.08, 1.57),
        "lda": (1.02, 0.33),
        "graph_conv": (1.47, 2.3),
        "graph_conv_extra": (1.80, 2.9),
        "rnn": (2.50, 1.71),
        "rnn_pop": (2.50, 3.06),
        "rnn_ema": (2.50, 3.42),
        "rnn_hawkes": (2.50, 4.67),
        "rnn_hp": (2.50, 4.70),
        "transformer": (2.58, 1.75),
        "transformer_pop": (2.58, 3.18),
        "transformer_ema": (2.58, 3.51),
        "transformer_hawkes": (2.58, 4.88),
        "transformer_hp": (2.58, 4.91),
    },
}
MOVIES = "user, exclude_train"  # setting of MovieLens


def published(dataset: str, variant: str, metric: str) -> float | str:
    """The paper's number, or an empty string."""
    found = PRECISION.get(dataset, {}).get(variant)
    return found[SIDES.index(metric)] if found and metric in SIDES else ""


def _headlines() -> Iterator[Headline]:
    movies = ("--dataset=ml100k", "--seeds=3")
    first = ("ml100k", MOVIES, "rnn_hp", "user/precision")
    yield _headline(first, movies)
    for dataset, setting, variants, command in (
        ("simulated", "temporal", ("pop", "rnn", "rnn_hp", "true"), ("--seeds=3",)),
        (
            "ml100k",
            "user 0, exclude_train",
            ("rnn", "rnn_hp"),
            (*movies, "--split_seed=0"),
        ),
        ("ml100k", MOVIES, TABLE, movies),
    ):
        for variant in variants:
            for metric in SIDES:
                key = (dataset, setting, variant, metric)
                if key != first:
                    yield _headline(key, command)
    for variant in ("pop", "rnn", "rnn_hp", "true"):
        for metric in PAIRS:  # where users buy the same again
            yield _headline(("simulated", "temporal", variant, metric), ("--seeds=3",))


def _headline(key, command) -> Headline:
    dataset, _, variant, metric = key
    what = "items for users" if metric.startswith("item/") else "users for items"
    quantity = "events per recommendation"
    if metric in PAIRS:
        quantity = "recommendations with an event"
    paper = published(dataset, variant, metric)
    return Headline(f"{variant}, {what}, {quantity} [%]", key, paper, command)


def _claims() -> Iterator[Claim]:
    for dataset, setting, ours in (
        ("simulated", "temporal", True),
        ("ml100k", MOVIES, False),
        ("ml1m", MOVIES, False),
    ):
        for network in ("rnn", "transformer"):
            plain = (dataset, setting, network)
            product = (dataset, setting, f"{network}_hp")
            for word, factor in (("raises", 1.0), ("doubles", 2.0)):
                what = f"{dataset}: activity {word} the events of audiences"
                yield Claim(
                    what=f"{what} ({network})",
                    key=(*product, "user/precision"),
                    relation="above",
                    bound=(*plain, "user/precision"),
                    factor=factor,
                    ours=ours,
                )
            yield Claim(
                what=f"{dataset}: items for users stay as good ({network})",
                key=(*product, "item/precision"),
                relation="above",
                bound=(*plain, "item/precision"),
                factor=0.95,
                ours=ours,
            )


HEADLINES = tuple(_headlines())
CLAIMS = tuple(_claims())
_ML100K = {"needs": "ml100k", "files": ("movielens/ml100k.npz",)}
JOBS = {
    "quick": (Job("synthetic", ("--quick",), 1, ("precision",)),),
    "small": (
        Job("generated", ("--seeds=3",), 2, ("precision",)),
        Job(
            name="ml100k",
            arguments=(
                "--dataset=ml100k",
                "--seeds=3",
                "--variant=rnn,rnn_hp",
                "--sweep=",
            ),
            minutes=7,
            figures=("precision",),
            **_ML100K,
        ),
    ),
    "paper": (
        Job("generated", ("--seeds=3",), 2, ("precision",)),
        Job(
            name="ml100k",
            arguments=("--dataset=ml100k", "--seeds=3"),
            minutes=25,
            figures=("precision", "tradeoff"),
            **_ML100K,
        ),
        Job(
            name="ml1m",
            arguments=("--dataset=ml1m", "--seeds=3"),
            minutes=300,
            figures=("precision",),
            needs="ml1m",
        ),
    ),
}
