"""Trajectory Shapley: published numbers, headlines, claims, and the commands that measure.

The paper is arXiv:2110.05304. Beside errors stand those of Trajectron++ without leaked
velocities, as a reader measured them with the released code.
"""

from collections.abc import Iterator

from experiments.paper import Claim, Headline, Job

VARIANT, TRAINING = "edge", "coalition_dropout"  # of claims, and of the dial

NEED = "A predictor of paths that is said to use interaction."
PLAIN_METRICS = True  # quantities of the one test part, named without a split
VARIANT, TRAINING = "edge", "coalition_dropout"  # that most rows are of

LEAK_FREE = {  # minADE20 and minFDE20 [m]
    "eth": (0.67, 1.18),
    "hotel": (0.18, 0.28),
    "univ": (0.30, 0.54),
    "zara1": (0.25, 0.41),
    "zara2": (0.18, 0.32),
}
PEDESTRIANS = ("eth", "hotel", "univ", "zara1", "zara2", "sdd")  # sdd: all on a street
WINDOWS = {"univ": 30, "nba": 40}  # that the committed rows attribute; 100 elsewhere
LENGTHS = {  # of the committed rows of the paper's preset
    "eth": ("--steps=1200", "--seeds=2"),
    "hotel": ("--steps=5000", "--batch=64", "--seeds=1"),
    "univ": ("--steps=1500", "--seeds=1"),
    "zara1": ("--steps=20000", "--batch=64", "--seeds=1"),
    "zara2": ("--steps=20000", "--batch=64", "--seeds=1"),
}


def published(dataset: str, setting: str, variant: str, metric: str):
    """The published number, or an empty string."""
    plain = setting.startswith("plain") and variant in ("edge", "sum")
    names = ("min_ade", "min_fde")
    if not plain or metric not in names or dataset not in LEAK_FREE:
        return ""
    return LEAK_FREE[dataset][names.index(metric)]


_DIAL = {
    "sis@0": "strongest neighbour, no interaction [nats]",
    "delta_sis@0": "the same beyond random agents, no interaction",
    "sis@1": "strongest neighbour, full interaction [nats]",
    "delta_sis@1": "the same beyond random agents, full interaction",
    "dial/rank_correlation": "rank correlation of dial and strongest neighbour",
    "dial/leader@1": "strongest neighbour is the true leader [%]",
    "dial/chance@1": "... by chance [%]",
}


def _compact(dataset: str) -> tuple[str, ...]:
    """Arguments of the committed rows of the compact preset."""
    windows = WINDOWS.get(dataset, 100)
    return (f"--dataset={dataset}", f"--windows={windows}", "--seeds=3")


def _paper(dataset: str) -> tuple[str, ...]:
    """Arguments of the committed rows of the paper's preset."""
    return (
        f"--dataset={dataset}",
        "--preset=paper",
        "--variant=edge",
        "--training=plain",
        "--attributed=",
        "--neighbours=8",
        *LENGTHS[dataset],
    )


def _headlines() -> Iterator[Headline]:
    yield Headline(
        "strongest neighbour, share of the own past",
        ("zara1", TRAINING, VARIANT, "sis_ratio"),
        arguments=_compact("zara1"),
    )
    for metric, what in _DIAL.items():
        key = ("simulated", TRAINING, VARIANT, metric)
        yield Headline(what, key, arguments=("--seeds=3",))
    for dataset in (*PEDESTRIANS, "nba"):
        yield from _of_dataset(dataset)


def _of_dataset(dataset: str) -> Iterator[Headline]:
    unit = "ft" if dataset == "nba" else "m"
    settings = {"plain": _compact(dataset)}
    if dataset in LENGTHS:
        settings["plain, paper"] = _paper(dataset)
    for setting, arguments in settings.items():
        for metric in ("min_ade", "min_fde"):
            key = (dataset, setting, VARIANT, metric)
            what = f"{VARIANT}, {metric} [{unit}]"
            yield Headline(what, key, published(*key), arguments)
    for metric in ("shapley/past", "sis"):
        key = (dataset, TRAINING, VARIANT, metric)
        what = f"{VARIANT}, {metric} [nats]"
        yield Headline(what, key, arguments=_compact(dataset))


def _claims() -> Iterator[Claim]:
    for dataset in PEDESTRIANS:
        yield from _of_pedestrians(dataset)
    for dataset in (*PEDESTRIANS, "nba"):
        edge, added = ((dataset, TRAINING, name, "sis") for name in (VARIANT, "sum"))
        what = f"{dataset}: one edge per neighbour uses neighbours more than a sum"
        yield Claim(what, edge, "above", added)
    yield from _of_basketball()
    yield from _of_generated()


def _of_pedestrians(dataset: str) -> Iterator[Claim]:
    place = dataset, TRAINING, VARIANT
    past = (*place, "shapley/past")
    what = f"{dataset}: the own past is worth more than the strongest neighbour"
    yield Claim(what, past, "above", (*place, "sis"))
    what = f"{dataset}: beyond random agents neighbours add under a tenth of the past"
    yield Claim(what, (*place, "delta_sis"), "below", past, 0.1)
    what = f"{dataset}: neighbours matter less beside the past than in basketball"
    court = ("nba", TRAINING, VARIANT, "sis_ratio")
    yield Claim(what, (*place, "sis_ratio"), "below", court)


def _of_basketball() -> Iterator[Claim]:
    place = "nba", TRAINING, VARIANT
    mean, agent = (*place, "shapley/neighbour_mean"), (*place, "shapley/random_agent")
    yield Claim("nba: neighbours count more than random agents", mean, "above", agent)
    what = "nba: a model that sees others is better than one that does not"
    seeing, alone = (("nba", "plain", x, "min_ade") for x in (VARIANT, "past_only"))
    yield Claim(what, seeing, "below", alone)
    what = "nba: without neighbours a step is 0.1 nats worse"
    yield Claim(what, (*place, "delta_nll"), "above", 0.1)


def _of_generated() -> Iterator[Claim]:
    dial = "simulated", TRAINING, VARIANT
    what = "generated agents: the score follows the dial"
    yield Claim(what, (*dial, "dial/rank_correlation"), "above", 0.8, ours=True)
    what = "generated agents: the leader is named more often than by chance"
    leader, chance = (*dial, "dial/leader@1"), (*dial, "dial/chance@1")
    yield Claim(what, leader, "above", chance, ours=True)


HEADLINES = tuple(_headlines())
CLAIMS = tuple(_claims())
_COPIES = {name: "trajectories/eth_ucy.npz" for name in LEAK_FREE}
_COPIES |= {"sdd": "trajectories/sdd_trajnet.npz"}
_COPIES |= {"nba": "trajectories/nba_sportvu_2games.npz"}
_GENERATED = Job("generated", ("--seeds=3",), 4, ("dial",))
JOBS = {
    "quick": (Job("synthetic", ("--quick",), 1, ("dial",)),),
    "small": (
        _GENERATED,
        Job(
            "zara1",
            ("--dataset=zara1", "--seeds=1", "--variant=constant_velocity,edge,sum"),
            8,
            ("contributions",),
            needs="zara1",
            files=(_COPIES["zara1"],),
        ),
    ),
    "paper": (
        _GENERATED,
        *(
            Job(
                name,
                (f"--dataset={name}", "--seeds=3"),
                60,
                ("contributions",),
                needs=name,
                files=(path,),
            )
            for name, path in _COPIES.items()
        ),
    ),
}
