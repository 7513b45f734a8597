"""The studies of the GRDA experiment: comparison, overlapping classes, prediction."""

import numpy as np

from experiments import run as runner
from iclr22 import checkpoint, data, errors, grda, plots, progress, record
from iclr22.data import climate, own_domains
from iclr22.data import domains as domain_data
from iclr22.grda import embedding, figures, linear, model, pipeline, plus, propagate

# Tables 1 and 2 of the paper.
_PAPER = ("source_only", "dann", "adda", "cdann", "mdd", "grda")
_ACCURACY = {
    "dg15": (39.77, 72.11, 69.00, 72.44, 51.33, 84.44),
    "dg60": (38.39, 61.98, 32.17, 61.70, 66.24, 96.76),
}
_MSE = {
    "tpt48_east_west": {
        "level1/mse": (1.852, 3.942, 2.449, 0.902, 0.993, 0.936),
        "level2/mse": (1.992, 2.186, 2.401, 2.335, 1.383, 1.025),
        "level3/mse": (1.942, 1.939, 1.966, 3.002, 1.603, 1.830),
        "target/mse": (1.926, 2.679, 2.254, 2.108, 1.335, 1.297),
    },
    "tpt48_north_south": {
        "level1/mse": (2.255, 1.851, 2.172, 0.924, 1.159, 0.754),
        "level2/mse": (1.900, 1.964, 2.600, 6.434, 2.087, 0.882),
        "level3/mse": (3.032, 4.015, 3.462, 1.882, 3.149, 1.889),
        "target/mse": (2.426, 2.600, 2.709, 2.621, 2.054, 1.165),
    },
}
LEVELS = 3  # domains further away count as this far
WINDOWS = 12  # source windows of TPT-48 from one January to the next
LEAKS = "shared_index"
CURVES = ("step", "adversary", "edge_auc")


def published(dataset: str, variant: str, metric: str):
    """The paper's number, or an empty string."""
    if variant not in _PAPER:
        return ""
    if metric == "target/accuracy" and dataset in _ACCURACY:
        return _ACCURACY[dataset][_PAPER.index(variant)]
    values = _MSE.get(dataset, {}).get(metric)
    return values[_PAPER.index(variant)] if values else ""


def load(run: runner.Run) -> domain_data.DomainData:
    """The data of this run."""
    settings = run.settings
    if run.own:
        return data.load_own_domains(
            settings.samples,
            settings.domains,
            sources=settings.sources,
            regression=run.config.regression,
            neighbors=settings.nearest,
        )
    if settings.sources or run.config.regression:
        raise errors.InputError("--sources and --regression are for --samples")
    known = data.get(run.dataset)
    if run.quick:
        return known.synthetic(np.random.default_rng(0), 300)
    return known.load(run.data_dir)


def options(run: runner.Run, pairing: str = "") -> grda.Options:
    """What the flags say."""
    s, quick = run.settings, run.quick
    heads = plus.Config(
        features=s.plus_features,
        noise=s.plus_noise,
        sureness=s.plus_sureness,
        imitate=6 if quick else s.plus_imitate,
        again=s.plus_again,
        refine=s.plus_refine,
        batch=run.config.batch,
    )
    if quick:
        heads = heads._replace(warm=30, settle=6, finish=10)
    return grda.Options(
        base=run.config._replace(pairing=pairing or run.config.pairing),
        heads=heads,
        plan=propagate.Plan(s.committee, *((30, 6) if quick else ())),
        embedding_size=s.embedding_size,
        select=s.selection == "unlabelled" and not quick,
    )


def compare(run: runner.Run) -> None:
    """All methods on one data set; figures and files of the first seed."""
    found = load(run)
    _describe(run, found)
    hops = domain_data.hops(found.graph, found.sources)
    plan = _plan(run, found)
    kept = {}
    for seed in progress.track(run.seeds, "seeds"):
        for variant, pairing in plan:
            cell = run.cell(
                f"{variant}-{pairing}-{seed}",
                lambda v=variant, p=pairing, s=seed: _measure(
                    run, found, hops, v, p, s
                ),
            )
            if seed == run.seeds[0]:
                kept[variant if pairing != LEAKS else f"{variant} ({LEAKS})"] = cell
    if run.dataset in climate.DATASETS and not run.quick:
        run.cell("linear", lambda: _linear(run, found, hops))
    _draw(run, found, hops, kept)
    _export(run, found, hops, kept)
    run.summary = _conclusions(run, found)


def _plan(run, found):
    """(method, pairing) of every line of the table."""
    lines = [
        (variant, _pairing_of(run, variant))
        for variant in run.settings.method
        if not (variant == "propagate" and found.regression)
    ]
    equal = len(set(np.bincount(found.domain, minlength=found.size))) == 1
    if run.settings.reproduce and equal and ("grda", LEAKS) not in lines:
        lines += [("grda", LEAKS)] * ("grda" in run.settings.method)
    return lines


def _describe(run, found):
    run.facts["domains"] = f"{found.size}, {int(found.sources.sum())} of them labelled"
    run.facts["samples"] = len(found.x)
    run.facts["edges"] = len(found.graph.senders) // 2


