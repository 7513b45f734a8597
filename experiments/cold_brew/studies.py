"""The studies of the Cold Brew experiment: table, screening, links, depth, prediction."""

import itertools

import numpy as np

from experiments import run as runner
from experiments.cold_brew.models import (
    VARIANTS,
    WATCHED,
    Models,
    accuracies,
    check_neighbors,
    load,
    make_problem,
    published_name,
)
from iclr22 import checkpoint, cold_brew, errors, graph, plots, progress, record
from iclr22.cold_brew import artifact as student
from iclr22.cold_brew import figures, perceptron, pipeline

# Tables 3 and 10 of the paper, accuracy in percent: isolation, tail, head, overall.
_PUBLISHED = {
    ("cora", "gcn"): (58.02, 84.54, 88.68, 84.89),
    ("cora", "sage"): (66.02, 82.82, 87.75, 80.90),
    ("cora", "mlp"): (68.40, 70.76, 74.33, 69.02),
    ("cora", "graphmlp"): (65.00, 70.09, 72.45, 71.87),
    ("cora", "teacher"): (58.37, 84.66, 89.39, 86.96),
    ("cora", "student"): (69.62, 71.80, 74.53, 72.36),
    ("citeseer", "gcn"): (47.09, 56.51, 80.37, 70.38),
    ("citeseer", "sage"): (51.46, 52.77, 74.81, 66.21),
    ("citeseer", "mlp"): (53.26, 54.85, 72.00, 56.59),
    ("citeseer", "graphmlp"): (52.82, 55.56, 69.83, 68.22),
    ("citeseer", "teacher"): (47.78, 56.32, 80.76, 72.44),
    ("citeseer", "student"): (53.17, 54.88, 72.33, 67.54),
    ("pubmed", "gcn"): (71.50, 74.95, 85.79, 78.18),
    ("pubmed", "sage"): (69.87, 73.07, 86.94, 76.73),
    ("pubmed", "mlp"): (65.84, 67.21, 89.00, 73.51),
    ("pubmed", "graphmlp"): (71.22, 71.45, 89.00, 82.03),
    ("pubmed", "teacher"): (73.85, 75.33, 87.83, 79.03),
    ("pubmed", "student"): (72.33, 72.54, 90.33, 82.00),
    ("chameleon", "gcn"): (57.28, 58.33, 67.49, 59.30),
    ("chameleon", "sage"): (59.83, 61.26, 62.08, 70.02),
    ("chameleon", "mlp"): (60.76, 50.12, 60.82, 58.65),
    ("chameleon", "graphmlp"): (63.54, 52.84, 62.44, 57.67),
    ("chameleon", "teacher"): (60.13, 60.80, 70.56, 68.51),
    ("chameleon", "student"): (62.28, 51.36, 61.28, 59.07),
}
_SAME_AS = {"student_paper": "student", "student_released": "student"}
_FCR = {"cora": 32.86, "citeseer": 63.39, "pubmed": 76.91, "chameleon": 73.61}


_PUBLISHED_DEEP = {  # table 6, overall
    ("cora", "gcn"): 40.04,
    ("cora", "teacher"): 74.23,
    ("citeseer", "gcn"): 23.66,
    ("citeseer", "teacher"): 46.80,
    ("pubmed", "gcn"): 75.65,
    ("pubmed", "teacher"): 78.12,
}
DEEP = {"gcn": "000", "teacher": "111"}  # structural embeddings in which layers
# Dropout of every one of 64 inputs leaves nothing, and embeddings must be free to grow.
DEEP_TRAINING = {"dropout": 0.1, "embedding_penalty": 1e-3, "epochs": 150}


def published(dataset: str, variant: str, metric: str):
    """The paper's number, or an empty string."""
    values = _PUBLISHED.get((dataset, _SAME_AS.get(variant, variant)))
    group = metric.split("/")[0]
    order = ("isolation", "tail", "head", "overall")
    return values[order.index(group)] if values and group in order else ""


# Classification.


