r"""GRDA: domain adaptation where a graph says which domains are related (ICLR 2022,
arXiv:2202.03428).

  python -m experiments.grda                               # DG-15, bundled, 2-3 minutes
  python -m experiments.grda --quick                       # synthetic, seconds
  python -m experiments.grda --method=grda --pairing=shared_index   # as released; leaks
  python -m experiments.grda --dataset=dg60_drawn          # or dg60, with --data_dir
  python -m experiments.grda --dataset=tpt48_east_west     # regression
  python -m experiments.grda --dataset=tpt48_east_west_classes   # the same as classes
  python -m experiments.grda --task=noise                  # classes that overlap
  python -m experiments.grda --samples=samples.csv --domains=edges.csv     # your data
  python -m experiments.grda --task=predict --model=RUN/model.npz \
      --samples=new.csv --domains=edges.csv                # also for new domains

samples.csv has a header with `domain`, `label` (empty where unknown), every other column
is a number and a feature; or one npz: x [n, features], y [n], domain [n]. --domains is
edges.csv (`source`, `target`, if wanted `weight`), adjacency.npy [N, N] or coordinates.csv
(`domain` and numbers: nearest domains are linked).
"""

from typing import Literal, NamedTuple

from experiments import grda_studies as studies
from experiments import run as runner
from iclr22 import errors
from iclr22.data import climate
from iclr22.grda import game, pipeline


class Settings(NamedTuple):
    """What to measure, on which data, with which methods."""

    task: Literal["compare", "noise", "predict"] = (
        "compare"  # what is done; see the examples above
    )
    method: tuple[str, ...] = tuple(pipeline.METHODS)  # methods in the table
    reproduce: bool = True  # also GRDA with --pairing=shared_index, as released; leaks
    samples: str = ""  # your own samples: .csv, or .npz
    domains: str = ""  # the graph of your domains: .csv, .npy or .npz
    sources: tuple[str, ...] = ()  # your labelled domains; all with labels if empty
    nearest: int = 4  # domains that coordinates link to each
    model: str = ""  # model.npz of an earlier run, for --task=predict
    selection: Literal["unlabelled", "last"] = (
        "unlabelled"  # state of a run that is taken: chosen without target labels, or last
    )
    embedding_size: int = 2  # dimensions of domain embeddings
    export: str = "grda_plus"  # method whose first model and predictions are written
    noises: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5)  # dial of --task=noise
    nuisances: tuple[int, ...] = (0, 2)  # features without meaning, of --task=noise
    committee: int = 3  # networks of propagate
    plus_features: int = 256  # of grda_plus: shared features
    plus_noise: float = 0.5  # of grda_plus: noise on standardised inputs
    plus_sureness: float = 4.0  # of grda_plus: how much sure neighbours count
    plus_imitate: int = 60  # of grda_plus: updates in which a domain learns from others
    plus_again: float = 0.0  # of grda_plus: times all targets are learned anew
    plus_refine: int = (
        5  # of grda_plus: rounds in which class means are refined; 0: none
    )


STUDIES = {
    "compare": studies.compare,
    "noise": studies.vary_noise,
    "predict": studies.predict,
}


def _headlines():
    """What, (data set, setting, variant, metric), the paper's number."""
    for dataset in ("dg15", "dg60"):
        for variant in pipeline.METHODS:
            key = (dataset, "independent", variant, "target/accuracy")
            paper = studies.published(dataset, variant, "target/accuracy")
            yield f"{variant}, target domains, accuracy [%]", key, paper
        key = (dataset, "shared_index", "grda", "target/accuracy")
        paper = studies.published(dataset, "grda", "target/accuracy")
        yield "grda as released (batches leak target labels) [%]", key, paper
    short = ("source_only", "grda", "grda_plus", "least_squares")
    for variant in short:
        key = ("tpt48_east_west_classes", "independent", variant, "target/accuracy")
        yield f"{variant}, target states, accuracy [%]", key, ""
    for dataset in ("tpt48_east_west", "tpt48_north_south"):
        for variant in short:
            key = (dataset, "independent", variant, "target/mse")
            paper = studies.published(dataset, variant, "target/mse")
            yield f"{variant}, target states, MSE", key, paper


HEADLINES = list(_headlines())
QUICK = 60  # updates with --quick
QUICK_METHODS = ("grda", "grda_plus")  # if none is named


def study(run: runner.Run) -> None:
    """One of the tasks."""
    settings = run.settings
    for name in (*settings.method, settings.export):
        if name not in pipeline.METHODS:
            raise errors.nearest(name, pipeline.METHODS, "method")
    if bool(settings.samples) != bool(settings.domains) and settings.task != "predict":
        raise errors.InputError(
            "--samples and --domains go together: the samples, and the graph of their "
            "domains"
        )
    if run.quick:
        run.config = run.config._replace(steps=min(run.config.steps, QUICK))
        if settings.method == Settings().method:
            run.settings = settings._replace(method=QUICK_METHODS)
    STUDIES[settings.task](run)


_DG60 = {"hidden": 128, "learning_rate": 1e-4, "discriminator_rate": 1e-4}
_DG60 |= {"adversary_weight": 0.5, "sample_vertices": 30, "steps": 3000}
_DG60 |= {"embedding_size": 4}
PRESETS = {
    "dg60": _DG60,
    "dg60_drawn": _DG60,
}
DATASETS = ("dg15", "dg60", "dg60_drawn", *climate.DATASETS)

if __name__ == "__main__":
    runner.main(
        study,
        method="grda",
        config=game.Config(),
        settings=Settings(),
        datasets=DATASETS,
        presets=PRESETS,
        own_data="samples",
        seeds=3,
    )
