"""A trained model: predict in any domain, insert a new one, write and read it."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jraph
import numpy as np

from iclr22 import bundle, errors
from iclr22 import graph as graphs
from iclr22.data.labels import padded
from iclr22.grda import adversarial, embedding, plus

CHUNK = 4096  # samples at once
KIND, VERSION = "grda model", 3
STAGES = {"adversarial": adversarial, "plus": plus}  # modules that predict


class Scale(NamedTuple):
    """`(values - shift) / spread`, along the last axis."""

    shift: np.ndarray
    spread: np.ndarray

    def __call__(self, values) -> np.ndarray:
        """Scaled values, float32."""
        return ((np.asarray(values) - self.shift) / self.spread).astype(np.float32)

    def back(self, scaled) -> np.ndarray:
        """Values, float64, from scaled ones."""
        return np.asarray(scaled, np.float64) * self.spread + self.shift


def scale_of(values) -> Scale:
    """The scale that brings rows `[n, k]` to mean 0 and deviation 1; constants stay."""
    shift = np.asarray(np.mean(values, axis=0, dtype=np.float64))
    spread = np.asarray(np.std(values, axis=0, dtype=np.float64))
    return Scale(shift, np.where(spread > 1e-12, spread, 1.0))


def no_scale(width: int) -> Scale:
    """The scale that changes nothing."""
    return Scale(np.zeros(width), np.ones(width))


class Model(NamedTuple):
    """Everything that predictions need.

    Attributes:
      stage: `adversarial` or `plus`, the module whose `apply` it is.
      config: of that module.
      members: parameters, one or more sets; predictions are averaged over them.
      embeddings: of domains `[N, t]`, as fitted; for `plus` shares of heads.
      embedding_scale, sample_scale: how they and samples enter the network.
      graph: of the domains; nodes are positions.
      domain_names: `[N]` strings.
      class_names: empty in a regression.
      target_scale: of the numbers that a regression predicts, `[outputs]`.
      feature_names: of the columns of samples, if they have any.
    """

    stage: str
    config: Any
    members: tuple
    embeddings: np.ndarray
    embedding_scale: Scale
    sample_scale: Scale
    graph: jraph.GraphsTuple
    domain_names: np.ndarray
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...] = ()
    target_scale: Scale = Scale(np.zeros(1), np.ones(1))


def predict(model: Model, x, domains) -> np.ndarray:
    """Probabilities `[n, classes]`, or numbers `[n, outputs]` in a regression.

    Args:
      x: samples `[n, features]`, not scaled.
      domains: of each sample, or one for all: names or numbers.

    Raises:
      errors.InputError: wrong shape, NaN, or an unknown domain.
    """
    said = np.mean([_run(model, p, x, domains, "outputs") for p in model.members], 0)
    plain = (
        not model.target_scale.shift.any() and (model.target_scale.spread == 1).all()
    )
    return said if plain else model.target_scale.back(said)


def encode(model: Model, x, domains) -> np.ndarray:
    """Encodings `[n, hidden]` by the first member; arguments as of `predict`."""
    return _run(model, model.members[0], x, domains, "encodings")


def _run(model, params, x, domains, what):
    x, numbers = _checked(model, x, domains)
    x, z = model.sample_scale(x), model.embedding_scale(model.embeddings)
    function = _compiled(model.stage, model.config, what)
    found = []
    for low in range(0, len(x), CHUNK):
        rows = np.arange(low, min(low + CHUNK, len(x)))
        width = min(CHUNK, 1 << (len(rows) - 1).bit_length())  # few shapes to compile
        padded = np.pad(rows, (0, width - len(rows)), mode="edge")
        inputs = {"x": x[padded], "z": z[numbers[padded]]}
        found.append(np.asarray(function(params, inputs))[: len(rows)])
    return np.concatenate(found) if found else np.zeros((0, model.config.outputs))


@functools.lru_cache(maxsize=32)
def _compiled(stage, config, what):
    module = STAGES[stage]

    def outputs(params, inputs):
        found = module.apply(config, params, inputs)
        return found if config.regression else jax.nn.softmax(found)

    def encodings(params, inputs):
        return module.encode(config, params, inputs)

    return jax.jit({"outputs": outputs, "encodings": encodings}[what])


def _checked(model, x, domains):
    """Samples as an array and the numbers of their domains."""
    x = np.asarray(x, np.float64)
    width = len(model.sample_scale.shift)
    finite = np.isfinite(x).all()
    if x.ndim != 2 or x.shape[1] != width or not finite:
        raise errors.InputError(
            f"expected finite samples [n, {width}], as the model was trained on; found "
            f"{list(x.shape)}{'' if finite else ' with NaN or infinity'}"
        )
    return x, np.broadcast_to(numbers_of(model, domains), len(x))


def numbers_of(model: Model, domains) -> np.ndarray:
    """Numbers of domains that are given by name or by number."""
    domains = np.atleast_1d(np.asarray(domains))
    if domains.dtype.kind in "iu":
        bad = domains[(domains < 0) | (domains >= len(model.domain_names))]
        if len(bad):
            raise errors.InputError(
                f"expected domains from 0 to {len(model.domain_names) - 1}; found {bad[0]}"
            )
        return domains
    known = {name: i for i, name in enumerate(model.domain_names.tolist())}
    for name in np.unique(domains).tolist():
        if name not in known:
            raise errors.nearest(name, known, "domain")
    return np.array([known[name] for name in domains.tolist()], int)


def insert_domain(model: Model, name: str, neighbors) -> Model:
    """The model with one domain more, of which only its place in the graph is known.

    Nothing is trained but the embedding of the new domain; with `plus` its head is the
    mean of its neighbours'.

    Args:
      neighbors: names of linked domains, or a mapping from them to weights in (0, 1].
    """
    weights = dict(neighbors) if isinstance(neighbors, Mapping) else {}
    ends = numbers_of(model, list(neighbors)) if len(neighbors) else np.zeros(0, int)
    weights = np.array([float(weights.get(n, 1.0)) for n in neighbors])
    if name in model.domain_names or len(ends) == 0:
        raise errors.InputError(
            f"expected a new name and at least one neighbour; found {name!r} with "
            f"{len(ends)} neighbours"
        )
    if not ((weights > 0) & (weights <= 1)).all():
        raise errors.InputError(f"expected weights in (0, 1]; found {weights.tolist()}")
    n, old = len(model.domain_names), graphs.links(model.graph)
    positions = np.asarray(model.graph.nodes)
    position = np.average(positions[ends], axis=0, weights=weights)
    grown = graphs.build(
        np.vstack([positions, position]).astype(np.float32),
        np.concatenate([old.senders, ends]),
        np.concatenate([old.receivers, np.full(len(ends), n)]),
        weights=np.concatenate([old.weights, weights]),
    )
    if model.stage == "plus":
        row = np.average(model.embeddings[ends], axis=0, weights=weights)
        embeddings = np.vstack([model.embeddings, row]).astype(np.float32)
    else:
        size = model.embeddings.shape[1]
        embeddings = embedding.fit_embedding(grown, size, fixed=model.embeddings)
    names = np.append(model.domain_names, name)
    return model._replace(embeddings=embeddings, graph=grown, domain_names=names)


def save(path, model: Model) -> None:
    """Write a model as one `.npz` of plain arrays."""
    links = graphs.links(model.graph)
    members = {f"member{i}": params for i, params in enumerate(model.members)}
    bundle.save(
        path,
        KIND,
        VERSION,
        about={
            "stage": model.stage,
            "config": model.config._asdict(),
            "members": len(members),
            "class_names": list(model.class_names),
        },
        trees={
            "embeddings": model.embeddings,
            "embedding_scale": model.embedding_scale._asdict(),
            "sample_scale": model.sample_scale._asdict(),
            "target_scale": model.target_scale._asdict(),
            "nodes": model.graph.nodes,
            "senders": links.senders,
            "receivers": links.receivers,
            "edges": links.weights,
            "domain_names": padded(model.domain_names),
            **members,
        },
        inputs=model.feature_names,
    )


def load(path) -> Model:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, one of another version, or one whose parts do
        not fit each other.
    """
    return bundle.load(path, KIND, VERSION, _build)


