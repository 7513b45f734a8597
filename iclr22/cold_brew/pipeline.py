"""Training in two rounds, and the chain from teacher to student.

First every model trains on a part of the training nodes while the rest of them choose how
many updates are used; then it trains on all training nodes for that long. Test labels
are in neither. In the first round the validation nodes are to the student what isolated
nodes will be: it never saw their teacher embedding.
"""

from typing import Literal, NamedTuple

import jax
import jraph
import numpy as np

from iclr22 import loop, record, sparse
from iclr22.cold_brew import artifact as student
from iclr22.cold_brew import graph_mlp, perceptron, teacher
from iclr22.data import batching

EVERY = 10  # updates between two looks at the validation nodes
SMOOTH = 3  # looks averaged, because validation parts are small
ROUNDS = ("choose", "final")


class Task(NamedTuple):
    """One seed of node classification; masks are bool `[n]` on the host."""

    seed: int
    graph: jraph.GraphsTuple  # of training: no edge touches an isolated node
    x: object  # features `[n, d]`, dense or Sparse, rows scaled
    labels: np.ndarray
    classes: int
    connected: np.ndarray  # nodes that the teacher may pass on
    fit: np.ndarray  # labelled in the first round
    valid: np.ndarray  # chosen on in the first round
    train: np.ndarray  # labelled in the second round

    def labelled(self, round_: str) -> np.ndarray:
        """Whose labels a round may use."""
        return self.fit if round_ == "choose" else self.train

    def known(self, round_: str) -> np.ndarray:
        """Whose teacher embedding a round may use."""
        return self.connected & ~self.valid if round_ == "choose" else self.connected


class Recipe(NamedTuple):
    """Choices that make a student; the paper's in comments."""

    # see teacher.handover
    handover: Literal["logits", "embeddings", "layers"] = "logits"
    imitation: Literal["soft_labels", "mse"] = "soft_labels"  # paper: mse
    nodes: Literal["connected", "train"] = "connected"  # whom MLP1 imitates
    soft: float = 1.0  # weight of the teacher's soft labels in MLP2; paper: 0
    # the teacher without edges makes a second guess; not in the paper
    bare: bool = True
    lookup: student.Lookup = student.Lookup()
    mlp1: perceptron.Config = perceptron.Config()
    mlp2: perceptron.Config = perceptron.Config()


PAPER_LOOKUP = student.Lookup("dot", 3, 1.0, guess=False)


class Trained(NamedTuple):
    """A student, and what it says about the nodes of its graph."""

    chain: student.Chain  # its dictionary is the whole table
    mlp2: tuple  # (perceptron.Config, params)
    guesses: list  # [n, e] each: MLP1's, the bare teacher's
    logits: np.ndarray  # [n, classes]


class Trainer:
    """Trains models in both rounds; remembers how many updates the first one chose."""

    def __init__(self, directory, *, seed: int, mode: str = "jit", choose: bool = True):
        self._directory, self.seed, self._mode = directory, seed, mode
        self.rounds = ROUNDS if choose else ROUNDS[1:]
        self.steps: dict[str, int] = {}

    def train(
        self, round_, name, stage, config, steps, batches, valid=None, watch=None
    ):
        """Parameters after one round.

        Args:
          round_: `choose` or `final`.
          name: of the model; unique in the work directory.
          steps: updates at most.
          batches: for `loop.fit`.
          valid: `Whole` batch to choose on, in the first round.
          watch: dict of `Whole` batches, looked at in the final round (only to compare
            with numbers that were chosen on test nodes).
        """
        looks = {"valid": valid} if round_ == "choose" else watch
        steps = self.steps.get(name, steps) if round_ == "final" else steps
        folder = self._directory / f"{name}-{round_}-{self.seed}"
        plan = loop.Schedule(
            steps,
            log_every=EVERY * 5,
            save_every=max(steps, 1),
            evaluate_every=EVERY if looks else 0,
            scan=EVERY,
        )
        state = loop.fit(
            stage,
            config,
            batches,
            plan,
            seed=self.seed,
            mode=self._mode,
            directory=folder,
            valid=looks,
            name=name,
        )
        if round_ == "choose":
            marks = valid.batch
            count = np.count_nonzero(marks.get("pair_weight", marks["weight"]))
            metrics = record.read_metrics(folder / "metrics.jsonl")
            self.steps[name] = best_step(metrics, count)
        return jax.device_get(state.params)

    def chosen(self, name) -> float:
        """Validation accuracy at the step that the first round chose."""
        folder = self._directory / f"{name}-choose-{self.seed}"
        lines = record.read_metrics(folder / "metrics.jsonl")
        return next(
            x["valid/accuracy"]
            for x in lines
            if x["step"] == self.steps[name] and "valid/accuracy" in x
        )

    def watched(self, name) -> dict[str, float]:
        """Largest value of everything that `watch` looked at."""
        folder = self._directory / f"{name}-final-{self.seed}"
        found: dict[str, float] = {}
        for line in record.read_metrics(folder / "metrics.jsonl"):
            for key, value in line.items():
                found[key] = max(value, found.get(key, value))
        return found


