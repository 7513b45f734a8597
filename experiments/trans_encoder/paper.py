"""Trans-Encoder: published numbers, headlines, claims, and the commands that measure them.

Numbers are those of the tables of arXiv:2109.13059 (Spearman times 100; areas under
the curve), of encoders of base size.
"""

from collections.abc import Iterator

from experiments.paper import Claim, Headline, Job

NEED = "Sentence pairs without labels: a fast embedder, an accurate re-ranker."

SETS = ("sts12", "sts13", "sts14", "sts15", "sts16", "stsb", "sickr")
SPEARMAN = {  # SimCSE-BERT-base, in the order of SETS
    "start": (68.64, 82.39, 74.30, 80.69, 78.71, 76.54, 72.22),
    "bi": (72.17, 84.40, 76.69, 83.28, 80.91, 81.26, 71.84),
    "cross": (71.94, 84.14, 76.39, 82.87, 80.65, 81.06, 71.16),
    "mutual_bi": (75.09, 85.10, 77.90, 85.08, 83.05, 83.90, 72.76),
    "mutual_cross": (75.44, 85.59, 78.03, 84.44, 82.65, 83.61, 69.52),
}
ROBERTA = {  # SimCSE-RoBERTa-base
    "start": (68.34, 80.96, 73.13, 80.86, 80.61, 80.20, 68.62),
    "bi": (73.36, 82.47, 76.39, 83.96, 82.67, 82.05, 67.63),
    "cross": (72.59, 83.24, 76.83, 84.20, 82.82, 82.85, 69.51),
    "mutual_bi": (75.01, 85.22, 78.26, 85.16, 83.22, 83.88, 72.56),
    "mutual_cross": (76.37, 85.87, 79.03, 85.77, 83.77, 84.65, 72.62),
}
AUC = {  # of MRPC, SimCSE-BERT-base
    "start": 0.7502,
    "bi": 0.7571,
    "cross": 0.7621,
    "mutual_bi": 0.7662,
    "mutual_cross": 0.7777,
}
ORDER = (
    "start",
    "bi",
    "cross",
    "mutual_bi",
    "mutual_cross",
    "ensemble",
    "static",
    "self_bi",
    "tsdae",
    "shuffled",
)
SHORT = "contrast, noise 0.4, 2x64"  # of the default command
WEAK, STRONG = "encoder, 6x384", "encoder, 3x384"  # [CLS] of two MiniLM, packaged
BOTH = f"{WEAK} and 3x384"
MUTUAL = (  # no encoder has 12 layers there: more updates at a higher rate than published
    *("--dataset=stsb", "--encoder=bert", "--second_encoder=other", "--variant=mutual"),
    *("--pool=scored", "--pooling=cls", "--cycles=1", "--looks=5", "--seeds=3"),
    *("--batch=64", "--epochs=2", "--learning_rate=5e-5"),
    *("--cross.tokens=48", "--cross.epochs=1", "--cross.learning_rate=2e-4"),
)
TEST = "test/spearman"


def published(dataset: str, variant: str, metric: str) -> float | str:
    """The paper's number, of both encoders from the lower to the higher one, or an empty
    string."""
    if (dataset, metric) == ("mrpc", "test/auc"):
        return AUC.get(variant, "")
    if dataset not in SETS or metric != TEST or variant not in SPEARMAN:
        return ""
    place = SETS.index(dataset)
    both = sorted((SPEARMAN[variant][place], ROBERTA[variant][place]))
    return "{:.2f}-{:.2f}".format(*both)


def _headlines() -> Iterator[Headline]:
    told = {
        "cross": "cross-encoder",
        "start": "its noisy teacher",
        "bi": "bi-encoder",
        "ensemble": "both together",
        "static": "static encoder",
        "shuffled": "cross-encoder of shuffled labels",
    }
    for variant, name in told.items():
        command = ("--variant=shuffled",) if variant == "shuffled" else ()
        key = ("facts", SHORT, variant, TEST)
        yield Headline(f"{name}, Spearman [%]", key, arguments=command)
    key = ("facts", "contrast itself, 2x64", "start", TEST)
    yield Headline("its teacher without noise, Spearman [%]", key)
    for setting, name in ((WEAK, "weaker"), (STRONG, "stronger")):
        for variant, what in (
            ("start", "encoder as it was"),
            ("mutual_cross", "cross-encoder of both"),
            ("mutual_bi", "bi-encoder of both"),
        ):
            key = ("stsb", setting, variant, TEST)
            told = f"{name} {what}, Spearman [%]"
            yield Headline(told, key, published("stsb", variant, TEST), MUTUAL)
    for metric, what in (
        ("agreement/correlation", "agreement without labels against dev, correlation"),
        ("agreement/cost", "what selection without labels costs [points of dev]"),
    ):
        yield Headline(what, ("stsb", BOTH, "mutual", metric), arguments=MUTUAL)


def _claims() -> Iterator[Claim]:
    def key(variant):
        return "facts", SHORT, variant, TEST

    yield Claim(
        "generated pairs: the cross-encoder is better than its teacher",
        key("cross"),
        "above",
        key("start"),
    )
    for variant, least in (("mutual_bi", 2.0), ("mutual_cross", 3.0)):
        for bound, told in ((0.0, "lifts"), (least, f"lifts by {least:g} or more")):
            yield Claim(
                f"STS-B, two MiniLM: mutual distillation {told} the weaker one ({variant})",
                ("stsb", WEAK, variant, TEST),
                "above",
                ("stsb", WEAK, "start", TEST),
                plus=bound,
                ours=bound > 0,
            )
    yield Claim(
        "generated pairs: the bi-encoder is better than the noisy labels it began with",
        key("bi"),
        "above",
        key("start"),
        ours=True,  # it begins at the encoder without the noise
    )
    yield Claim(
        "generated pairs: students together are better than the first teacher",
        key("ensemble"),
        "above",
        key("start"),
        ours=True,
    )
    yield Claim(
        "generated pairs: the static encoder is better than the first teacher",
        key("static"),
        "above",
        key("start"),
        ours=True,
    )
    yield Claim(
        "generated pairs: the last bi-encoder is better than the encoder it began at, "
        "whose labels had no noise",
        key("bi"),
        "above",
        ("facts", "contrast itself, 2x64", "start", TEST),
        ours=True,
    )
    yield Claim(
        "generated pairs: the last bi-encoder is better than the cross-encoder before it",
        key("bi"),
        "above",
        key("cross"),
        ours=True,
    )
    yield Claim(
        "generated pairs: students of shuffled labels stay below 10",
        key("shuffled"),
        "below",
        10.0,
        ours=True,
    )


HEADLINES = tuple(_headlines())
CLAIMS = tuple(_claims())
JOBS = {
    "quick": (Job("generated", ("--quick",), 1, ("headline",)),),
    "small": (Job("generated", (), 3, ("headline", "learning")),),
    "paper": (
        Job("generated", (), 3, ("headline", "learning")),
        Job("shuffled", ("--variant=shuffled",), 3, ("headline",)),
    ),
}
