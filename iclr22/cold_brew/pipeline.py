"""From a graph to a student: all options, and the chain from teacher to student."""

from typing import Literal, NamedTuple

import numpy as np

from iclr22.cold_brew import artifact, batches, perceptron
from iclr22.cold_brew import teacher as teachers
from iclr22.cold_brew.artifact import Lookup
from iclr22.cold_brew.graph_mlp import Config as GraphMLP
from iclr22.cold_brew.models import Taught, train_teacher
from iclr22.cold_brew.perceptron import Config as Perceptron
from iclr22.cold_brew.rounds import Task, Trainer
from iclr22.cold_brew.teacher import Config as Teacher
from iclr22.cold_brew.teacher import Handover


class Options(NamedTuple):
    """Hyper-parameters of all models, and the choices that make a student."""

    MAIN = "teacher"

    teacher: Teacher = Teacher()  # also of the baselines that are graph networks
    student: Perceptron = Perceptron(input_dropout=0.5)  # MLP1 and MLP2
    mlp: Perceptron = Perceptron()  # the simple MLP, a baseline
    graph_mlp: GraphMLP = GraphMLP()  # a baseline
    lookup: Lookup = Lookup()
    # what the teacher hands over; embeddings: the paper's other choice; layers: the
    # released code's
    handover: Handover = "logits"
    # how MLP1 learns from it; the paper has mse
    imitation: Literal["soft_labels", "mse"] = "soft_labels"
    # whom MLP1 imitates: all that are not isolated, or training nodes
    student_nodes: Literal["connected", "train"] = "connected"
    soft: float = 1.0  # weight of the teacher's soft labels in MLP2; paper: 0
    soft_temperature: float = 1.0  # of soft labels
    scale_extra: bool = False  # MLP2 scales its extra inputs, as in the released code
    bare: bool = True  # the teacher without edges makes a second guess and searches
    # how long models train: as validation nodes choose, or to the last update; test_max
    # is last, and who measures may look for maxima on test nodes, only to compare with
    # published numbers
    selection: Literal["validation", "last", "test_max"] = "validation"


class Configs(NamedTuple):
    """What is trained, with everything that the data decide."""

    teacher: Teacher
    mlp1: Perceptron
    mlp2: Perceptron
    mlp: Perceptron
    graph_mlp: GraphMLP


def configs_of(options: Options, classes: int) -> Configs:
    """The configurations that are trained for so many classes."""
    taught = options.teacher._replace(classes=classes)
    soft = options.student._replace(temperature=options.soft_temperature)
    return Configs(
        teacher=taught,
        mlp1=soft._replace(
            outputs=teachers.handover_width(taught, options.handover),
            objective="mse" if options.imitation == "mse" else "cross_entropy",
        ),
        mlp2=soft._replace(outputs=classes, scale_extra=options.scale_extra),
        mlp=options.mlp._replace(outputs=classes),
        graph_mlp=options.graph_mlp._replace(outputs=classes),
    )


def as_published(options: Options) -> Options:
    """The paper's student: squared error, dot product, K = 3, labels only."""
    return options._replace(
        student=Perceptron(
            width=256,
            layers=1,
            layer_norm=True,
            activation="gelu",
            steps=options.student.steps,
        ),
        lookup=Lookup(similarity="dot", neighbors=3, temperature=1.0, guess=False),
        handover="logits",
        imitation="mse",
        student_nodes="connected",
        soft=0.0,
        soft_temperature=1.0,
        scale_extra=False,
        bare=False,
    )


def as_released(options: Options) -> Options:
    """The released code's: MLP1 on training nodes, all layers, scaled extra inputs."""
    found = as_published(options)
    return found._replace(
        lookup=found.lookup._replace(guess=True),
        handover="layers",
        student_nodes="train",
        scale_extra=True,
    )


class Fitted(NamedTuple):
    """A trained student, and what is known of the nodes of its graph.

    Attributes:
      student: complete, for `artifact.predict` and `artifact.save`.
      taught: its teacher.
      table: `[n, e]`, the teacher's row of every node.
      guesses: `[n, e]` each: MLP1's guess of it, the bare teacher's.
      logits: `[n, classes]`, what the student says.
    """

    student: artifact.Student
    taught: Taught
    table: np.ndarray
    guesses: list[np.ndarray]
    logits: np.ndarray


