"""Training of any of the methods on any data of related domains: one call."""

import pathlib
from types import ModuleType
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from absl import logging

from iclr22 import errors, loop, record
from iclr22.data.domains import DomainData
from iclr22.grda import (
    adversarial,
    batches,
    embedding,
    plus,
    propagate,
    refine,
    selection,
)
from iclr22.grda.adversarial import Config as Adversarial
from iclr22.grda.artifact import Model, no_scale, predict, scale_of
from iclr22.grda.plus import Config as Plus
from iclr22.grda.propagate import Config as Propagate

METHODS = {
    "source_only": "none",
    "dann": "dann",
    "cdann": "cdann",
    "adda": "adda",
    "mdd": "mdd",
    "grda": "graph",
    "propagate": "none",
    "grda_plus": "none",
}  # the adversary of each


class Options(NamedTuple):
    """A method, the hyper-parameters of all, and how a state is chosen."""

    MAIN = "adversarial"
    RESOLVED = ("method",)  # by who trains

    method: str = "grda_plus"  # a key of METHODS
    adversarial: Adversarial = Adversarial()  # of all but grda_plus
    plus: Plus = Plus()  # of grda_plus
    propagate: Propagate = Propagate()  # of propagate, besides the first
    embedding_size: int = 2  # dimensions of domain embeddings
    snapshots: int = 3  # states in a run among which is chosen without target labels
    # state of a run that is taken: chosen without target labels, or the last
    selection: Literal["unlabelled", "last"] = "unlabelled"


class Fitted(NamedTuple):
    """A trained model and how it was chosen."""

    model: Model
    scores: tuple[selection.Scores, ...]  # of the candidates
    chosen: int
    curves: list[dict]  # what was logged while training


def config_of(options: Options, data: DomainData):
    """The configuration that is trained: what the method and the data decide filled in.

    Raises:
      errors.InputError: an unknown method.
    """
    if options.method not in METHODS:
        raise errors.nearest(options.method, METHODS, "method")
    outputs = data.y.shape[1] if data.regression else len(data.class_names)
    sizes = {"outputs": outputs, "regression": data.regression}
    if options.method == "grda_plus":
        return options.plus._replace(**sizes)
    adversary = METHODS[options.method]
    return options.adversarial._replace(adversary=adversary, **sizes)


def train(
    data: DomainData,
    options: Options | None = None,
    *,
    directory,
    seed: int = 0,
    mode: str = "jit",
) -> Fitted:
    """Train one method; labels of target domains are never looked at.

    Args:
      data: as loaded, not scaled.
      options: which method, and its hyper-parameters.
      directory: for checkpoints and curves; a run that is started again continues there.

    Raises:
      errors.InputError: unknown method, or data that it cannot work with.
    """
    options = Options() if options is None else options
    config, method = config_of(options, data), options.method
    check(data)
    if method == "grda_plus":
        graph = data.graph._replace(nodes=np.eye(data.size, dtype=np.float32))
        frame = _frame("plus", config, data, graph.nodes)
    else:
        z = embedding.fit_embedding(data.graph, options.embedding_size, seed=seed)
        frame = _frame("adversarial", config, data, z)
        graph = data.graph._replace(nodes=frame.embedding_scale(z))
    scaled = data._replace(x=frame.sample_scale(data.x))
    if method == "propagate":
        members, _ = propagate.propagate(config, scaled, graph, options.propagate, seed)
        found = frame._replace(members=members)
        return Fitted(found, (score(found, data, [], seed),), 0, [])
    shared = getattr(config, "pairing", "") == "shared_index"
    source = batches.make(
        scaled,
        graph,
        config.batch,
        seed=seed,
        shared=shared,
        devices=jax.device_count(),
    )
    run = _Run(options, config, data, source, directory, seed, mode)
    return run.last(frame) if method == "grda_plus" else run.best(frame)


SAID = {True: "refined", False: "kept: sources refuse to refine them"}


def check(data: DomainData) -> None:
    """Raise what would make training pointless; warn where the graph says nothing."""
    if not data.sources.any():
        raise errors.InputError("expected at least one source domain; found none")
    if not np.isfinite(data.x).all():
        raise errors.InputError("expected finite samples; found NaN or infinity")
    if len(data.graph.senders) == 0:
        logging.warning(
            "the graph has no edge: GRDA then only asks that encodings of all domains "
            "differ, and grda_plus learns nothing about targets"
        )


def _frame(stage, config, data, embeddings) -> Model:
    """A model without parameters."""
    width = data.x.shape[1]
    scale = scale_of(data.x) if data.standardise else no_scale(width)
    free = stage == "plus"
    inner = no_scale(data.size) if free else scale_of(embeddings)
    names = np.asarray(data.domain_names).astype(str)
    return Model(
        stage=stage,
        config=config,
        members=(),
        embeddings=embeddings,
        embedding_scale=inner,
        sample_scale=scale,
        graph=data.graph,
        domain_names=names,
        class_names=tuple(data.class_names),
        feature_names=tuple(data.feature_names),
    )


def scan_of(config) -> int:
    """Updates per compiled call: wide products use all cores only outside of a scan, and
    narrow networks are bound by dispatch."""
    return 1 if getattr(config, "hidden", 0) >= 256 else 20