def best_step(metrics: list[dict], count: int) -> int:
    """The last step whose validation accuracy is the best but for chance.

    Smoothed accuracy may be one standard error (of `count` nodes) below its maximum: on
    small validation parts the maximum itself is often an accident of the first steps.
    Without accuracy, the step of the smallest smoothed loss.
    """
    lines = [x for x in metrics if "valid/loss" in x]
    values = np.array([x.get("valid/accuracy", -x["valid/loss"]) for x in lines])
    smooth = np.convolve(
        np.pad(values, SMOOTH // 2, mode="edge"), np.ones(SMOOTH), "valid"
    )
    smooth, slack = smooth / SMOOTH, 0.0
    if "valid/accuracy" in lines[0]:
        best = smooth.max()
        slack = np.sqrt(max(best * (100 - best), 0) / max(count, 1))
    return int(lines[np.flatnonzero(smooth >= smooth.max() - slack - 1e-6)[-1]]["step"])


# Batches.


def graph_batch(config, prepared: dict, task: Task, weight) -> batching.Whole:
    """The whole graph with `weight` `[n]` on the nodes that count."""
    batch = prepared | teacher.labels(task.labels, weight)
    return batching.Whole(batch, teacher.axes(batch))


def row_batch(x, labels: dict, extra=None) -> batching.Whole:
    """Rows of features that count, as one batch for a perceptron.

    Few rows become dense and divide over devices; of many sparse ones all stay, so that
    shapes do not depend on which are used.
    """
    n = len(labels["y"])
    extra = np.zeros((n, 0, 0), np.float32) if extra is None else extra
    batch = labels | {"extra": extra}
    rows = np.flatnonzero(labels["weight"])
    if isinstance(x, sparse.Sparse):
        if 4 * len(rows) > n:
            return batching.Whole(batch | {"x": x})
        x = sparse.to_dense(sparse.take(x, rows))
    else:
        x = x[rows]
    batch = {name: value[rows] for name, value in batch.items()} | {"x": x}
    missing = -len(rows) % jax.device_count()
    batch = {k: np.concatenate([v, v[:1].repeat(missing, 0)]) for k, v in batch.items()}
    batch["weight"][len(rows) :] = 0
    return batching.Whole(batch, 0)


# Models.


def train_teacher(trainer: Trainer, task: Task, config, name, *, watch=None):
    """`(params by round, prepared batch)` of a graph network."""
    prepared = teacher.prepare(
        config,
        task.graph._replace(nodes=task.x),
        devices=jax.device_count(),
        normalise=False,
    )
    found = {}
    for round_ in trainer.rounds:
        found[round_] = trainer.train(
            round_,
            name,
            teacher,
            config,
            config.epochs,
            graph_batch(config, prepared, task, task.labelled(round_)),
            graph_batch(config, prepared, task, task.valid),
            {
                k: graph_batch(config, prepared, task, m)
                for k, m in (watch or {}).items()
            },
        )
    return found, prepared


def train_mlp(trainer: Trainer, task: Task, config, name, *, watch=None):
    """`(config, params)` of the simple MLP after the last round."""
    mark = lambda mask: row_batch(task.x, teacher.labels(task.labels, mask))  # noqa: E731
    for round_ in trainer.rounds:
        params = trainer.train(
            round_,
            name,
            perceptron,
            config,
            config.steps,
            mark(task.labelled(round_)),
            mark(task.valid),
            {k: mark(m) for k, m in (watch or {}).items()},
        )
    return config, params


def train_graph_mlp(trainer: Trainer, task: Task, config, name, *, watch=None):
    """`(config, params)` of GraphMLP after the last round."""
    close = graph_mlp.Closeness(task.graph, config.hops)

    def sampled(labelled, pool):
        size = min(config.batch_size, int(pool.sum()))
        size -= size % jax.device_count()

        def batch(step):
            rng = np.random.default_rng((trainer.seed, step))
            rows = rng.choice(np.flatnonzero(pool), size, replace=False)
            marks = teacher.labels(task.labels[rows], np.ones(size))
            marks["hard"] *= labelled[rows] * size / max(labelled[rows].sum(), 1)
            drawn = {"x": _dense(task.x, rows), "closeness": close(rows)}
            return batching.Whole(marks | drawn, 0)(step)  # this process's rows

        return batch

    mark = lambda mask: row_batch(task.x, teacher.labels(task.labels, mask))  # noqa: E731
    for round_ in trainer.rounds:
        labelled = task.labelled(round_)
        params = trainer.train(
            round_,
            name,
            graph_mlp,
            config,
            config.steps,
            sampled(labelled, task.known(round_) | labelled),
            mark(task.valid),
            {k: mark(m) for k, m in (watch or {}).items()},
        )
    return config, params


def _dense(x, rows):
    sparse_x = isinstance(x, sparse.Sparse)
    return sparse.to_dense(sparse.take(x, rows)) if sparse_x else x[rows]


def train_student(
    trainer: Trainer, task: Task, recipe: Recipe, taught, name, *, watch=None
) -> Trained:
    """A student after both rounds.

    Args:
      taught: `(teacher's config, its params by round, prepared batch)`.
    """
    config, params, prepared = taught
    for round_ in trainer.rounds:
        known = task.known(round_)
        table = teacher.handover(config, params[round_], prepared, recipe.handover)
        table = np.asarray(table)
        chain = student.Chain(
            _imitate(trainer, task, recipe, round_, table, name),
            (config, teacher.without_embeddings(params[round_]))
            if recipe.bare
            else None,
            recipe.handover,
            recipe.lookup,
            table,
        )
        guesses = student.guess(chain, task.x)
        rows = np.where(known, np.arange(len(known)), -1)
        _, extra = student.look_up(chain, guesses, exclude=rows, allowed=known)
        mlp2 = _classify(trainer, task, recipe, round_, table, extra, name, watch)
    return Trained(chain, mlp2, guesses, student.outputs(mlp2, task.x, extra))


def _imitate(trainer, task, recipe, round_, table, name):
    """MLP1: guess the teacher's row of a node from its features."""
    config = recipe.mlp1._replace(outputs=table.shape[1])
    if recipe.imitation == "mse":
        config = config._replace(objective="mse")
    imitated = task.known(round_)
    if recipe.nodes == "train":
        imitated = task.labelled(round_)
    marks = teacher.labels(task.labels, imitated, target=table, soft=1.0)
    valid = teacher.labels(task.labels, task.valid, target=table)
    if recipe.imitation == "soft_labels":
        marks["hard"] *= 0  # this step sees no labels
    params = trainer.train(
        round_,
        f"{name}_mlp1",
        perceptron,
        config,
        config.steps,
        row_batch(task.x, marks),
        row_batch(task.x, valid),
    )
    return config, params


def _classify(trainer, task, recipe, round_, table, extra, name, watch):
    """MLP2: class from features, virtual neighbours and guess."""
    config = recipe.mlp2._replace(outputs=task.classes)
    labelled = task.labelled(round_)
    if recipe.soft and recipe.handover == "logits":
        used = labelled | task.known(round_)
        marks = teacher.labels(task.labels, used, target=table, soft=recipe.soft)
        marks["soft"] *= task.known(round_)
        marks["hard"] *= labelled
    else:
        marks = teacher.labels(task.labels, labelled)
    plain = lambda mask: row_batch(  # noqa: E731
        task.x, teacher.labels(task.labels, mask, target=marks["target"]), extra
    )
    params = trainer.train(
        round_,
        f"{name}_mlp2",
        perceptron,
        config,
        config.steps,
        row_batch(task.x, marks, extra),
        plain(task.valid),
        {k: plain(m) for k, m in (watch or {}).items()},
    )
    return config, params
