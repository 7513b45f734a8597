"""Training of any of the methods on any data of related domains: one call."""

import os
import pathlib
from typing import Literal, NamedTuple

import jax
import jraph
import numpy as np
from absl import logging

from iclr22 import errors, graph, loop, record, types
from iclr22.data.domains import DomainData, hops
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
from iclr22.grda.artifact import Model, no_scale, scale_of
from iclr22.grda.plus import Config as Plus
from iclr22.grda.propagate import Config as Propagate

# the adversary of each method
METHODS = {
    "source_only": "none",
    "dann": "dann",
    "cdann": "cdann",
    "adda": "adda",
    "mdd": "mdd",
    "grda": "graph",
    "propagate": "none",
    "grda_plus": "none",
}


class Options(NamedTuple):
    """A method, the hyper-parameters of all, and how a state is chosen."""

    MAIN = "adversarial"
    RESOLVED = ("method",)  # by who trains

    method: str = "grda_plus"  # a key of METHODS
    adversarial: Adversarial = Adversarial()  # of all but grda_plus
    plus: Plus = Plus()  # of grda_plus
    propagate: Propagate = Propagate()  # of propagate, whose networks are of the first
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


def config_of(options: Options, data: DomainData) -> Adversarial | Plus:
    """The configuration that is trained: what the method and the data decide filled in.

    Raises:
      errors.InputError: an unknown method, or one that needs classes where there are none.
    """
    method = options.method
    if method not in METHODS:
        raise errors.nearest(method, METHODS, "method")
    outputs = data.y.shape[1] if data.regression else len(data.class_names)
    if method == "grda_plus":
        return options.plus._replace(outputs=outputs, regression=data.regression)
    config = options.adversarial._replace(
        adversary=METHODS[method], outputs=outputs, regression=data.regression
    )
    if data.regression and (method == "propagate" or config.pairing == "pseudo_label"):
        what = "propagate" if method == "propagate" else "--pairing=pseudo_label"
        raise errors.InputError(f"{what} needs classes; found numbers to predict")
    if method == "propagate":
        targets = int(np.sum(hops(data.graph, data.sources) > 0))
        config = config._replace(steps=propagate.length(options.propagate, targets))
    return config


