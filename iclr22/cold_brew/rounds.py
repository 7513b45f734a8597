"""Training in two rounds.

First every model trains on a part of the training nodes while the rest of them choose how
many updates are used; then it trains on all training nodes for that long. Test labels
are in neither. In the first round the validation nodes are to the student what isolated
nodes will be: it never saw their teacher embedding.
"""

import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jraph
import numpy as np

from iclr22 import graph, loop, record, sparse, types
from iclr22.cold_brew import scaling, splits
from iclr22.data import batching

EVERY = 10  # updates between two looks at the validation nodes
SMOOTH = 3  # looks averaged, because validation parts are small
ROUNDS = ("choose", "final")


class Task(NamedTuple):
    """Classification of nodes, of which some are cold; masks are bool `[n]`, host arrays.

    Attributes:
      graph: of training: no edge touches an isolated node.
      x: features `[n, d]`, as the models see them.
      labels: `[n]`, -1 where unknown.
      class_names: by label.
      connected: nodes that are not isolated, whose rows the teacher may pass on.
      fit, valid: labelled nodes to train and to choose on in the first round.
      train: labelled nodes of the second round.
      node_names: `[n]`; feature_names: of the columns of x, if they have any.
      scale: what was done to the features.
    """

    graph: jraph.GraphsTuple
    x: np.ndarray | sparse.Sparse
    labels: np.ndarray
    class_names: tuple[str, ...]
    connected: np.ndarray
    fit: np.ndarray
    valid: np.ndarray
    train: np.ndarray
    node_names: np.ndarray
    feature_names: tuple[str, ...] = ()
    scale: scaling.Scale = scaling.Scale()

    @property
    def classes(self) -> int:
        """Number of them."""
        return len(self.class_names)

    def labelled(self, round_: str) -> np.ndarray:
        """Whose labels a round may use."""
        return self.fit if round_ == "choose" else self.train

    def known(self, round_: str) -> np.ndarray:
        """Whose teacher embedding a round may use."""
        return self.connected & ~self.valid if round_ == "choose" else self.connected


def task_of(
    data: graph.NodeData,
    isolated,
    train,
    *,
    seed: int = 0,
    scale: str = "auto",
) -> Task:
    """The task on a graph where some nodes lose their edges.

    Args:
      isolated: `[n]` bool, who does: `splits.split_by_degree(...).isolation`.
      train: `[n]` bool, whose labels may be used: `splits.training_nodes(...).train`.
      seed: of who of them chooses in the first round.
      scale: of the features, see `scaling`; `auto`: as they look.
    """
    parts = splits.validation_part(train, data.labels, seed=seed)
    x: Any = data.graph.nodes
    found = scaling.scale_of(x, scale)
    return Task(
        graph=graph.isolate(data.graph, isolated),
        x=found(x),
        labels=data.labels,
        class_names=tuple(data.class_names),
        connected=~isolated,
        fit=parts.fit,
        valid=parts.valid,
        train=train,
        node_names=data.node_names,
        feature_names=data.feature_names,
        scale=found,
    )


class Trainer:
    """Trains models in both rounds; remembers how many updates the first one chose.

    Attributes:
      rounds: `choose`, `final`; only the second if nothing is chosen.
      steps: updates that the first round chose, by name.
      watch: masks by name that every model is looked at in the final round; only to
        compare with numbers that were chosen on test nodes.
    """

    def __init__(
        self,
        directory,
        *,
        seed: int = 0,
        mode: str = "jit",
        choose: bool = True,
        watch: Mapping[str, np.ndarray] | None = None,
    ):
        self._directory, self._mode = pathlib.Path(directory), mode
        self.seed = seed
        self.rounds = ROUNDS if choose else ROUNDS[1:]
        self.steps: dict[str, int] = {}
        self.watch = watch or {}

    def train(
        self,
        round_: str,
        name: str,
        stage: types.Method,
        config,
        steps: int,
        batches,
        valid: batching.Whole,
        watch: Mapping[str, batching.Whole] | None = None,
    ):
        """Parameters after one round, on the host.

        Args:
          round_: `choose` or `final`.
          name: of the model; unique in the directory.
          steps: updates at most.
          batches: for `loop.fit`.
          valid: to choose on, in the first round.
          watch: looked at in the final round.
        """
        chooses = round_ == "choose"
        looks = {"valid": valid} if chooses else watch
        steps = steps if chooses else self.steps.get(name, steps)
        folder = self._folder(name, round_)
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
        if chooses:
            marks = valid.batch
            count = np.count_nonzero(marks.get("pair_weight", marks["weight"]))
            metrics = record.read_metrics(folder / "metrics.jsonl")
            self.steps[name] = best_step(metrics, int(count))
        return jax.device_get(state.params)

    def _folder(self, name, round_) -> pathlib.Path:
        return self._directory / f"{name}-{round_}-{self.seed}"

    def chosen(self, name: str) -> float:
        """Validation accuracy at the step that the first round chose."""
        lines = record.read_metrics(self._folder(name, "choose") / "metrics.jsonl")
        return next(
            x["valid/accuracy"]
            for x in lines
            if x["step"] == self.steps[name] and "valid/accuracy" in x
        )

    def watched(self, name: str) -> dict[str, float]:
        """Largest value of everything that `watch` looked at."""
        found: dict[str, float] = {}
        for line in record.read_metrics(self._folder(name, "final") / "metrics.jsonl"):
            for key, value in line.items():
                found[key] = max(value, found[key]) if key in found else value
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