def train(
    data: Task,
    options: Options | None = None,
    *,
    directory,
    seed: int = 0,
    mode: str = "jit",
) -> Fitted:
    """Train a teacher and its student; labels outside of `data.train` are never used.

    Args:
      data: see `task_of`.
      directory: for checkpoints and curves; a run that is started again continues there.
    """
    options = Options() if options is None else options
    choose = options.selection == "validation"
    trainer = Trainer(directory, seed=seed, mode=mode, choose=choose)
    config = configs_of(options, data.classes).teacher
    taught = train_teacher(trainer, data, config, "teacher")
    return train_student(trainer, data, options, taught, "student")


def train_student(
    trainer: Trainer, task: Task, options: Options, taught: Taught, name: str
) -> Fitted:
    """A student after both rounds of `<name>_mlp1` and `<name>_mlp2`."""
    student = _Student(trainer, task, options, name)
    return [student.round(round_, taught) for round_ in trainer.rounds][-1]


class _Student(NamedTuple):
    """The training of one student."""

    trainer: Trainer
    task: Task
    options: Options
    name: str

    def round(self, round_: str, taught: Taught) -> Fitted:
        """Both of its MLPs after a round."""
        task, options = self.task, self.options
        config, params = taught.config, taught.params[round_]
        table = teachers.handover(config, params, taught.batch, options.handover)
        table = np.asarray(table)
        chain = artifact.Chain(
            mlp1=self._imitate(round_, table),
            bare=(config, teachers.without_embeddings(params))
            if options.bare
            else None,
            handover=options.handover,
            lookup=options.lookup,
            dictionary=table,
        )
        guesses = artifact.guess(chain, task.x)
        known = task.known(round_)
        rows = np.where(known, np.arange(len(known)), -1)
        _, extra = artifact.look_up(
            options.lookup, table, guesses, exclude=rows, allowed=known
        )
        mlp2 = self._classify(round_, table, extra)
        kept = np.flatnonzero(task.connected)
        student = artifact.Student(
            chain=chain._replace(dictionary=table[kept]),
            mlp2=mlp2,
            names=task.node_names[kept],
            class_names=task.class_names,
            scale=task.scale,
            feature_names=task.feature_names,
        )
        logits = artifact.outputs(mlp2, task.x, extra)
        return Fitted(student, taught, table, guesses, logits)

    def _imitate(self, round_, table):
        """MLP1: guess the teacher's row of a node from its features."""
        task, options = self.task, self.options
        config = configs_of(options, task.classes).mlp1
        imitated = task.known(round_)
        if options.student_nodes == "train":
            imitated = task.labelled(round_)
        marks = teachers.labels(task.labels, imitated, target=table, soft=1.0)
        valid = teachers.labels(task.labels, task.valid, target=table)
        if options.imitation == "soft_labels":
            marks["hard"] *= 0  # this step sees no labels
        params = self.trainer.train(
            round_,
            f"{self.name}_mlp1",
            perceptron,
            config,
            config.steps,
            batches.row_batch(task.x, marks),
            batches.row_batch(task.x, valid),
        )
        return config, params

    def _classify(self, round_, table, extra):
        """MLP2: class from features, virtual neighbours and guess."""
        task, options = self.task, self.options
        config = configs_of(options, task.classes).mlp2
        labelled = task.labelled(round_)
        if options.soft and options.handover == "logits":
            known = task.known(round_)
            used = labelled | known
            marks = teachers.labels(task.labels, used, target=table, soft=options.soft)
            marks["soft"] *= known
            marks["hard"] *= labelled
        else:
            marks = teachers.labels(task.labels, labelled)

        def plain(mask):
            labels = teachers.labels(task.labels, mask, target=marks["target"])
            return batches.row_batch(task.x, labels, extra)

        params = self.trainer.train(
            round_,
            f"{self.name}_mlp2",
            perceptron,
            config,
            config.steps,
            batches.row_batch(task.x, marks, extra),
            plain(task.valid),
            {k: plain(m) for k, m in self.trainer.watch.items()},
        )
        return config, params
