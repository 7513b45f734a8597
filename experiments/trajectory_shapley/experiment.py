r"""Trajectory Shapley: who improves a prediction, the own past or others (ICLR 2022, arXiv
2110.05304).

  python -m experiments.trajectory_shapley                    # generated agents, 2 minutes
  python -m experiments.trajectory_shapley --quick            # seconds
  python -m experiments.trajectory_shapley --dataset=zara1 --seeds=3       # the claim
  python -m experiments.trajectory_shapley --tracks=tracks.csv --dt=0.4    # your tracks
  python -m experiments.trajectory_shapley --tracks=tracks.csv --dt=0.4 \
      --predictor=mymodule:predict                            # and your predictor
  python -m experiments.trajectory_shapley --tracks=new.csv --model=RUN/model.npz
  python -m experiments.trajectory_shapley --task=figure --results=a.csv,b.csv

tracks.csv has a header with `scene`, `frame`, `agent`, `x`, `y` and if wanted `type`. A
predictor is a function of NumPy arrays, see the README.
"""

from typing import Literal, NamedTuple

from experiments import run as runner
from experiments.trajectory_shapley import compare as studies
from experiments.trajectory_shapley import dial as trajectory_dial
from experiments.trajectory_shapley import use as trajectory_use
from iclr22 import errors
from iclr22.trajectory_shapley import pipeline, trajectron


class Settings(NamedTuple):
    """What to do, with which tracks and models, and how to attribute."""

    # generated agents: dial; a known data set: compare; your tracks: attribute
    task: Literal["auto", "dial", "compare", "attribute", "figure"] = "auto"
    # hyper-parameters: made for minutes on a CPU, or as published
    preset: Literal["compact", "paper"] = "compact"
    tracks: str = ""  # your tracks: .csv or .npz with scene, frame, agent, x, y[, type]
    model: str = ""  # a model.npz of an earlier run, to attribute it on these tracks
    predictor: str = ""  # module:function, your predictor, to attribute it
    radius: float = 3.0  # of your tracks: who is nearer than that is a neighbour
    unit: str = "m"  # of positions in your tracks
    history: int = 8  # frames of the past, the present one included
    neighbours: int = 10  # nearest neighbours that are seen, at most
    variant: tuple[str, ...] = pipeline.VARIANTS  # predictors of the comparison
    training: tuple[str, ...] = pipeline.SETTINGS  # how they are trained
    attributed: tuple[str, ...] = ("edge", "sum", "pecnet")  # variants with values
    windows: int = 150  # that are attributed: with a neighbour, evenly over time
    metric: Literal["nll", "min_ade", "min_fde"] = "nll"  # error that is divided
    # what stands for who is left out zero, random, constant or mean; --task=attribute
    # uses the first
    baseline: tuple[str, ...] = (*("zero", "random"),)
    # of the values
    estimator: Literal["exact", "permutation", "stratified", "banzhaf"] = "exact"
    draws: int = 64  # of the estimators that sample
    max_exact: int = 12  # players up to which every coalition is asked
    dials: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)  # of generated interaction
    results: tuple[str, ...] = ()  # results.csv files of --task=figure


STUDIES = {
    "dial": trajectory_dial.study_dial,
    "compare": studies.compare,
    "attribute": trajectory_use.attribute,
    "figure": studies.figure,
}
_COURT = {"rotate": False, "position_scale": 15.0, "velocity_scale": 8.0}
_COURT |= {"acceleration_scale": 5.0}
PRESETS = {
    "simulated": trajectory_dial.SMALL,
    "nba": _COURT,
    "own": {"variant": ("edge",), "training": ("coalition_dropout",)},
}
DATASETS = ("simulated", "eth", "hotel", "univ", "zara1", "zara2", "sdd", "nba")


def _headlines():
    """What, (data set, setting, variant, metric), the paper's number."""
    yield from trajectory_dial.HEADLINES
    dropout, paper = "coalition_dropout", "plain, paper"
    for dataset in DATASETS[1:]:
        for variant, setting, metric in (
            ("edge", "plain", "min_ade"),
            ("edge", "plain", "min_fde"),
            ("edge", paper, "min_ade"),
            ("edge", paper, "min_fde"),
            ("edge", dropout, "shapley/past"),
            ("edge", dropout, "sis"),
        ):
            key = (dataset, setting, variant, metric)
            unit = "nats"
            if metric.startswith("min_"):
                unit = "ft" if dataset == "nba" else "m"
            yield f"{variant}, {metric} [{unit}]", key, studies.published(*key)


HEADLINES = list(_headlines())


def study(run: runner.Run) -> None:
    """One of the tasks."""
    settings = run.settings
    known = {
        "variant": (pipeline.VARIANTS, (*settings.variant, *settings.attributed)),
        "training": (pipeline.SETTINGS, settings.training),
        "baseline": (studies.BASELINES, settings.baseline),
    }
    for what, (options, names) in known.items():
        for name in names:
            if name not in options:
                raise errors.nearest(name, options, what)
    task = settings.task
    if task == "auto":
        task = "attribute" if run.own else "compare"
        task = "dial" if run.dataset == "simulated" else task
    if run.quick and not run.own:
        settings = settings._replace(windows=12, baseline=settings.baseline[:1])
        settings = settings._replace(dials=settings.dials[:: len(settings.dials) - 1])
        small = {"decoder": 8, "hidden": 8, "attention": 4, "batch": 32}
        small |= {"samples": 3, "horizon": 4}
        run.config = run.config._replace(**small, steps=min(run.config.steps, 20))
        run.settings = settings
    STUDIES[task](run)


if __name__ == "__main__":
    runner.main(
        study,
        method="trajectory_shapley",
        config=trajectron.Config(),
        settings=Settings(),
        datasets=DATASETS,
        presets=PRESETS,
        own_data="tracks",
        seeds=3,
    )
