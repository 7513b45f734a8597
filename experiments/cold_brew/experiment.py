r"""Cold Brew: nodes with few or no edges (ICLR 2022, arXiv:2111.04840).

  python -m experiments.cold_brew                         # Cora, bundled, 2-3 minutes
  python -m experiments.cold_brew --quick                 # synthetic, seconds
  python -m experiments.cold_brew --dataset=citeseer      # downloads, or --data_dir
  python -m experiments.cold_brew --task=screen           # FCR with searched baselines
  python -m experiments.cold_brew --task=link             # link prediction, MRR
  python -m experiments.cold_brew --task=deep             # 64 layers with and without SE
  python -m experiments.cold_brew --nodes=nodes.csv --edges=edges.csv      # your graph
  python -m experiments.cold_brew --task=predict --student=RUN/student.npz \
      --nodes=new_nodes.csv                               # new nodes without edges

nodes.csv has a header with `id`, `label` (empty where unknown), if wanted `split` (train,
valid, test), every other column is a number and a feature; edges.csv has `source`,
`target` and if wanted `weight`. Or one npz: x [n, d], y [n], edge_index [2, edges].
"""

from typing import Literal, NamedTuple

from experiments import run as runner
from experiments.cold_brew import link as cold_brew_link
from experiments.cold_brew import studies
from iclr22 import errors
from iclr22.cold_brew import teacher


class Settings(NamedTuple):
    """What to measure, on which split, with which student."""

    # what is done; see the examples above
    task: Literal["classify", "link", "screen", "deep", "predict"] = "classify"
    nodes: str = ""  # your own graph: nodes.csv, or one npz with the edges in it
    edges: str = ""  # edges.csv of your own graph
    directed: bool = False  # edges of your own graph go one way only
    student: str = ""  # student.npz of an earlier run, for --task=predict
    # who is isolated: by repeated medians, or the lowest tenth
    split: Literal["released", "paper"] = "released"
    split_index: int = 0  # row of published train masks
    vary_split: bool = False  # seed i uses row split_index + i of them
    # how long models train; test_max looks at test nodes, only to compare with
    # published numbers, and its metrics end in _test_max
    selection: Literal["validation", "last", "test_max"] = "validation"
    normalise: bool = True  # rows of the features are scaled to sum 1
    # what the teacher hands over; embeddings: the paper's other choice; layers: the
    # released code's
    handover: Literal["logits", "embeddings", "layers"] = "logits"
    # how MLP1 learns from it; the paper has mse
    imitation: Literal["soft_labels", "mse"] = "soft_labels"
    # whom MLP1 imitates: all that are not isolated, or training nodes
    student_nodes: Literal["connected", "train"] = "connected"
    soft: float = 1.0  # weight of the teacher's soft labels in MLP2; paper: 0
    soft_temperature: float = 1.0  # of soft labels
    bare: bool = True  # the teacher without edges makes a second guess and searches
    similarity: Literal["cosine", "dot"] = "cosine"  # of virtual neighbours; paper: dot
    neighbors: int = 16  # K, virtual neighbours; paper: 3
    lookup_temperature: float = 0.1  # similarities are divided by it; paper: 1
    guess: bool = True  # MLP2 also gets MLP1's guess
    approximate: bool = False  # lax.approx_max_k instead of an exact top K
    mlp_layers: int = 2  # hidden layers of the student's MLPs
    mlp_width: int = 128  # their width
    mlp_dropout: float = 0.5  # after hidden layers
    mlp_input_dropout: float = 0.5  # of the features
    mlp_learning_rate: float = 5e-3  # Adam
    mlp_steps: int = 300  # updates of every MLP, at most
    # models in the table; student_released follows the authors' code
    variants: tuple[str, ...] = tuple(
        name for name in studies.VARIANTS if name != "student_released"
    )
    # ends of the edges that --task=link trains on; paper: train
    link_nodes: Literal["connected", "train"] = "connected"
    link_pairs: int = 4000  # such edges, and as many pairs without one; paper: 200
    link_rate: float = 1e-3  # learning rate of --task=link
    deep_layers: int = 64  # of --task=deep
    screen_layers: tuple[int, ...] = (2, 4)  # grid of --task=screen; paper: 2 to 64
    screen_norms: tuple[str, ...] = ("none", "pair", "batch")  # paper: all five, none
    screen_residuals: tuple[str, ...] = ("none", "initial")  # paper: four kinds, none
    screen_mlp_layers: tuple[int, ...] = (2,)  # paper: 2, 8, 16, 32
    screen_mlp_widths: tuple[int, ...] = (128, 256)  # as in the paper
    screen_rates: tuple[float, ...] = (1e-3, 5e-3, 2e-2)  # Adam, as in the paper


