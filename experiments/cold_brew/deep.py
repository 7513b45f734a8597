"""Depth: many layers, without and with structural embeddings in all of them."""

from experiments import run as runner
from experiments.cold_brew import paper
from experiments.cold_brew.models import Models
from experiments.cold_brew.problem import accuracies, describe, load, make_problem
from iclr22 import progress, record
from iclr22.cold_brew import figures, pipeline, teacher

VARIANTS = {"gcn": "000", "teacher": "111"}  # structural embeddings in which layers


def configurations(options, classes: int) -> dict[str, teacher.Config]:
    """What is trained, by name."""
    own = pipeline.configs_of(options.models, classes).teacher
    own = own._replace(layers=options.deep_layers)
    return {
        f"deep_{variant}": own._replace(embeddings=embeddings)
        for variant, embeddings in VARIANTS.items()
    }


def deep(run: runner.Run) -> None:
    """Rows of both networks, and a figure."""
    found, layers = load(run), run.options.deep_layers
    describe(run, found)
    run.trains(configurations(run.options, len(found.class_names)))
    for seed in progress.track(run.seeds, "seeds"):
        models = Models(run, make_problem(run, found, seed))
        for variant in VARIANTS:
            run.cell(
                f"deep-{variant}-{layers}-{seed}",
                lambda v=variant, m=models: _rows(run, m, v),
            )
    path = run.figure(
        "deep", f"{layers} layers without and with structural embeddings."
    )
    summaries = record.summarise(run.rows)
    figures.accuracy_by_group(path, summaries)
    means = {s.variant: s.mean for s in summaries if s.metric == "overall/accuracy"}
    run.summary = (
        f"{layers} layers, all test nodes: GCN {means['gcn']:.1f} %, with structural "
        f"embeddings {means['teacher']:.1f} %."
    )


def _rows(run: runner.Run, models: Models, variant: str) -> dict:
    """Accuracy by group of one network and seed."""
    layers = run.options.deep_layers
    logits = models.graph_network(f"deep_{variant}")
    known = paper.DEEP.get((run.dataset_name, variant), "") if layers == 64 else ""
    rows = [
        (
            variant,
            f"{layers} layers",
            models.problem.seed,
            f"{group}/accuracy",
            value,
            known if group == "overall" else "",
        )
        for group, value in accuracies(models.problem, logits).items()
    ]
    return {"rows": rows}