class _Run(NamedTuple):
    """One training run of the loop."""

    options: Options
    config: Any  # of the stage
    data: DomainData
    source: batches.DomainBatches
    directory: object
    seed: int
    mode: str

    def fit(self, stage: ModuleType, steps: int, total: int):
        """State after so many of all updates; continues where the last call ended."""
        every = max(total // 30, 1)
        scan = scan_of(self.config)
        plan = loop.Schedule(
            steps, log_every=every, save_every=total, evaluate_every=every, scan=scan
        )
        # One batch of all domains says how the adversary fares.
        return loop.fit(
            stage,
            self.config,
            self.source,
            plan,
            seed=self.seed,
            mode=self.mode,
            directory=self.directory,
            valid=lambda: [self.source(0)],
            name=f"{self.options.method} {self.seed}",
        )

    def curves(self):
        """Lines logged so far."""
        return record.read_metrics(pathlib.Path(self.directory) / "metrics.jsonl")

    def best(self, frame: Model) -> Fitted:
        """Candidates along the run; the best by `selection`."""
        total = self.config.steps
        count = self.options.snapshots if self.options.selection == "unlabelled" else 1
        found, scores = [], []
        for i in range(count):
            state = self.fit(adversarial, round(total * (i + 1) / count), total)
            params = jax.device_get(state.params)
            found.append(frame._replace(members=(params,)))
            losses = [
                x["train/adversary"] for x in self.curves() if "train/adversary" in x
            ]
            scores.append(score(found[-1], self.data, losses, self.seed))
        tolerance = selection.tolerance(self.data.regression)
        chosen = selection.choose(scores, tolerance)
        return Fitted(found[chosen], tuple(scores), chosen, self.curves())

    def last(self, frame: Model) -> Fitted:
        """The last state; domains that no path reaches get the mean of all heads."""
        total = plus.length(self.config, int((~self.data.sources).sum()))
        params = jax.device_get(self.fit(plus, total, total).params)
        known = params["progress"]["known"] > 0
        if self.config.refine and not self.config.regression:
            params, allowed = refine.refine(self.config, params, self.source)
            logging.info("%s: class means %s", self.options.method, SAID[allowed])
        heads = np.where(known[:, None], np.eye(len(known)), known / known.sum())
        frame = frame._replace(embeddings=heads.astype(np.float32), members=(params,))
        return Fitted(
            frame, (score(frame, self.data, [], self.seed),), 0, self.curves()
        )


def score(model: Model, data: DomainData, losses, seed: int = 0) -> selection.Scores:
    """What can be said of a model without target labels; see `selection.Scores`.

    Args:
      losses: the adversary's, over training.
      seed: of the edges that agreement is taken over, if there are many.
    """
    said = predict(model, data.x, data.domain)
    targets = np.flatnonzero(~data.sources)
    of = [said[data.domain == u] for u in targets]
    information = density = 0.0
    if not data.regression and len(of):
        information = np.mean([selection.mutual_information(p) for p in of])
        density = np.mean([selection.neighborhood_density(p) for p in of])
    return selection.Scores(
        _source_score(data, said),
        selection.movement(losses, data.size),
        float(information),
        float(density),
        _agreement(model, data, said, seed),
    )


def _source_score(data, said):
    rows = data.sources[data.domain]
    if data.regression:
        rows &= np.isfinite(data.y).all(axis=1)
        return -float(np.mean((said[rows] - data.y[rows]) ** 2))
    rows &= data.y >= 0
    return 100 * float(np.mean(said[rows].argmax(1) == data.y[rows]))


EDGES = 100  # at most, that agreement is taken over


def _agreement(model, data, said, seed):
    """Mean over edges into targets of how the sender's model agrees with the own one."""
    ends = np.flatnonzero(~data.sources[data.graph.receivers])
    if len(ends) == 0:
        return 0.0
    if len(ends) > EDGES:
        ends = np.random.default_rng(seed).choice(ends, EDGES, replace=False)
    rows, others = [], []
    for end in ends:
        mine = np.flatnonzero(data.domain == data.graph.receivers[end])
        rows.append(mine)
        others.append(np.full(len(mine), data.graph.senders[end]))
    rows, others = np.concatenate(rows), np.concatenate(others)
    theirs = predict(model, data.x[rows], others)
    if data.regression:
        return -float(np.mean((theirs - said[rows]) ** 2))
    return float(np.mean(theirs.argmax(1) == said[rows].argmax(1)))


def target_scores(model: Model, data: DomainData) -> np.ndarray:
    """Accuracy in percent, or mean squared error, of every domain `[N]` over its labelled
    samples; NaN without any. This looks at target labels: to report, not to choose."""
    said = predict(model, data.x, data.domain)
    return domain_scores(said, data)


def domain_scores(said, data: DomainData) -> np.ndarray:
    """`target_scores` of predictions `[n, outputs]`."""
    if data.regression:
        known = np.isfinite(data.y).all(axis=1)
        value = np.mean((said - data.y) ** 2, axis=1)
    else:
        known = data.y >= 0
        value = 100.0 * (said.argmax(1) == data.y)
    count = np.bincount(data.domain[known], minlength=data.size)
    total = np.bincount(data.domain[known], value[known], minlength=data.size)
    with np.errstate(invalid="ignore"):
        return total / count