STUDIES = {
    "classify": studies.classify,
    "link": cold_brew_link.rank_links,
    "screen": studies.screen,
    "deep": studies.deep,
    "predict": studies.predict,
}


def _headlines():
    """What, (data set, setting, variant, metric), the paper's number."""
    for dataset in ("cora", "citeseer", "pubmed"):
        for name, variant in (
            ("student", "student"),
            ("MLP1 alone", "mlp1"),
            ("simple MLP", "mlp"),
            ("GCN with self loops", "gcn"),
        ):
            metric = "isolation/accuracy"
            paper = studies.published(dataset, variant, metric)
            key = (dataset, "released", variant, metric)
            yield f"isolated nodes, {name}, accuracy [%]", key, paper
    yield (
        "unmodified graph, GCN, all test nodes, accuracy [%]",
        ("cora", "unmodified", "gcn", "overall/accuracy"),
        86.96,
    )
    for name, variant, paper in (
        ("GCN", "gcn", 40.04),
        ("GCN with structural embeddings", "teacher", 74.23),
    ):
        key = ("cora", "64 layers", variant, "overall/accuracy")
        yield f"64 layers (`--task=deep`), {name}, all test nodes [%]", key, paper


HEADLINES = list(_headlines())


QUICK = 40  # updates at most with --quick


def study(run: runner.Run) -> None:
    """One of the tasks."""
    if run.settings.edges and not run.settings.nodes:
        raise errors.InputError("--edges needs --nodes, the table of their ends")
    if run.settings.bare and run.config.norm in ("pair", "mean"):
        raise errors.InputError(
            f"--norm={run.config.norm} makes a node's prediction depend on the others of "
            "the call, so the teacher cannot guess for one node: add --nobare"
        )
    if run.quick:
        run.config = run.config._replace(epochs=min(run.config.epochs, QUICK))
        steps = min(run.settings.mlp_steps, QUICK)
        run.settings = run.settings._replace(mlp_steps=steps)
    STUDIES[run.settings.task](run)


PRESETS = {
    "citeseer": {"hidden": 256},
    "pubmed": {"dropout": 0.5, "epochs": 200, "mlp_steps": 200},
    "chameleon": {"hidden": 256, "dropout": 0.5, "alpha": 0.1},
    "squirrel": {"hidden": 256, "dropout": 0.5, "alpha": 0.1},
    "actor": {"hidden": 256, "dropout": 0.0, "alpha": 0.9},
    "texas": {"hidden": 256, "alpha": 0.9},
    "wisconsin": {"hidden": 256, "alpha": 0.9},
    "cornell": {"hidden": 256, "alpha": 0.9, "dropout": 0.0},
}
DATASETS = (
    *("cora", "citeseer", "pubmed", "chameleon", "squirrel", "chameleon_filtered"),
    *("squirrel_filtered", "actor", "cornell", "texas", "wisconsin", "tolokers"),
    *("facebook", "twitch_de", "airport_brazil", "airport_europe", "airport_usa"),
)

if __name__ == "__main__":
    runner.main(
        study,
        method="cold_brew",
        config=teacher.Config(),
        settings=Settings(),
        datasets=DATASETS,
        presets=PRESETS,
        own_data="nodes",
        seeds=3,
    )