def classify(run: runner.Run) -> None:
    """The full table; then figures, and a student to keep, of the first seed."""
    unknown = set(run.settings.variants) - set(VARIANTS)
    if unknown:
        raise errors.nearest(sorted(unknown)[0], VARIANTS, "variant")
    found = load(run)
    _describe(run, found)
    for seed in progress.track(run.seeds, "seeds"):
        problem = make_problem(run, found, seed)
        check_neighbors(run, problem)
        models = Models(run, problem)
        for variant in run.settings.variants:
            run.cell(
                f"{variant}-{seed}",
                lambda v=variant, m=models: _score(run, m, v),
            )
        run.cell(f"unmodified-{seed}", lambda m=models: _unmodified(run, m))
        if seed == run.seeds[0]:
            path = run.figure(
                "embeddings",
                "First two principal components of what the student guesses for every "
                "node (one seed); colour is the class, crosses are isolated, triangles "
                "tail nodes.",
            )
            run.cell(f"kept-{seed}", lambda m=models, p=path: _keep(run, m, p))
    _draw(run)
    run.summary = _conclusions(run)


def _describe(run, found):
    n, edges = graph.size(found.graph.nodes), len(found.graph.senders)
    run.facts["nodes"] = n
    run.facts["directed edges"] = edges
    run.facts["homophily"] = round(graph.homophily(found.graph, found.labels), 4)


def _score(run, models: Models, variant: str) -> dict:
    """Rows of one variant and seed, and what it predicts for every node."""
    scores = np.asarray(VARIANTS[variant](models))
    problem, setting = models.problem, run.settings.split
    values = {f"{g}/accuracy": v for g, v in accuracies(problem, scores).items()}
    if run.settings.selection == "test_max" and variant in WATCHED:
        watched = models.trainer.watched(WATCHED[variant])
        values = {
            f"{group}/accuracy_test_max": watched[f"{group}/accuracy"]
            for group in problem.judged
        }
    rows = [
        (variant, setting, problem.seed, metric, value, _paper(run, variant, metric))
        for metric, value in values.items()
    ]
    return {"rows": rows, "predicted": np.argmax(scores, axis=1)}


def _paper(run, variant, metric):
    name = published_name(run)
    return published(name, variant, metric.removesuffix("_test_max"))


def _unmodified(run, models: Models) -> dict:
    """The graph with all its edges: GCN, label propagation, and FCR from them."""
    problem = models.problem
    scores = {
        "gcn": models.graph_network("gcn_unmodified", unmodified=True),
        "label_propagation": models.label_propagation(unmodified=True),
        "mlp": models.simple_mlp(),
    }
    rows, overall = [], {}
    for variant, values in scores.items():
        found = accuracies(problem, values)
        overall[variant] = found["overall"]
        for group, value in found.items():
            rows.append(
                (variant, "unmodified", problem.seed, f"{group}/accuracy", value, "")
            )
    ratio = cold_brew.feature_contribution_ratio(
        overall["mlp"], overall["label_propagation"], overall["gcn"]
    )
    if np.isfinite(ratio):
        paper = _FCR.get(published_name(run), "")
        rows.append(("fcr", "unmodified", problem.seed, "overall/fcr", ratio, paper))
    return {"rows": rows, "fcr": str(ratio)}


def _keep(run, models: Models, path) -> dict:
    """Student, embeddings, predictions and a figure of the first seed."""
    problem = models.problem
    bundle = models.bundle()
    cold_brew.save(run.workdir / "student.npz", bundle)
    chain, _, guesses, logits = models.own_student
    table = chain.dictionary
    groups = np.full(len(table), "other", "U9")
    for name, mask in problem.groups._asdict().items():
        groups[mask] = name
    checkpoint.write_npz(
        run.workdir / "embeddings.npz",
        names=problem.data.node_names.astype(str),
        groups=groups,
        labels=problem.data.labels,
        teacher=table,
        student=guesses[0],
    )
    _write_predictions(run, models, groups, logits)
    figures.embeddings(path, guesses[0], problem.data.labels, problem.groups)
    return {}


