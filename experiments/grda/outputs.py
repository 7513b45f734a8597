"""Figures and files of the comparison, all of the first seed but the table."""

import numpy as np

from experiments.grda import paper
from experiments.grda.problem import CURVES, LEAKS, LEVELS, pairing_of
from iclr22 import checkpoint, grda, plots, record
from iclr22.grda import artifact, embedding, figures


def draw(run, found, hops, kept):
    """Figures of the first seed, and the table as dots."""
    label = "MSE" if found.regression else "accuracy [%]"
    values = {name: cell["values"] for name, cell in kept.items()}
    scale = {} if not found.regression else {"low": 0, "high": _upper(found, values)}
    figures.accuracy_on_graph(
        run.figure("graph", f"{label} of every domain on the graph, first seed."),
        found,
        values,
        label=label,
        **scale,
    )
    figures.score_by_hops(
        run.figure("hops", f"{label} by distance to the nearest source, first seed."),
        hops,
        values,
        label=label,
    )
    curves = {
        k: c for k, c in kept.items() if k.startswith("grda") and len(c["adversary"])
    }
    curves = {
        name: {key: np.asarray(c[key]).tolist() for key in CURVES}
        for name, c in curves.items()
    }
    if curves:
        path = run.figure(
            "training", "GRDA's discriminator: loss against N ln 2, AUC of edges."
        )
        figures.training(path, curves, found.size)
    z = _embeddings(run, found, kept)
    fit = embedding.quality(found.graph, z)
    run.facts["embedding"] = f"cross-entropy {fit.cross_entropy:.3f}, AUC {fit.auc:.3f}"
    figures.embeddings(run.figure("embeddings", "Domain embeddings z."), found, z)
    if found.regression:
        _draw_levels(run)
    elif found.x.shape[1] == 2:
        _draw_samples(run, found, kept)
    summaries = record.summarise(run.rows)
    metric = "target/mse" if found.regression else "target/accuracy"
    path = run.figure("targets", "Target domains: mean and interval; grey: the paper.")
    plots.dots(path, summaries, [metric])


def _upper(found, values):
    """End of the colour scale of errors: what most methods stay below."""
    means = [np.nanmean(v[~found.sources]) for v in values.values()]
    return max(2 * float(np.median(means)), 1e-6)


def _kept(run, name):
    """The first seed's model of a line of the table."""
    variant, _, leaks = name.partition(" ")
    pairing = LEAKS if leaks else pairing_of(run, variant)
    return artifact.load(run.workdir / "models" / f"{variant}-{pairing}.npz")


def _embeddings(run, found, kept):
    """Domain embeddings `[N, t]` of the first seed; fitted if no method needed any."""
    for name in kept:
        if name != "grda_plus":
            return _kept(run, name).embeddings
    size, seed = run.options.models.embedding_size, run.seeds[0]
    return embedding.fit_embedding(found.graph, size, seed=seed)


def _draw_samples(run, found, kept):
    for name in kept:
        variant, _, leaks = name.partition(" ")
        if variant not in ("source_only", "grda", "grda_plus"):
            continue
        made = _kept(run, name)
        path = run.figure(
            f"samples_{variant}{'_' + LEAKS if leaks else ''}",
            f"Samples and decision boundary per domain, {name}, first seed.",
        )
        figures.samples(
            path,
            found,
            lambda x, domain, m=made: grda.predict(m, x, np.full(len(x), domain)),
        )


def _draw_levels(run):
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


def export(run, found, hops, kept):
    """model.npz, encodings.npz, predictions.csv and domains.csv."""
    columns = {
        "domain": found.domain_names,
        "source": found.sources.astype(int),
        "hops": hops,
    }
    columns |= {name: np.round(cell["values"], 4) for name, cell in kept.items()}
    record.write_columns(run.workdir / "domains.csv", columns)
    chosen = run.options.export
    if chosen not in kept:
        chosen = next(iter(kept))
    made = _kept(run, chosen)
    artifact.save(run.workdir / "model.npz", made)
    said = kept[chosen]["said"]
    checkpoint.write_npz(
        run.workdir / "encodings.npz",
        encodings=grda.encode(made, found.x, found.domain),
        embeddings=made.embeddings,
        predictions=said,
        domain=found.domain,
        domain_names=found.domain_names.astype(str),
    )
    write_predictions(run.workdir / "predictions.csv", made, found.domain, said)


def write_predictions(path, made: artifact.Model, domain, said) -> None:
    """A row per sample: its domain, what is predicted and how surely."""
    columns = {
        "sample": np.arange(len(said)),
        "domain": made.domain_names[domain],
    }
    if made.class_names:
        columns["predicted"] = np.array(made.class_names)[said.argmax(1)]
        columns["probability"] = np.round(said.max(1), 4)
    else:
        width = said.shape[1]
        columns |= {f"predicted_{i}": np.round(said[:, i], 5) for i in range(width)}
    record.write_columns(path, columns)