def _build(found: bundle.Bundle) -> Model:
    about, trees = found.about, found.trees
    graph = graphs.build(
        trees["nodes"], trees["senders"], trees["receivers"], weights=trees["edges"]
    )
    model = Model(
        stage=about["stage"],
        config=bundle.configured(STAGES[about["stage"]].Config, about["config"]),
        members=tuple(trees[f"member{i}"] for i in range(about["members"])),
        embeddings=trees["embeddings"],
        embedding_scale=Scale(**trees["embedding_scale"]),
        sample_scale=Scale(**trees["sample_scale"]),
        graph=graph,
        domain_names=trees["domain_names"],
        class_names=tuple(about["class_names"]),
        feature_names=found.inputs,
        target_scale=Scale(**trees["target_scale"]),
    )
    return bundle.fitting(model, _check)


def _check(model: Model) -> None:
    """The parts of a model fit each other; nothing is compiled."""
    size, depth = model.embeddings.shape
    width, outputs = len(model.sample_scale.shift), model.config.outputs
    if len(model.domain_names) != size or graphs.size(model.graph.nodes) != size:
        raise ValueError(f"{len(model.domain_names)} names of {size} domains")
    links = graphs.links(model.graph)
    if len(links.senders) and max(links.senders.max(), links.receivers.max()) >= size:
        raise ValueError("edges of domains that are not there")
    if len(model.feature_names) not in (0, width):
        raise ValueError(f"{len(model.feature_names)} names of {width} features")
    named = not model.config.regression
    if not model.members or len(model.class_names) != outputs * named:
        raise ValueError(f"{len(model.class_names)} class names for {outputs} outputs")
    for scale, sizes in (
        (model.sample_scale, (width,)),
        (model.embedding_scale, (depth, 1)),
        (model.target_scale, (outputs, 1)),
    ):
        if scale.shift.shape != scale.spread.shape or len(scale.shift) not in sizes:
            raise ValueError(f"a scale of shape {scale.shift.shape}")
        if not (scale.spread > 0).all():
            raise ValueError("deviations above 0 only")
    arrays = [*model.members, model.embeddings, model.sample_scale, model.target_scale]
    for array in jax.tree.leaves(arrays):
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise ValueError("arrays of finite numbers only")
    inputs = {
        "x": np.zeros((1, width), np.float32),
        "z": np.zeros((1, depth), np.float32),
    }
    for params in model.members:
        function = _compiled(model.stage, model.config, "outputs")
        said = jax.eval_shape(function, params, inputs)
        if said.shape != (1, outputs):
            raise ValueError(f"outputs of shape {said.shape}, not {(1, outputs)}")
