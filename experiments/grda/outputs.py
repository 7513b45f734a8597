"""Figures and files of the comparison, all of the first seed but the table."""

from typing import Any

import numpy as np

from experiments import run as runner
from experiments.grda import paper
from experiments.grda.problem import LEAKS, LEVELS, Line, Problem
from iclr22 import checkpoint, grda, plots, record
from iclr22.data.checks import padded
from iclr22.grda import artifact, embedding, figures, selection

Kept = dict[Line, dict[str, Any]]  # what is left of each line's first training
SAMPLED = ("source_only", "grda", "grda_plus")  # whose samples are drawn


def draw(run: runner.Run, problem: Problem, kept: Kept) -> None:
    """Figures of the first seed, and the table as dots."""
    found = problem.data
    _draw_scores(run, problem, kept)
    _draw_training(run, found, kept)
    _draw_embeddings(run, found, kept)
    if found.regression:
        _draw_levels(run)
    elif found.x.shape[1] == 2:
        _draw_samples(run, found, kept)
    metric = "target/mse" if found.regression else "target/accuracy"
    path = run.figure("targets", "Target domains: mean and interval; grey: the paper.")
    plots.dots(path, record.summarise(run.rows), [metric])


def _draw_scores(run, problem, kept):
    """Every domain, on the graph and by distance."""
    found, hops = problem
    label = "MSE" if found.regression else "accuracy [%]"
    values = {line.title: cell["values"] for line, cell in kept.items()}
    figures.accuracy_on_graph(
        run.figure("graph", f"{label} of every domain on the graph, first seed."),
        found,
        values,
        label=label,
        high=_upper(found, values) if found.regression else 100,
    )
    figures.score_by_hops(
        run.figure("hops", f"{label} by distance to the nearest source, first seed."),
        hops,
        values,
        label=label,
    )


def _upper(found, values) -> float | None:
    """End of the colour scale of errors: what most methods stay below; None where no
    target has labels."""
    known = [v[~found.sources & np.isfinite(v)] for v in values.values()]
    means = [errors.mean() for errors in known if len(errors)]
    return max(2 * float(np.median(means)), 1e-6) if means else None


def _draw_training(run, found, kept):
    """How the discriminator of GRDA fared."""
    curves = {
        line.title: {
            key: np.asarray(cell[key]).tolist()
            for key in ("step", "adversary", "edge_auc")
        }
        for line, cell in kept.items()
        if line.method == "grda" and len(cell["adversary"])
    }
    if curves:
        path = run.figure(
            "training", "GRDA's discriminator: loss against N ln 2, AUC of edges."
        )
        figures.training(path, curves, found.size)


def _draw_embeddings(run, found, kept):
    """Domain embeddings of the first seed; fitted if no method needed any."""
    fitted = [line for line in kept if line.method != "grda_plus"]
    if fitted:
        z = _model(run, fitted[0]).embeddings
    else:
        size = run.options.models.embedding_size
        z = embedding.fit_embedding(found.graph, size, seed=run.seeds[0])
    fit = embedding.quality(found.graph, z)
    run.facts["embedding"] = f"cross-entropy {fit.cross_entropy:.3f}, AUC {fit.auc:.3f}"
    figures.embeddings(run.figure("embeddings", "Domain embeddings z."), found, z)


def _model(run, line: Line) -> artifact.Model:
    """The first seed's model of a line."""
    return artifact.load(run.path("models") / f"{line.name}.npz")


def _draw_samples(run, found, kept):
    for line in kept:
        if line.method not in SAMPLED:
            continue
        model = _model(run, line)
        path = run.figure(
            f"samples_{line.method}{'_' + LEAKS if line.pairing == LEAKS else ''}",
            f"Samples and decision boundary per domain, {line.title}, first seed.",
        )

        def predict(x, domain, model=model):
            return grda.predict(model, x, np.full(len(x), domain))

        figures.samples(path, found, predict)


def _draw_levels(run):
    """Errors by distance, beside the paper's."""
    levels = [f"{i}" for i in range(1, LEVELS + 1)] + ["all"]
    names = [f"level{i}/mse" for i in range(1, LEVELS + 1)] + ["target/mse"]
    means = {
        (s.variant, s.metric): s.mean
        for s in record.summarise(run.rows)
        if s.setting != LEAKS
    }
    variants = list(dict.fromkeys(v for v, _ in means))
    ours = {v: [means.get((v, n), np.nan) for n in names] for v in variants}
    known = {
        v: [paper.published(run.dataset_name, v, n) for n in names]
        for v in variants
        if paper.published(run.dataset_name, v, names[0])
    }
    path = run.figure("levels", "MSE of target states by hops to the nearest source.")
    figures.error_by_level(path, levels, ours, known)


def export(run: runner.Run, problem: Problem, kept: Kept) -> Line:
    """domains.csv, and of one line, which is returned, model.npz, encodings.npz and
    predictions.csv."""
    found, hops = problem
    columns = {
        "domain": found.domain_names,
        "source": found.sources.astype(int),
        "hops": hops,
    }
    columns |= {line.title: np.round(x["values"], 4) for line, x in kept.items()}
    record.write_columns(run.path("domains.csv"), columns)
    line = _exported(run, found, kept)
    model, said = _model(run, line), kept[line]["said"]
    artifact.save(run.path("model.npz"), model)
    checkpoint.write_npz(
        run.path("encodings.npz"),
        encodings=grda.encode(model, found.x, found.domain),
        embeddings=model.embeddings,
        predictions=said,
        domain=found.domain,
        domain_names=padded(found.domain_names),
    )
    write_predictions(run.output("predictions.csv"), model, found.domain, said)
    return line


def _exported(run, found, kept: Kept) -> Line:
    """The line that was asked for, else the one chosen without target labels.

    Lines whose batches leak labels are not among the candidates unless all do.
    """
    if run.options.export:
        return next(line for line in kept if line.method == run.options.export)
    lines = [line for line in kept if line.pairing != LEAKS] or list(kept)
    scores = [_scores(run, found, kept, line) for line in lines]
    chosen = selection.choose(scores, selection.tolerance(found.regression))
    return lines[chosen]


def _scores(run, found, kept: Kept, line: Line) -> selection.Scores:
    """What is known of a line without target labels."""
    if "scores" in kept[line]:
        return selection.Scores(*kept[line]["scores"])
    return selection.score(_model(run, line), found, [], run.seeds[0])


def write_predictions(path, model: artifact.Model, domain, said) -> None:
    """A row per sample: its domain, what is predicted and how surely."""
    columns = {
        "sample": np.arange(len(said)),
        "domain": model.domain_names[domain],
    }
    if model.class_names:
        columns["predicted"] = np.array(model.class_names)[said.argmax(1)]
        columns["probability"] = np.round(said.max(1), 4)
    else:
        width = said.shape[1]
        columns |= {f"predicted_{i}": np.round(said[:, i], 5) for i in range(width)}
    record.write_columns(path, columns)
