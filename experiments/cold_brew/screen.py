"""Screening: FCR from searched baselines, before any student is trained."""

import itertools

import numpy as np

from experiments import run as runner
from experiments.cold_brew import paper
from experiments.cold_brew.models import Models
from experiments.cold_brew.problem import accuracies, describe, load, make_problem
from iclr22 import cold_brew, plots, progress, record
from iclr22.cold_brew import artifact, models, perceptron, pipeline, teacher


def networks(options, classes: int) -> dict[str, teacher.Config]:
    """The graph networks of the grid, by name."""
    own = pipeline.configs_of(options.models, classes).teacher
    grid = itertools.product(
        options.screen_layers,
        ("000", "100"),
        options.screen_residuals,
        options.screen_norms,
    )
    return {
        f"screen_gcn_{layers}_{embeddings}_{residual}_{norm}": own._replace(
            layers=layers, embeddings=embeddings, residual=residual, norm=norm
        )
        for layers, embeddings, residual, norm in grid
    }


def perceptrons(options, classes: int) -> dict[str, perceptron.Config]:
    """The simple MLPs of the grid, by name."""
    own = pipeline.configs_of(options.models, classes).mlp
    grid = itertools.product(
        options.screen_mlp_layers, options.screen_mlp_widths, options.screen_rates
    )
    return {
        f"screen_mlp_{layers}_{width}_{rate}": own._replace(
            layers=layers, width=width, learning_rate=rate
        )
        for layers, width, rate in grid
    }


def screen(run: runner.Run) -> None:
    """FCR from searched baselines, all chosen on validation nodes, unmodified graph."""
    found, options = load(run), run.options
    describe(run, found)
    classes = len(found.class_names)
    run.trains(networks(options, classes) | perceptrons(options, classes))
    for seed in progress.track(run.seeds, "seeds"):
        run.cell(f"screen-{seed}", lambda s=seed: _Search(run, found, s).rows())
    path = run.figure("screen", "Accuracy of the three searched families, and FCR.")
    plots.dots(path, record.summarise(run.rows), ("overall/accuracy", "overall/fcr"))
    ratios = [row.value for row in run.rows if row.metric == "overall/fcr"]
    run.summary = cold_brew.reading(float(np.mean(ratios)) if ratios else np.nan)


class _Search:
    """One seed: the best of each family by validation accuracy."""

    def __init__(self, run: runner.Run, found, seed: int):
        self.run = run
        self.models = Models(run, make_problem(run, found, seed))
        self.problem, self.task = self.models.problem, self.models.problem.unmodified
        self.best: dict[str, tuple] = {}  # by family: validation, test, name

    def rows(self) -> dict:
        """Rows of the three families and of FCR, and what was chosen."""
        options, classes = self.run.options, self.task.classes
        for name in networks(options, classes):
            scores = self.models.graph_network(name, unmodified=True)
            self._remember("gnn", name, scores)
        for name in perceptrons(options, classes):
            config = self.run.trained[name]
            mlp = models.train_mlp(self.models.trainer, self.task, config, name)
            self._remember("mlp", name, artifact.outputs(mlp, self.task.x))
        propagation, chosen = self._propagation()
        values = {"label_propagation": propagation}
        values |= {family: test for family, (_, test, _) in self.best.items()}
        ratio = cold_brew.feature_contribution_ratio(
            values["mlp"], values["label_propagation"], values["gnn"]
        )
        seed = self.problem.seed
        rows: list[tuple] = [
            (family, "searched", seed, "overall/accuracy", value, "")
            for family, value in values.items()
        ]
        if np.isfinite(ratio):
            known = paper.FCR.get(self.run.dataset_name, "")
            rows.append(("fcr", "searched", seed, "overall/fcr", ratio, known))
        names = {family: name for family, (*_, name) in self.best.items()}
        return {"rows": rows, "chosen": names | {"label_propagation": chosen}}

    def _remember(self, family, name, scores) -> None:
        """Keep the model of a family with the highest validation accuracy."""
        valid = self.models.trainer.chosen(name)
        if family not in self.best or valid > self.best[family][0]:
            test = accuracies(self.problem, scores)["overall"]
            self.best[family] = (valid, test, name)

    def _propagation(self) -> tuple[float, str]:
        """Test accuracy of the best label propagation, and which it is."""
        task = self.task
        found = cold_brew.search_label_propagation(
            task.graph, task.labels, task.fit, task.valid
        )
        scores = cold_brew.label_propagation(
            task.graph,
            task.labels,
            task.train,
            steps=found.steps,
            alpha=found.alpha,
            matrix=found.matrix,
        )
        chosen = f"{found.steps} {found.matrix} {found.alpha}"
        return accuracies(self.problem, scores)["overall"], chosen
