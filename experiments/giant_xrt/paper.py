"""GIANT-XRT: published numbers, headlines, claims, and the commands that measure them.

Test accuracies in percent of arXiv:2111.00064 and of the repositories that belong to it, on
graphs of the Open Graph Benchmark, with its features and with those of GIANT.
"""

from collections.abc import Iterator

from experiments.paper import Claim, Headline, Job

NEED = (
    "A graph whose nodes have texts: features that know the graph, also of new nodes."
)

ACCURACY = {  # data set, downstream model: features of the benchmark, of GIANT
    ("arxiv", "mlp"): (55.50, 73.06),
    ("arxiv", "graphsage"): (71.49, 74.35),
    ("arxiv", "revgat"): (74.02, 75.90),
    ("products", "mlp"): (61.06, 80.49),
    ("products", "graphsaint"): (79.1, 84.15),
    ("products", "sagn_sle"): (84.28, 85.99),
    ("papers100m", "mlp"): (47.24, 61.10),
    ("papers100m", "sgc"): (63.29, 66.10),
    ("papers100m", "gamlp_rlu"): (68.25, 69.67),
}
VARIANTS = (
    "giant",
    "frozen",
    "untrained",
    "tfidf",
    "two_hop",
    "link",
    "no_pifa",
    "random_tree",
    "both",
)
TOLD = {  # variant: in words
    "giant": "GIANT",
    "frozen": "the encoder as it was",
    "untrained": "the encoder before it was trained",
    "tfidf": "tf-idf",
    "two_hop": "the encoder as it was, averaged over two hops",
    "link": "tuned to predict links",
    "no_pifa": "a tree of the nodes' own words",
    "random_tree": "a random tree",
    "both": "GIANT and the encoder as it was",
}
TEST = "test/accuracy"


def published(dataset: str, variant: str, metric: str, model: str) -> float | str:
    """The paper's number, or an empty string."""
    found = ACCURACY.get((dataset, model))
    if not found or metric != TEST or variant not in ("giant", "frozen"):
        return ""
    return found[variant == "giant"]


DRAWN = ("60_20_20", "5_per_class")  # kinds of splits of the generated graph
REAL = ("60_20_20", "20_per_class")  # of citeseer and cora_cane
GRAPHS = ("citeseer", "cora_cane")
BAG, WIDE, MINI = "bag of 64", "bag of 128", "3x384, mean"
CLASS = ("--dataset=wordnet", "--seeds=1")


def _headlines() -> Iterator[Headline]:
    for variant in ("giant", "untrained", "tfidf", "two_hop"):
        key = ("csbm", f"{DRAWN[1]}, mlp", variant, TEST)
        yield Headline(f"{TOLD[variant]}, accuracy [%]", key)
    for variant in ("both", "giant", "untrained", "tfidf"):
        key = ("csbm", BAG, variant, "links/mrr")
        yield Headline(f"{TOLD[variant]}, reciprocal rank of links [%]", key)
    for dataset in GRAPHS:
        command = (f"--dataset={dataset}", "--encoder=bert", "--seeds=3")
        others = (*command, "--variant=frozen,link,no_pifa,random_tree")
        for kind in REAL:
            for variant in VARIANTS:
                key = (dataset, f"{kind}, mlp, {MINI}", variant, TEST)
                known = variant in ("giant", "frozen", "tfidf", "two_hop")
                of = command if known else others
                yield Headline(f"{TOLD[variant]}, accuracy [%]", key, arguments=of)
            setting = f"{kind}, mlp, {MINI}"
            for name, hidden in (("", ()), (", nodes never seen", ("--hide=0.2",))):
                where = f"{setting}, 20 % hidden" if hidden else setting
                for metric, unit in (
                    ("accuracy", "points"),
                    ("positive", "of 10 splits"),
                ):
                    key = (dataset, where, "giant", f"gap/{metric}")
                    told = f"GIANT over the encoder as it was{name} [{unit}]"
                    yield Headline(told, key, arguments=(*command, *hidden))
    for variant in ("giant", "untrained", "tfidf"):
        key = ("wordnet", "60_20_20, mlp", variant, TEST)
        yield Headline(f"{TOLD[variant]}, accuracy [%]", key, arguments=CLASS)
    for variant in ("both", "giant", "untrained", "tfidf"):
        key = ("wordnet", WIDE, variant, "links/mrr")
        what = f"{TOLD[variant]}, reciprocal rank of links [%]"
        yield Headline(what, key, arguments=CLASS)
    for dataset in GRAPHS:
        key = (dataset, "xr-linear", "tfidf", "xmc/p_at_1")
        command = (f"--dataset={dataset}", "--task=rank", "--seeds=5")
        yield Headline("XR-Linear, precision at 1 [%]", key, arguments=command)


