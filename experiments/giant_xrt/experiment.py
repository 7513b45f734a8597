"""What the GIANT-XRT experiment does and with which options; see `__main__`."""

from typing import Any, Literal, NamedTuple

from experiments import run as runner
from experiments.giant_xrt import encode, fit, isolated, problem, rank
from experiments.options import Experiment, Use
from iclr22 import errors, gradients
from iclr22.data import checks
from iclr22.giant_xrt import pipeline
from iclr22.giant_xrt.downstream import splits


class Options(NamedTuple):
    """What to do, with which graph and encoder."""

    MAIN = "models"

    models: pipeline.Options = pipeline.Options()
    # what is done: features are learned; new texts get some by a model; the engine alone
    # ranks neighbours of nodes that it has not seen; or Cold Brew gets features of nodes
    # whose links are taken away
    task: Literal["fit", "encode", "rank", "isolated"] = "fit"
    # features in the table; giant, no_pifa, random_tree and link are trained, frozen is the
    # encoder as it begins (untrained, of a bag), two_hop its average over two hops
    variant: tuple[str, ...] = ("giant", "frozen", "tfidf", "two_hop")
    texts: str = ""  # your own nodes: .csv or lines of JSON (.jsonl, .jsonl.gz)
    edges: str = ""  # links of your own graph: .csv
    directed: bool = False  # links of your own graph go one way only
    encoder: str = problem.BAG  # bag, or folder or wheel of a BERT
    vocabulary: str = ""  # folder or wheel with that of an encoder that has none
    pooling: Literal["pooler", "cls", "mean"] = "mean"  # of a BERT; published: pooler
    tokens: int = 64  # that a text is cut to; published: 128
    width: int = 64  # of vectors of a bag
    model: str = ""  # folder of an earlier run, or its model.npz
    minutes: float = 0.0  # that training may take; rounds are chosen by it; 0: all
    downstream: tuple[str, ...] = ("mlp", "sgc")  # models that features are measured by
    hide: float = 0.0  # share of nodes that are hidden with their links, then measured
    held_links: float = 0.0  # share of links that are not learned, then ranked
    top: int = 10  # missing links that are suggested of each node


STUDIES = {
    "fit": fit.fit,
    "encode": encode.encode,
    "rank": rank.rank,
    "isolated": isolated.isolated,
}


def study(run: runner.Run) -> None:
    """One of the tasks."""
    STUDIES[run.options.task](run)


def check(options: Options) -> None:
    """Refuse what would fail after long work."""
    if options.task == "encode":
        return encode.check(options)
    if options.texts:
        if not options.edges:
            raise errors.InputError("--texts needs --edges=edges.csv beside it")
        checks.existing(options.texts, "nodes with texts")
        checks.existing(options.edges, "links")
    elif options.edges:
        raise errors.InputError("--edges needs --texts, the nodes that they join")
    problem.check_encoder(options)
    if options.task in _TRAINS["task"]:
        _check_names(options)
        gradients.compute_dtype(options.models.matcher.dtype)
    for name, least, most in (("hide", 0.0, 0.9), ("held_links", 0.0, 0.9)):
        if not least <= getattr(options, name) <= most:
            raise errors.InputError(
                f"expected --{name} from {least:g} to {most:g}; found "
                f"{getattr(options, name)}"
            )
    for name, least in (("tokens", 3), ("width", 1), ("top", 1), ("minutes", 0)):
        if not getattr(options, name) >= least:
            raise errors.InputError(
                f"expected --{name} of {least} or more; found {getattr(options, name)}"
            )


def _check_names(options: Options) -> None:
    for name, known in (("variant", fit.VARIANTS), ("downstream", splits.KINDS)):
        given = getattr(options, name)
        if not given:
            raise errors.InputError(f"--{name} expects some of {', '.join(known)}")
        for one in given:
            if one not in known:
                raise errors.nearest(one, known, name)


_FIT: dict[str, tuple] = {"task": ("fit",)}
_COLD: dict[str, tuple] = {"task": ("isolated",)}
_TRAINS: dict[str, tuple] = {"task": ("fit", "isolated")}
_LEARNS: dict[str, tuple] = {"task": ("fit", "rank", "isolated")}
_TREES = _FIT | {"variant": tuple(pipeline.TREES)}
_MATCHER = tuple(
    x for x in pipeline.Matcher._fields if x not in pipeline.Matcher.RESOLVED
)
USES = (
    Use((*_MATCHER, "rounds.*", "minutes"), _TREES),
    Use((*_MATCHER, "rounds.*", "minutes"), _COLD),
    Use(("tree.*",), _TREES),
    Use(("tree.*",), _COLD),
    Use(("tree.leaf", "tree.splits", "tree.least", "tree.hubs"), {"task": ("rank",)}),
    Use(("link.*",), _FIT | {"variant": ("link",)}),
    Use(("variant", "downstream"), _FIT),
    Use(("encoder", "tokens"), _TRAINS),
    Use(("hide", "held_links", "top"), _FIT),
    Use(("width",), _TRAINS | {"encoder": (problem.BAG,)}),
    Use(("texts",), {"task": (*_LEARNS["task"], "encode")}),
    Use(("edges", "directed"), _LEARNS),
    Use(("dataset", "seeds"), _LEARNS),
    Use(("model",), {"task": ("encode",)}),
)
_BAG: dict[str, Any] = {  # vectors of tokens begin at random ones
    "learning_rate": 1e-2,
    "batch": 128,
    "rounds.steps": (100,),
    "tree.leaf": 16,
    "tree.least": 8,
    "link.learning_rate": 1e-2,
    "link.batch": 128,
}
_SMALL: dict[str, Any] = {  # thousands of nodes, an encoder with weights
    "rounds.steps": (40, 40, 80),
    "batch": 16,
    "tree.leaf": 16,
    "tree.least": 16,
    "link.batch": 16,
}
_WORDNET: dict[str, Any] = {
    "held_links": 0.1,
    "downstream": ("mlp",),
    "tree.leaf": 100,
    "tree.least": 32,
    "batch": 1024,
    "rounds.steps": (300,),
    "rounds.most_clusters": 512,
    "width": 128,
}
EXPERIMENT = Experiment(
    method="giant_xrt",
    study=study,
    options=Options(),
    datasets=("csbm", "citeseer", "cora_cane", "wordnet", "arxiv"),
    presets={
        "citeseer": _SMALL,
        "cora_cane": _SMALL,
        "csbm": {"held_links": 0.1},
    },
    choices={
        "encoder=bag": _BAG,
        "dataset=wordnet": _WORDNET,
        "task=rank": {"tree.leaf": 16, "tree.least": 16},
    },
    quick={
        "": {
            "rounds.steps": (20,),
            "tree.leaf": 16,
            "tree.least": 8,
            "downstream": ("mlp",),
            "width": 32,
        }
    },
    uses=USES,
    check=check,
    own_data="texts",
    drawn={"task=encode": "texts"},
    seeds=3,
)
