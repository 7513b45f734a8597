"""The trained models of one seed; what several variants need is trained once."""

import functools

import numpy as np

from experiments import run as runner
from experiments.cold_brew.problem import Problem
from experiments.cold_brew.variants import STUDENTS
from iclr22 import cold_brew
from iclr22.cold_brew import artifact, graph_mlp, models, pipeline, teacher
from iclr22.cold_brew.rounds import Trainer


class Models:
    """Everything that is trained on one problem, as `run.trained` says it."""

    def __init__(self, run: runner.Run, problem: Problem):
        self.run, self.problem, self.task = run, problem, problem.task
        selection = run.options.models.selection
        self.trainer = Trainer(
            run.path("training"),
            seed=problem.seed,
            mode=run.mode,
            choose=selection == "validation",
            watch=problem.judged if selection == "test_max" else None,
        )

    def graph_network(self, name: str, *, unmodified: bool = False) -> np.ndarray:
        """Logits `[n, classes]` of a graph network."""
        task = self.problem.unmodified if unmodified else self.task
        config = self.run.trained[name]
        return models.train_teacher(self.trainer, task, config, name).logits()

    @functools.cached_property
    def taught(self) -> models.Taught:
        """The teacher."""
        config = self.run.trained["teacher"]
        return models.train_teacher(self.trainer, self.task, config, "teacher")

    def feature_logits(self) -> np.ndarray:
        """What the teacher says when nobody has an edge."""
        taught = self.taught
        return teacher.from_features(taught.config, taught.params["final"], self.task.x)

    def simple_mlp(self) -> np.ndarray:
        """The simple MLP."""
        config = self.run.trained["mlp"]
        mlp = models.train_mlp(self.trainer, self.task, config, "mlp")
        return artifact.outputs(mlp, self.task.x)

    def graph_mlp(self) -> np.ndarray:
        """GraphMLP."""
        config, params = models.train_graph_mlp(
            self.trainer, self.task, self.run.trained["graphmlp"], "graphmlp"
        )
        return np.asarray(graph_mlp.apply(config, params, {"x": self.task.x}))

    def label_propagation(self, *, unmodified: bool = False) -> np.ndarray:
        """Label propagation with the paper's numbers."""
        task = self.problem.unmodified if unmodified else self.task
        found = cold_brew.label_propagation(task.graph, task.labels, task.train)
        return np.asarray(found)

    @functools.cached_property
    def own_student(self) -> pipeline.Fitted:
        """The student of the options."""
        return self.student("student")

    def student(self, name: str) -> pipeline.Fitted:
        """One of `variants.STUDENTS`."""
        options = STUDENTS[name](self.run.options.models)
        return pipeline.train_student(
            self.trainer, self.task, options, self.taught, name
        )

    def says(self, variant: str) -> np.ndarray:
        """What a variant says about every node, `[n, classes]`."""
        own = {
            "mlp": self.simple_mlp,
            "graphmlp": self.graph_mlp,
            "label_propagation": self.label_propagation,
            "teacher": lambda: self.taught.logits(),
            "teacher_features": self.feature_logits,
            "mlp1": lambda: self.own_student.guesses[0],
            "student": lambda: self.own_student.logits,
        }
        if variant in own:
            return own[variant]()
        if variant in STUDENTS:
            return self.student(variant).logits
        return self.graph_network(variant)