def _write_predictions(run, models, groups, logits):
    """predictions.csv: every node, by the teacher where it has edges, else the student."""
    problem = models.problem
    by_student = graph.degrees(problem.task.graph) == 0
    teacher_logits = models.teacher_logits()
    chosen = np.where(by_student[:, None], logits, teacher_logits)
    shares = np.exp(chosen - chosen.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    names = np.append(problem.data.class_names, "")
    columns = {
        "id": problem.data.node_names,
        "group": groups,
        "degree": graph.degrees(problem.full),
        "label": names[problem.data.labels],
        "predicted": names[np.argmax(shares, axis=1)],
        "probability": np.round(shares.max(axis=1), 4),
        "by": np.where(by_student, "student", "teacher"),
        "used_in_training": problem.task.train,
    }
    record.write_columns(run.workdir / "predictions.csv", columns)


def _draw(run) -> None:
    """Accuracy by group and by degree."""
    summaries = [
        s for s in record.summarise(run.rows) if s.setting == run.settings.split
    ]
    path = run.figure(
        "accuracy",
        "Test accuracy by group, mean and 95 % interval over seeds; black marks are the "
        "paper's numbers.",
    )
    figures.accuracy_by_group(path, summaries)
    found = load(run)
    problem = make_problem(run, found, run.seeds[0])
    degrees = graph.degrees(problem.full)
    correct = {}
    for variant in run.settings.variants:
        predicted = run.cell(f"{variant}-{run.seeds[0]}", dict)["predicted"]
        correct[variant] = predicted == problem.task.labels
    path = run.figure(
        "degrees",
        "Test accuracy by degree in the unmodified graph (one seed); nodes counted as "
        "isolated lost their edges before training.",
    )
    buckets = figures.accuracy_by_degree(
        path, degrees, correct, problem.judged["overall"]
    )
    record.write_columns(run.workdir / "degrees.csv", buckets)


def _conclusions(run) -> str:
    """A few sentences with this run's numbers."""
    ending = "_test_max" if run.settings.selection == "test_max" else ""
    means = {
        s.variant: s.mean
        for s in record.summarise(run.rows)
        if s.setting == run.settings.split and s.metric == f"isolation/accuracy{ending}"
    }
    lines = []
    if {"student", "mlp"} <= set(means):
        others = {k: v for k, v in means.items() if not k.startswith("student")}
        better = [f"{k} {v:.1f}" for k, v in others.items() if v >= means["student"]]
        lines.append(
            f"On isolated nodes the student reaches {means['student']:.1f} %, the simple "
            f"MLP {means['mlp']:.1f} %. As good or better: {', '.join(better) or 'none'}."
        )
    ratios = [row.value for row in run.rows if row.metric == "overall/fcr"]
    ratio = float(np.mean(ratios)) if ratios else float("nan")
    lines.append(cold_brew.reading(ratio))
    if ending:
        lines.append("Chosen on test nodes, to compare with published numbers only.")
    return "\n".join(lines)


# Screening.


def screen(run: runner.Run) -> None:
    """FCR from searched baselines, all chosen on validation nodes, unmodified graph."""
    found = load(run)
    _describe(run, found)
    for seed in progress.track(run.seeds, "seeds"):
        run.cell(f"screen-{seed}", lambda s=seed: _screen(run, found, s))
    path = run.figure("screen", "Accuracy of the three searched families, and FCR.")
    plots.dots(path, record.summarise(run.rows), ("overall/accuracy", "overall/fcr"))
    ratios = [row.value for row in run.rows if row.metric == "overall/fcr"]
    run.summary = cold_brew.reading(float(np.mean(ratios)) if ratios else float("nan"))


def _screen(run, found, seed) -> dict:
    models = Models(run, make_problem(run, found, seed))
    task = models.problem.unmodified
    s, best = run.settings, {}
    grid = itertools.product(
        s.screen_layers, ("000", "100"), s.screen_residuals, s.screen_norms
    )
    for layers, embeddings, residual, norm in grid:
        name = f"screen_gcn_{layers}_{embeddings}_{residual}_{norm}"
        changes = {"layers": layers, "embeddings": embeddings, "residual": residual}
        scores = models.graph_network(name, unmodified=True, norm=norm, **changes)
        _remember(models, best, "gnn", name, scores)
    grid = itertools.product(s.screen_mlp_layers, s.screen_mlp_widths, s.screen_rates)
    for layers, width, rate in grid:
        config = perceptron.Config(task.classes, layers, width, learning_rate=rate)
        name = f"screen_mlp_{layers}_{width}_{rate}"
        config = config._replace(steps=s.mlp_steps)
        mlp = pipeline.train_mlp(models.trainer, task, config, name)
        _remember(models, best, "mlp", name, student.outputs(mlp, task.x))
    return _screen_rows(run, models, best)


def _remember(models, best, family, name, scores):
    """Keep the model of a family with the highest validation accuracy."""
    valid = models.trainer.chosen(name)
    if family not in best or valid > best[family][0]:
        test = accuracies(models.problem, scores)["overall"]
        best[family] = (valid, test, name)


def _screen_rows(run, models, best):
    problem = models.problem
    task = problem.unmodified
    chosen = cold_brew.search_label_propagation(
        task.graph, task.labels, task.fit, task.valid
    )
    scores = cold_brew.label_propagation(
        task.graph,
        task.labels,
        task.train,
        steps=chosen.steps,
        alpha=chosen.alpha,
        matrix=chosen.matrix,
    )
    values = {"label_propagation": accuracies(problem, scores)["overall"]}
    values |= {family: test for family, (_, test, _) in best.items()}
    ratio = cold_brew.feature_contribution_ratio(
        values["mlp"], values["label_propagation"], values["gnn"]
    )
    rows = [
        (family, "searched", problem.seed, "overall/accuracy", value, "")
        for family, value in values.items()
    ]
    if np.isfinite(ratio):
        paper = _FCR.get(published_name(run), "")
        rows.append(("fcr", "searched", problem.seed, "overall/fcr", ratio, paper))
    names = {family: name for family, (*_, name) in best.items()}
    names["label_propagation"] = f"{chosen.steps} {chosen.matrix} {chosen.alpha}"
    return {"rows": rows, "chosen": names}


# Depth.


def deep(run: runner.Run) -> None:
    """Many layers, without and with structural embeddings in all of them."""
    found = load(run)
    _describe(run, found)
    layers = run.settings.deep_layers
    for seed in progress.track(run.seeds, "seeds"):
        models = Models(run, make_problem(run, found, seed))
        for variant in DEEP:
            run.cell(
                f"deep-{variant}-{layers}-{seed}",
                lambda v=variant, m=models: _deep(run, m, v),
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


def _deep(run, models: Models, variant: str) -> dict:
    layers = run.settings.deep_layers
    changes = {"layers": layers, "embeddings": DEEP[variant]}
    logits = models.graph_network(f"deep_{variant}", **changes, **DEEP_TRAINING)
    known = (published_name(run), variant)
    paper = _PUBLISHED_DEEP.get(known, "") if layers == 64 else ""
    rows = [
        (
            variant,
            f"{layers} layers",
            models.problem.seed,
            f"{group}/accuracy",
            value,
            paper if group == "overall" else "",
        )
        for group, value in accuracies(models.problem, logits).items()
    ]
    return {"rows": rows}


# Prediction for new nodes.


def predict(run: runner.Run) -> None:
    """New nodes from a table of features, by a student of an earlier run."""
    from iclr22.data.graphs import own as own_graph

    if not run.settings.student or not run.settings.nodes:
        raise errors.InputError(
            "--task=predict needs --student=FILE.npz and --nodes=FILE"
        )
    bundle = cold_brew.load(run.settings.student)
    names, features = own_graph.read_features(run.settings.nodes)
    found = student.predict(bundle, features)
    best = np.argmax(found.probabilities, axis=1)
    columns = {
        "id": names,
        "predicted": np.asarray(bundle.class_names)[best],
        "probability": np.round(found.probabilities.max(axis=1), 4),
        "neighbors": [" ".join(bundle.names[row]) for row in found.neighbors],
        "weights": [" ".join(f"{w:.3f}" for w in row) for row in found.weights],
    }
    record.write_columns(run.workdir / "predictions.csv", columns)
    run.summary = f"{len(names)} nodes are in {run.workdir / 'predictions.csv'}."
