"""The models of the Cold Brew experiment: one seed's problem, and who predicts what."""

import functools
from typing import NamedTuple

import jraph
import numpy as np
from absl import logging

from experiments import run as runner
from iclr22 import cold_brew, data, errors, graph
from iclr22.cold_brew import artifact as student
from iclr22.cold_brew import graph_mlp, perceptron, pipeline, teacher

GROUPS = ("isolation", "tail", "head", "overall")
VALIDATION = 0.2  # share of the training nodes that choose


class Problem(NamedTuple):
    """A graph, who is isolated in it, and one seed's training and test nodes."""

    data: graph.NodeData
    groups: cold_brew.Groups
    judged: dict  # test nodes by group, bool [n]
    task: pipeline.Task
    full: jraph.GraphsTuple  # unmodified

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.task.seed

    @property
    def unmodified(self) -> pipeline.Task:
        """The same nodes and labels with all edges."""
        return self.task._replace(graph=self.full)


def load(run: runner.Run) -> graph.NodeData:
    """The graph that was asked for."""
    if run.own:
        edges = run.settings.edges
        return data.load_own_graph(run.dataset, edges, run.settings.directed)
    entry = data.get(run.dataset)
    if run.quick:
        return entry.synthetic(np.random.default_rng(0), 300)
    return entry.load(run.data_dir)


def published_name(run: runner.Run) -> str:
    """The data set, if it is one that the paper may have numbers for, else ''."""
    return "" if run.quick or run.own else run.dataset_name


def make_problem(run: runner.Run, found: graph.NodeData, seed: int) -> Problem:
    """Groups by degree, their edges removed; masks of this seed."""
    settings = run.settings
    if not len(found.graph.senders):
        raise errors.InputError("expected a graph with edges; found none")
    groups = cold_brew.split_by_degree(found.graph, settings.split)
    name = published_name(run) or "the graph"
    index = (
        (settings.split_index + seed) if settings.vary_split else settings.split_index
    )
    split = cold_brew.training_nodes(found, name, index, seed=seed)
    parts = cold_brew.validation_part(split.train, found.labels, VALIDATION, seed)
    _check_split(split, parts, settings.selection)
    names = {"isolation": groups.isolation, "tail": groups.tail, "head": groups.head}
    judged = {k: mask & split.test for k, mask in names.items()} | {
        "overall": split.test
    }
    for group, mask in judged.items():
        if not mask.any():
            logging.warning("no test node in %s: no such rows", group)
    task = pipeline.Task(
        seed=seed,
        graph=graph.isolate(found.graph, groups.isolation),
        x=graph.normalise_rows(found.graph.nodes)
        if settings.normalise
        else found.graph.nodes,
        labels=found.labels,
        classes=len(found.class_names),
        connected=~groups.isolation,
        fit=parts.fit,
        valid=parts.valid,
        train=split.train,
    )
    judged = {group: mask for group, mask in judged.items() if mask.any()}
    return Problem(found, groups, judged, task, found.graph)


def _check_split(split, parts, selection):
    """Somebody is left to test on, and to choose on."""
    if not split.test.any():
        raise errors.InputError(
            "expected labelled nodes to test on; found none. Mark some as test, or "
            "leave out the split: 40 % are then drawn."
        )
    if selection == "validation" and not parts.valid.any():
        raise errors.InputError(
            "expected training nodes to choose on, so two or more of some class; found "
            f"{np.count_nonzero(split.train)}, all of different classes. Label more, or "
            "use --selection=last."
        )


def check_neighbors(run: runner.Run, problem: Problem) -> None:
    """There are as many nodes as virtual neighbours are looked for.

    Raises:
      errors.InputError: K above the size of the dictionary, before anything is trained.
    """
    task, wanted = problem.task, run.settings.neighbors
    choosing = run.settings.selection == "validation"
    least = np.count_nonzero(task.known("choose" if choosing else "final")) - 1
    if not 1 <= wanted <= least:
        raise errors.InputError(
            f"expected --neighbors in 1..{least}, the nodes that may be found besides "
            f"the one itself; found {wanted}"
        )