def _claims() -> Iterator[Claim]:
    for kind in DRAWN:

        def key(variant, kind=kind):
            return "csbm", f"{kind}, mlp", variant, TEST

        for other in ("untrained", "tfidf"):
            yield Claim(
                f"generated graph, {kind}: features of GIANT are better than {TOLD[other]}",
                key("giant"),
                "above",
                key(other),
            )
    for dataset in GRAPHS:
        for kind, least in zip(REAL, (1.0, 2.0), strict=True):
            setting = f"{kind}, mlp, {MINI}"
            yield Claim(
                f"{dataset}, {kind}: a perceptron gains from GIANT",
                (dataset, setting, "giant", "gap/accuracy"),
                "above",
                0.0,
            )
            if dataset == "citeseer":
                yield Claim(
                    f"{dataset}, {kind}: it gains {least:g} points or more",
                    (dataset, setting, "giant", "gap/accuracy"),
                    "above",
                    least,
                    ours=True,
                )
            yield Claim(
                f"{dataset}, {kind}: GIANT is better than predicting single links",
                (dataset, setting, "giant", TEST),
                "above",
                (dataset, setting, "link", TEST),
            )
            yield Claim(
                f"{dataset}, {kind}: neighbours' texts make a better tree than own ones",
                (dataset, setting, "giant", TEST),
                "above",
                (dataset, setting, "no_pifa", TEST),
            )
            yield Claim(
                f"{dataset}, {kind}: GIANT is better than averaging over two hops",
                (dataset, setting, "giant", TEST),
                "above",
                (dataset, setting, "two_hop", TEST),
                ours=True,
            )
            yield Claim(
                f"{dataset}, {kind}: nodes that were never seen gain, too",
                (dataset, f"{setting}, 20 % hidden", "giant", "gap/accuracy"),
                "above",
                0.0,
                ours=True,
            )
            yield Claim(
                f"{dataset}, {kind}: and more than from averaging over two hops",
                (dataset, f"{setting}, 20 % hidden", "giant", TEST),
                "above",
                (dataset, f"{setting}, 20 % hidden", "two_hop", TEST),
                ours=True,
            )
    for other in ("untrained", "tfidf"):
        yield Claim(
            f"WordNet: features of GIANT are better than {TOLD[other]}",
            ("wordnet", "60_20_20, mlp", "giant", TEST),
            "above",
            ("wordnet", "60_20_20, mlp", other, TEST),
        )
    for dataset, setting in (("csbm", BAG), ("wordnet", WIDE)):
        for other in ("untrained", "tfidf"):
            yield Claim(
                f"{dataset}: suggested links are better than by {TOLD[other]}",
                (dataset, setting, "both", "links/mrr"),
                "above",
                (dataset, setting, other, "links/mrr"),
                ours=True,
            )


HEADLINES = tuple(_headlines())
CLAIMS = tuple(_claims())
JOBS = {
    "quick": (Job("generated", ("--quick",), 1, ("headline",)),),
    "small": (Job("generated", (), 3, ("headline", "theory")),),
    "paper": (Job("generated", (), 3, ("headline", "theory", "rounds")),),
}