def train(
    data: DomainData,
    options: Options | None = None,
    *,
    directory: str | os.PathLike,
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
    config = config_of(options, data)
    check(data)
    run = _Run(options, data, directory, seed, mode)
    if isinstance(config, Plus):
        return run.with_heads(config)
    if options.method == "propagate":
        return run.propagated(config)
    return run.adversarial(config)


def check(data: DomainData) -> None:
    """Raise what would make training pointless; warn where the graph says nothing."""
    if not data.sources.any():
        raise errors.InputError("expected at least one source domain; found none")
    if not np.isfinite(data.x).all():
        raise errors.InputError("expected finite samples; found NaN or infinity")
    if len(graph.links(data.graph).senders) == 0:
        logging.warning(
            "the graph has no edge: GRDA then only asks that encodings of all domains "
            "differ, and grda_plus learns nothing about targets"
        )


def scan_of(config: Adversarial | Plus) -> int:
    """Updates per compiled call: wide products use all cores only outside of a scan, and
    narrow networks are bound by dispatch."""
    return 1 if isinstance(config, Adversarial) and config.hidden >= 256 else 20


class _Run(NamedTuple):
    """One training."""

    options: Options
    data: DomainData
    directory: str | os.PathLike
    seed: int
    mode: str

    def adversarial(self, config: Adversarial) -> Fitted:
        """Candidates along the run; the best by `selection`."""
        frame, links = self._embedded(config)
        source = self._batches(config, frame, links)
        total = config.steps
        count = self.options.snapshots if self.options.selection == "unlabelled" else 1
        found, scores = [], []
        for i in range(count):
            steps = round(total * (i + 1) / count)
            params = self._fit(adversarial, config, source, steps, total)
            found.append(frame._replace(members=(params,)))
            losses = [
                x["train/adversary"] for x in self._curves() if "train/adversary" in x
            ]
            scores.append(selection.score(found[-1], self.data, losses, self.seed))
        tolerance = selection.tolerance(self.data.regression)
        chosen = selection.choose(scores, tolerance)
        return Fitted(found[chosen], tuple(scores), chosen, self._curves())

    def propagated(self, config: Adversarial) -> Fitted:
        """A committee that learns one domain after the other."""
        frame, links = self._embedded(config)
        scaled = self.data._replace(x=frame.sample_scale(self.data.x))
        plan = self.options.propagate
        members, _ = propagate.propagate(config, scaled, links, plan, self.seed)
        return self._only(frame._replace(members=members), [])

    def with_heads(self, config: Plus) -> Fitted:
        """The last state; domains that no path reaches get the mean of all heads."""
        size = self.data.size
        frame = self._frame("plus", config, np.eye(size), no_scale(size))
        links = self.data.graph._replace(nodes=np.eye(size, dtype=np.float32))
        source = self._batches(config, frame, links)
        total = plus.length(config, int((~self.data.sources).sum()))
        params = self._fit(plus, config, source, total, total)
        known = params["progress"]["known"] > 0
        if config.refine and not config.regression:
            params, allowed = refine.refine(config, params, source)
            said = "refined" if allowed else "kept: sources refuse to refine them"
            logging.info("%s: class means %s", self.options.method, said)
        heads = np.where(known[:, None], np.eye(size), known / known.sum())
        heads = heads.astype(np.float32)
        made = frame._replace(embeddings=heads, members=(params,))
        return self._only(made, self._curves())

    def _only(self, model: Model, curves: list[dict]) -> Fitted:
        """The only candidate."""
        score = selection.score(model, self.data, [], self.seed)
        return Fitted(model, (score,), 0, curves)

    def _embedded(self, config: Adversarial) -> tuple[Model, jraph.GraphsTuple]:
        """A model without parameters, and the graph with its embeddings as nodes."""
        size = self.options.embedding_size
        z = embedding.fit_embedding(self.data.graph, size, seed=self.seed)
        frame = self._frame("adversarial", config, z, scale_of(z))
        return frame, self.data.graph._replace(nodes=frame.embedding_scale(z))

    def _frame(self, stage, config, embeddings, embedding_scale) -> Model:
        """A model without parameters."""
        data = self.data
        width = data.x.shape[1]
        targets = no_scale(1)
        if data.regression and data.standardise:
            known = np.isfinite(data.y).all(axis=1) & data.sources[data.domain]
            targets = scale_of(data.y[known])
        return Model(
            stage=stage,
            config=config,
            members=(),
            embeddings=embeddings,
            embedding_scale=embedding_scale,
            sample_scale=scale_of(data.x) if data.standardise else no_scale(width),
            graph=data.graph,
            domain_names=np.asarray(data.domain_names).astype(str),
            class_names=tuple(data.class_names),
            feature_names=tuple(data.feature_names),
            target_scale=targets,
        )

    def _batches(self, config, frame: Model, links) -> batches.DomainBatches:
        """Scaled samples of all domains, made to fit the devices."""
        paired = isinstance(config, Adversarial) and config.pairing == "shared_index"
        y = self.data.y
        return batches.make(
            self.data._replace(
                x=frame.sample_scale(self.data.x),
                y=frame.target_scale(y) if self.data.regression else y,
            ),
            links,
            config.batch,
            seed=self.seed,
            shared=paired,
            devices=jax.device_count(),
        )

    def _fit(self, stage: types.Method, config, source, steps: int, total: int):
        """Parameters after so many of all updates; continues where the last call ended."""
        every = max(total // 30, 1)
        plan = loop.Schedule(
            steps,
            log_every=every,
            save_every=total,
            evaluate_every=every,
            scan=scan_of(config),
        )
        # One batch of all domains says how the adversary fares.
        state = loop.fit(
            stage,
            config,
            source,
            plan,
            seed=self.seed,
            mode=self.mode,
            directory=self.directory,
            valid=lambda: [source(0)],
            name=f"{self.options.method} {self.seed}",
        )
        return jax.device_get(state.params)

    def _curves(self) -> list[dict]:
        """Lines logged so far."""
        return record.read_metrics(pathlib.Path(self.directory) / "metrics.jsonl")