def _measure(run, found, hops, variant, pairing, seed) -> dict:
    """Rows of one run, and what the figures and files need of it."""
    folder = run.workdir / "training" / f"{variant}-{pairing}-{seed}"
    fitted = grda.train(
        variant,
        found,
        options(run, pairing),
        directory=folder,
        seed=seed,
        mode=run.mode,
    )
    said = grda.predict(fitted.model, found.x, found.domain)
    values = pipeline.domain_scores(said, found)
    rows = _rows(run, found, hops, variant, pairing, seed, values)
    scores = fitted.scores[fitted.chosen]
    rows.append((variant, pairing, seed, "selection/agreement", scores.agreement, ""))
    if seed == run.seeds[0]:
        model.save(run.workdir / "models" / f"{variant}-{pairing}.npz", fitted.model)
    watched = [line for line in fitted.curves if "valid/adversary" in line]
    names = ("step", "valid/adversary", "valid/edge_auc")
    curves = {
        key: np.array([line[name] for line in watched if name in line])
        for key, name in zip(CURVES, names, strict=True)
    }
    return {"rows": rows, "values": values, "said": said, **curves}


def _rows(run, found, hops, variant, setting, seed, values):
    """Means over domains: targets, sources, targets by distance."""
    metric = "mse" if found.regression else "accuracy"
    groups = {"target": ~found.sources, "source": found.sources}
    for hop in sorted(set(hops[~found.sources].clip(max=LEVELS)) - {-1}):
        groups[f"level{hop}"] = ~found.sources & (hops.clip(max=LEVELS) == hop)
    rows = []
    for group, mask in groups.items():
        name = f"{group}/{metric}"
        if np.isfinite(values[mask]).any():
            mean = float(np.nanmean(values[mask]))
            paper = published(run.dataset_name, variant, name)
            rows.append((variant, setting, seed, name, mean, paper))
    return rows


def _linear(run, found, hops):
    """Least squares, and the mean of the source states, for TPT-48; classes one-hot."""
    source = found.sources[found.domain]
    aligned = source.copy()
    for u in np.flatnonzero(found.sources):
        rows = np.flatnonzero(found.domain == u)
        aligned[rows] = np.arange(len(rows)) % WINDOWS == 0
    x, y = found.x, found.y
    y = y if found.regression else np.eye(len(found.class_names))[y]
    said = {
        "least_squares": linear.least_squares(x[aligned], y[aligned], x),
        "least_squares_sliding": linear.least_squares(x[source], y[source], x),
        "climatology": np.broadcast_to(y[aligned].mean(axis=0), y.shape),
    }
    rows = []
    for variant, values in said.items():
        scores = pipeline.domain_scores(values, found)
        rows += _rows(run, found, hops, variant, "independent", 0, scores)
    return {"rows": rows}


# Figures and files.


def _draw(run, found, hops, kept):
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
    pairing = LEAKS if leaks else _pairing_of(run, variant)
    return model.load(run.workdir / "models" / f"{variant}-{pairing}.npz")


def _embeddings(run, found, kept):
    """Domain embeddings `[N, t]` of the first seed; fitted if no method needed any."""
    for name in kept:
        if name != "grda_plus":
            return _kept(run, name).embeddings
    size, seed = run.settings.embedding_size, run.seeds[0]
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


def _pairing_of(run, variant):
    alone = variant in ("propagate", "grda_plus")  # they compare no slots
    return "independent" if alone else run.config.pairing


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
    paper = {
        v: [published(run.dataset_name, v, n) for n in names]
        for v in variants
        if published(run.dataset_name, v, names[0])
    }
    path = run.figure("levels", "MSE of target states by hops to the nearest source.")
    figures.error_by_level(path, levels, ours, paper)


def _export(run, found, hops, kept):
    """model.npz, encodings.npz, predictions.csv and domains.csv."""
    columns = {
        "domain": found.domain_names,
        "source": found.sources.astype(int),
        "hops": hops,
    }
    columns |= {name: np.round(cell["values"], 4) for name, cell in kept.items()}
    record.write_columns(run.workdir / "domains.csv", columns)
    chosen = run.settings.export
    if chosen not in kept:
        chosen = next(iter(kept))
    made = _kept(run, chosen)
    model.save(run.workdir / "model.npz", made)
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


def write_predictions(path, made: model.Model, domain, said) -> None:
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


def _conclusions(run, found):
    metric = "target/mse" if found.regression else "target/accuracy"
    means = [s for s in record.summarise(run.rows) if s.metric == metric]
    if not means:
        return ""
    clean = [s for s in means if s.setting != LEAKS] or means
    pick = min if found.regression else max
    best = pick(clean, key=lambda s: s.mean)
    text = (
        f"Best on target domains without their labels: {best.variant}, {best.mean:.4g}."
    )
    if any(s.setting == LEAKS for s in means):
        text += (
            " Rows with shared_index are a reproduction of the released batches, whose "
            "slots hold one class in every domain: they leak target labels."
        )
    by_name = {s.variant: s.mean for s in clean}
    if "least_squares" in by_name:
        line = by_name["least_squares"]
        losing = [v for v in pipeline.METHODS if v in by_name]
        losing = [v for v in losing if pick(by_name[v], line) == line != by_name[v]]
        text += f" Least squares beats {', '.join(losing) or 'none of the methods'}."
    if found.regression and run.dataset in _MSE:
        text += " The published scale cannot be had from public data."
    return text