class Models:
    """Everything that is trained on one problem; what several need is trained once."""

    def __init__(self, run: runner.Run, problem: Problem):
        self.run, self.problem, self.task = run, problem, problem.task
        self.config = run.config._replace(classes=problem.task.classes)
        settings = run.settings
        self.trainer = pipeline.Trainer(
            run.workdir / "training",
            seed=problem.seed,
            mode=run.mode,
            choose=settings.selection == "validation",
        )
        self.watch = problem.judged if settings.selection == "test_max" else None

    def graph_network(self, name: str, *, unmodified=False, **changes) -> np.ndarray:
        """Logits of a graph network, a baseline unless `changes` say otherwise."""
        config = self.config._replace(**{"embeddings": "000", **changes})
        task = self.problem.unmodified if unmodified else self.task
        found, prepared = pipeline.train_teacher(
            self.trainer, task, config, name, watch=self.watch
        )
        return np.asarray(teacher.apply(config, found["final"], prepared))

    @functools.cached_property
    def taught(self):
        """The teacher: `(params by round, prepared batch)`."""
        return pipeline.train_teacher(
            self.trainer, self.task, self.config, "teacher", watch=self.watch
        )

    def teacher_logits(self) -> np.ndarray:
        """What the teacher says, with the training graph."""
        found, prepared = self.taught
        return np.asarray(teacher.apply(self.config, found["final"], prepared))

    def feature_logits(self) -> np.ndarray:
        """What the teacher says when nobody has an edge."""
        params = self.taught[0]["final"]
        return teacher.from_features(self.config, params, self.task.x)

    def simple_mlp(self) -> np.ndarray:
        """The simple MLP."""
        config = perceptron.Config(
            outputs=self.task.classes,
            layers=2,
            width=128,
            dropout=0.5,
            steps=self.run.settings.mlp_steps,
        )
        mlp = pipeline.train_mlp(
            self.trainer, self.task, config, "mlp", watch=self.watch
        )
        return student.outputs(mlp, self.task.x)

    def graph_mlp(self) -> np.ndarray:
        """GraphMLP."""
        config = graph_mlp.Config(
            outputs=self.task.classes, steps=self.run.settings.mlp_steps
        )
        config, params = pipeline.train_graph_mlp(
            self.trainer, self.task, config, "graphmlp", watch=self.watch
        )
        return np.asarray(graph_mlp.apply(config, params, {"x": self.task.x}))

    def label_propagation(self, *, unmodified=False) -> np.ndarray:
        """Label propagation with the paper's numbers."""
        whole = self.problem.full if unmodified else self.task.graph
        return cold_brew.label_propagation(whole, self.task.labels, self.task.train)

    def student(self, name: str, recipe: pipeline.Recipe):
        """A student by recipe; see `pipeline.train_student`."""
        taught = (self.config, *self.taught)
        return pipeline.train_student(
            self.trainer, self.task, recipe, taught, name, watch=self.watch
        )

    def logits(self, name: str, make) -> np.ndarray:
        """What a student by another recipe says."""
        return self.student(name, make(self.run.settings)).logits

    @functools.cached_property
    def own_student(self):
        """The student of the settings."""
        return self.student("student", recipe(self.run.settings))

    def bundle(self) -> cold_brew.Student:
        """The student of the settings, complete, for `cold_brew.save`."""
        chain, mlp2, _, _ = self.own_student
        rows = np.flatnonzero(self.task.connected)
        return cold_brew.Student(
            chain._replace(dictionary=chain.dictionary[rows]),
            mlp2,
            self.problem.data.node_names[rows],
            tuple(self.problem.data.class_names),
            self.run.settings.normalise,
        )


def recipe(settings) -> pipeline.Recipe:
    """The student that the flags describe."""
    mlp = perceptron.Config(
        layers=settings.mlp_layers,
        width=settings.mlp_width,
        dropout=settings.mlp_dropout,
        input_dropout=settings.mlp_input_dropout,
        learning_rate=settings.mlp_learning_rate,
        temperature=settings.soft_temperature,
        steps=settings.mlp_steps,
    )
    lookup = student.Lookup(
        settings.similarity,
        settings.neighbors,
        settings.lookup_temperature,
        settings.guess,
        settings.approximate,
    )
    return pipeline.Recipe(
        settings.handover,
        settings.imitation,
        settings.student_nodes,
        settings.soft,
        settings.bare,
        lookup,
        mlp,
        mlp,
    )


def paper_recipe(settings, handover="logits") -> pipeline.Recipe:
    """The paper's student: squared error, dot product, K = 3, labels only."""
    mlp = perceptron.Config(width=256, layers=1, layer_norm=True, activation="gelu")
    mlp = mlp._replace(steps=settings.mlp_steps)
    return pipeline.Recipe(
        handover, "mse", "connected", 0.0, False, pipeline.PAPER_LOOKUP, mlp, mlp
    )


def released_recipe(settings) -> pipeline.Recipe:
    """The released code's: MLP1 on training nodes, all layers, scaled extra inputs."""
    found = paper_recipe(settings, "layers")
    return found._replace(
        nodes="train",
        lookup=found.lookup._replace(guess=True),
        mlp2=found.mlp2._replace(scale_extra=True),
    )


# Variant: what it says about every node, [n, classes].
VARIANTS = {
    "gcn": lambda m: m.graph_network("gcn", self_loops=True),
    "gcn_no_loops": lambda m: m.graph_network("gcn_no_loops", self_loops=False),
    "sage": lambda m: m.graph_network("sage", convolution="sage"),
    "mlp": Models.simple_mlp,
    "graphmlp": Models.graph_mlp,
    "label_propagation": Models.label_propagation,
    "teacher": Models.teacher_logits,
    "teacher_features": Models.feature_logits,
    "mlp1": lambda m: m.own_student.guesses[0],
    "student": lambda m: m.own_student.logits,
    "student_paper": lambda m: m.logits("student_paper", paper_recipe),
    "student_released": lambda m: m.logits("student_released", released_recipe),
}
WATCHED = {  # the model whose last stage is looked at with --selection=test_max
    name: name for name in ("gcn", "gcn_no_loops", "sage", "mlp", "graphmlp", "teacher")
} | {name: f"{name}_mlp2" for name in VARIANTS if name.startswith("student")}


def accuracies(problem: Problem, scores) -> dict[str, float]:
    """Test accuracy in percent by group."""
    correct = np.argmax(np.asarray(scores), axis=1) == problem.task.labels
    return {
        group: 100 * float(np.mean(correct[mask]))
        for group, mask in problem.judged.items()
    }
