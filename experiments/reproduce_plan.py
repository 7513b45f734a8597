"""What `experiments.reproduce` runs: commands of every landed method, by scale.

`quick` is synthetic data, to see that everything works. `small` is what two cores do in an
hour. `paper` is what the committed tables were made with, hours.
"""

import pathlib
from typing import NamedTuple

from iclr22 import data
from iclr22.data import download

SCALES = ("quick", "small", "paper")


class Job(NamedTuple):
    """One command, as a user would type it, in a folder of its own."""

    method: str
    name: str  # of the job; with the method unique within a scale
    arguments: tuple[str, ...]  # {data} stands for the folder of data files
    minutes: float  # about, on two cores
    figures: tuple[str, ...] = ()  # of its work directory that the page shows
    needs: str = ""  # a registered data set that is not bundled
    files: tuple[str, ...] = ()  # below the folder of data: each must be there; for
    # `needs`: a copy that does instead of the original files

    @property
    def title(self) -> str:
        """Method and name."""
        return f"{self.method}, {self.name}"


def _small() -> tuple[Job, ...]:
    cold, grda = "cold_brew", "grda"
    few = "--variants=mlp,gcn,teacher,mlp1,student"
    methods = "--method=source_only,grda,grda_plus"
    eth = ("trajectories/eth_ucy.npz",)
    return (
        Job(cold, "cora", ("--seeds=3",), 5, ("accuracy",)),
        Job(cold, "64 layers", ("--task=deep", "--seeds=1"), 4, ("deep",)),
        *(
            Job(
                *(cold, name, (f"--dataset={name}", "--seeds=3", few), minutes),
                *((), name, (f"graphs/{name}.npz",)),
            )
            for name, minutes in (("citeseer", 4), ("pubmed", 7))
        ),
        Job("diva", "digits", ("--seeds=5",), 2, ("detection",)),
        Job(grda, "dg15", ("--seeds=5",), 3, ("targets",)),
        Job(
            *(grda, "dg60", ("--dataset=dg60", methods, "--seeds=2"), 7, ()),
            *("dg60", ("grda/dg60.npz",)),
        ),
        *(
            Job(grda, name, (f"--dataset=tpt48_{name}", methods, "--seeds=3"), 2)
            for name in ("east_west", "north_south")
        ),
        Job("recurrent_intensity", "generated", ("--seeds=3",), 2, ("precision",)),
        Job(
            *("recurrent_intensity", "ml100k"),
            ("--dataset=ml100k", "--seeds=3", "--variant=rnn,rnn_hp", "--sweep="),
            *(7, ("precision",), "ml100k", ("movielens/ml100k.npz",)),
        ),
        Job("trajectory_shapley", "generated", ("--seeds=3",), 4, ("dial",)),
        Job(
            *("trajectory_shapley", "zara1"),
            ("--dataset=zara1", "--seeds=1", "--variant=constant_velocity,edge,sum"),
            *(8, ("contributions",), "zara1", eth),
        ),
    )


def _paper() -> tuple[Job, ...]:
    cold, grda, rim = "cold_brew", "grda", "recurrent_intensity"
    walk = "trajectory_shapley"
    tracks = {name: "trajectories/eth_ucy.npz" for name in ("eth", "hotel", "univ")}
    tracks |= {name: "trajectories/eth_ucy.npz" for name in ("zara1", "zara2")}
    tracks |= {"sdd": "trajectories/sdd_trajnet.npz"}
    tracks |= {"nba": "trajectories/nba_sportvu_2games.npz"}
    weights = "weights/efficientnet_lite0.npz"
    effnet = ("--model=efficientnet_lite0", f"--weights={{data}}/{weights}")
    return (
        Job(cold, "cora", ("--seeds=3",), 5, ("accuracy",)),
        Job(cold, "64 layers", ("--task=deep", "--seeds=1"), 4, ("deep",)),
        Job(cold, "cora, searched", ("--task=screen", "--seeds=1"), 6, ("screen",)),
        *(
            Job(
                *(cold, name, (f"--dataset={name}", "--seeds=3"), minutes),
                *((), name, (f"graphs/{name}.npz",)),
            )
            for name, minutes in (("citeseer", 15), ("pubmed", 20))
        ),
        Job("diva", "digits", ("--seeds=5",), 2, ("detection",)),
        Job(
            *("diva", "cifar10", ("--dataset=cifar10", *effnet, "--seeds=5"), 20),
            *(("detection",), "cifar10", ("images/cifar10_jpeg.npz", weights)),
        ),
        Job(grda, "dg15", ("--seeds=5",), 3, ("targets",)),
        Job(grda, "noise", ("--task=noise", "--seeds=3"), 8, ("noise",)),
        Job(
            *(grda, "dg60", ("--dataset=dg60", "--seeds=3"), 40, ("targets",)),
            *("dg60", ("grda/dg60.npz",)),
        ),
        *(
            Job(grda, name, (f"--dataset=tpt48_{name}", "--seeds=3"), 6)
            for name in ("east_west", "north_south", "east_west_classes")
        ),
        Job(rim, "generated", ("--seeds=3",), 2, ("precision",)),
        Job(
            *(rim, "ml100k", ("--dataset=ml100k", "--seeds=3"), 25),
            *(("precision", "tradeoff"), "ml100k", ("movielens/ml100k.npz",)),
        ),
        Job(
            *(rim, "ml1m", ("--dataset=ml1m", "--seeds=3"), 300),
            *(("precision",), "ml1m"),
        ),
        Job(walk, "generated", ("--seeds=3",), 4, ("dial",)),
        *(
            Job(
                *(walk, name, (f"--dataset={name}", "--seeds=3"), 60),
                *(("contributions",), name, (path,)),
            )
            for name, path in tracks.items()
        ),
    )


_QUICK = tuple(
    Job(method, "synthetic", ("--quick",), minutes, figures)
    for method, minutes, figures in (
        ("cold_brew", 1, ("accuracy",)),
        ("diva", 1, ("detection",)),
        ("grda", 1, ("targets",)),
        ("recurrent_intensity", 1, ("precision",)),
        ("trajectory_shapley", 1, ("dial",)),
    )
)
PLAN = {"quick": _QUICK, "small": _small(), "paper": _paper()}


def missing(job: Job, data_dir: str | None) -> str:
    """Why a job cannot run with the files that are here; empty if it can."""
    root = download.data_root(data_dir)
    lacking = [x for x in job.files if not _here(root, x)]
    if job.needs and not data.get(job.needs).info.files and lacking:
        return f"data set {job.needs} is not in {root} (as {lacking[0]})"
    if job.needs and lacking[:1] == list(job.files[:1]):
        known = data.get(job.needs).info.files
        if not all(download.find(file, job.needs, data_dir) for file in known):
            wanted = f" (as {lacking[0]})" if lacking else ""
            return f"data set {job.needs} is not in {root}{wanted}"
        lacking = lacking[1:]
    return f"{lacking[0]} is not in {root}" if lacking else ""


def _here(root: pathlib.Path, path: str) -> bool:
    return (root / path).exists() or (root / pathlib.PurePosixPath(path).name).exists()