# Overlapping classes, and prediction.


def vary_noise(run: runner.Run) -> None:
    """Drawn DG sets whose classes overlap, also where clusters are not classes."""
    run.dataset = "drawn"
    dials = [(n, k) for k in run.settings.nuisances for n in run.settings.noises]
    for seed in progress.track(run.seeds, "seeds"):
        for noise, nuisance in dials:
            setting = f"noise {noise:g}" + f", nuisance {nuisance}" * bool(nuisance)
            rng = np.random.default_rng((2022, seed))
            found = data.generate_domains(
                rng, noise=noise, points=20 if run.quick else 100
            )
            found = _with_nuisance(rng, found, nuisance)
            hops = domain_data.hops(found.graph, found.sources)
            given = run, found, hops, setting, seed
            for variant in (*run.settings.method, "centres"):
                work = _centres if variant == "centres" else _noisy
                name = f"{variant}-{setting.replace(', ', '-').replace(' ', '')}-{seed}"
                run.cell(name, lambda v=variant, w=work, g=given, n=name: w(*g, v, n))
    path = run.figure("noise", "Target accuracy on drawn DG-15 sets by noise.")
    plots.dots(path, record.summarise(run.rows), ["target/accuracy"])
    run.summary = "Target accuracy on drawn sets; centres: the true boundaries."


NUISANCE = 1.5  # the two values are plus and minus this, with a deviation of 0.3


def _with_nuisance(rng, found, count):
    """The data with so many features more that have two values and mean nothing."""
    if not count:
        return found
    shape = len(found.x), count
    extra = rng.choice([-NUISANCE, NUISANCE], shape) + 0.3 * rng.standard_normal(shape)
    return found._replace(x=np.hstack([found.x, extra]).astype(np.float32))


def _noisy(run, found, hops, setting, seed, variant, name):
    folder = run.workdir / "training" / name
    fitted = grda.train(
        variant, found, options(run), directory=folder, seed=seed, mode=run.mode
    )
    values = grda.target_scores(fitted.model, found)
    return {"rows": _rows(run, found, hops, variant, setting, seed, values)}


def _centres(run, found, hops, setting, seed, variant, name):
    """Accuracy of the true boundary, the line across the centres: an upper bound."""
    del name
    side = np.sum(found.x[:, :2] * found.graph.nodes[found.domain], axis=1)
    said = np.eye(2)[(side < 0).astype(int)]
    values = pipeline.domain_scores(said, found)
    return {"rows": _rows(run, found, hops, variant, setting, seed, values)}


def predict(run: runner.Run) -> None:
    """Predictions of a kept model for new samples, new domains among them."""
    if not run.settings.model or not run.own:
        raise errors.InputError(
            "--task=predict needs --model=RUN/model.npz and --samples; for domains that "
            "the model does not know also --domains=edges.csv"
        )
    made = model.load(run.settings.model)
    x, of = own_domains.read_samples(run.settings.samples)
    made, added = _insert(made, sorted(set(of.tolist())), run.settings.domains)
    said = grda.predict(made, x, of)
    numbers = model.numbers_of(made, of)
    write_predictions(run.workdir / "predictions.csv", made, numbers, said)
    model.save(run.workdir / "model.npz", made)
    rows = [("predict", "own", 0, "predict/samples", len(x), "")]
    rows.append(("predict", "own", 0, "predict/new_domains", len(added), ""))
    run.cell("predict", lambda: {"rows": rows})
    found = domain_data.DomainData(
        *(x, np.zeros(len(x), np.int32), numbers, made.graph),
        np.zeros(len(made.domain_names), bool),
        *(made.class_names, made.domain_names),
    )
    path = run.figure("embeddings", "Domain embeddings; new domains are among them.")
    figures.embeddings(path, found, made.embeddings)
    run.summary = f"Predictions for {len(x)} samples; new domains: {', '.join(added)}."


def _insert(made, names, edges):
    """The model with every unknown domain inserted by its edges; and their names."""
    new = [name for name in names if name not in made.domain_names]
    if new and not edges:
        raise errors.InputError(
            f"the model does not know the domain {new[0]!r}: name its neighbours in "
            "--domains=edges.csv (source, target)"
        )
    neighbors = own_domains.read_neighbors(edges) if new else {}
    for name in new:
        known = made.domain_names.tolist()
        near = {k: w for k, w in neighbors.get(name, {}).items() if k in known}
        if not near:
            raise errors.InputError(
                f"{edges}: expected an edge from {name!r} to a domain of the model; found "
                f"none. Its domains: {', '.join(known[:5])}..."
            )
        made = grda.insert_domain(made, name, near)
    return made, new
