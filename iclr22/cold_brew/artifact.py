"""Student: what predicts for a node from its features alone (section 2.4).

MLP1 guesses the node's teacher embedding, the guess finds virtual neighbours among the
teacher's rows, MLP2 classifies from features, neighbours and guess. By default there is a
second guess, which is not in the paper: the teacher itself, run without edges; it then
does the search.
"""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import bundle, errors, graph, sparse
from iclr22.cold_brew import perceptron, teacher
from iclr22.cold_brew.discovery import discover_neighbors

KIND, VERSION = "cold_brew student", 2


class Lookup(NamedTuple):
    """How virtual neighbours are found (equation 4)."""

    similarity: Literal["cosine", "dot"] = "cosine"  # of rows; paper: dot
    neighbors: int = 16  # K, virtual neighbours; paper: 3
    temperature: float = 0.1  # similarities are divided by it; paper: 1
    guess: bool = True  # MLP2 also gets the guesses, as in the released code
    approximate: bool = False  # lax.approx_max_k instead of an exact top K, for TPU


class Chain(NamedTuple):
    """From features to what MLP2 gets besides them.

    Attributes:
      mlp1: `(perceptron.Config, params)`.
      bare: `(teacher.Config, params)` without embeddings, or None: the second guess.
      handover: what both guess, see `teacher.handover`.
      lookup: how the dictionary is searched.
      dictionary: `[m, e]`, the teacher's rows.
    """

    mlp1: tuple
    bare: tuple | None
    handover: teacher.Handover
    lookup: Lookup
    dictionary: np.ndarray


class Student(NamedTuple):
    """A trained student, complete: needs no graph and no training data.

    Attributes:
      chain: with the rows that may be found as its dictionary; names: `[m]`, whose rows.
      mlp2: `(perceptron.Config, params)`.
      class_names: by output.
      normalised: rows of features are scaled to sum 1 first.
      feature_names: of the columns of features, if they have any.
    """

    chain: Chain
    mlp2: tuple
    names: np.ndarray
    class_names: tuple[str, ...]
    normalised: bool = True
    feature_names: tuple[str, ...] = ()


class Prediction(NamedTuple):
    """What `predict` says about rows of features.

    Attributes:
      probabilities: `[q, classes]`.
      neighbors: `[q, k]` int, rows of the student's dictionary, best first.
      weights: `[q, k]`, their share in the virtual neighbourhood.
      embeddings: `[q, e]`, MLP1's guesses of the teacher's embedding.
    """

    probabilities: np.ndarray
    neighbors: np.ndarray
    weights: np.ndarray
    embeddings: np.ndarray


@functools.lru_cache(maxsize=64)
def _forward(config):
    return jax.jit(functools.partial(perceptron.apply, config))


def outputs(mlp, x, extra=None) -> np.ndarray:
    """Outputs `[n, k]` of a trained perceptron for dense or sparse features `[n, d]`."""
    config, params = mlp
    extra = np.zeros((x.shape[0], 0, 0), np.float32) if extra is None else extra
    return np.asarray(_forward(config)(params, {"x": x, "extra": extra}))


def guess(chain: Chain, x) -> list[np.ndarray]:
    """Guesses of the teacher's rows, `[n, e]` each; the last one does the search."""
    guesses = [outputs(chain.mlp1, x)]
    if chain.bare:
        config, params = chain.bare
        guesses.append(teacher.from_features(config, params, x, chain.handover))
    return guesses


def look_up(lookup: Lookup, dictionary, guesses, *, exclude=None, allowed=None):
    """`(neighbours, extra input of MLP2 [q, parts, e])` from `guess`; see `discovery`."""
    found = discover_neighbors(
        guesses[-1],
        dictionary,
        lookup.neighbors,
        lookup.similarity,
        temperature=lookup.temperature,
        exclude=exclude,
        allowed=allowed,
        approximate=lookup.approximate,
    )
    parts = [found.values, *guesses] if lookup.guess else [found.values]
    return found, np.asarray(jnp.stack(parts, axis=1), np.float32)


def predict(student: Student, x, *, chunk: int = 65536) -> Prediction:
    """Classify unseen nodes from features `[q, d]` (an array or `sparse.Sparse`).

    Raises:
      errors.InputError: wrong width, or values that are not finite.
    """
    x = _checked(student, x)
    n = x.shape[0]
    parts = [
        _predict(student, _rows(x, low, min(low + chunk, n)))
        for low in range(0, max(n, 1), chunk)
    ]
    return Prediction(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _checked(student, x) -> np.ndarray | sparse.Sparse:
    width = student.chain.mlp1[1]["weights"]["input"]["kernel"].shape[0]
    x = x if isinstance(x, sparse.Sparse) else np.asarray(x, np.float32)
    if len(x.shape) != 2 or x.shape[1] != width:
        raise errors.InputError(
            f"expected features [nodes, {width}], as the student was trained on; found "
            f"{list(x.shape)}"
        )
    if not np.isfinite(x.values if isinstance(x, sparse.Sparse) else x).all():
        raise errors.InputError("expected finite features; found NaN or infinity")
    return x


def _rows(x: np.ndarray | sparse.Sparse, low: int, high: int):
    if isinstance(x, sparse.Sparse):
        return sparse.take(x, np.arange(low, high))
    return x[low:high]


def _predict(student, x):
    x = graph.normalise_rows(x) if student.normalised else x
    guesses = guess(student.chain, x)
    found, extra = look_up(student.chain.lookup, student.chain.dictionary, guesses)
    probabilities = np.asarray(jax.nn.softmax(outputs(student.mlp2, x, extra), axis=1))
    neighbors = np.asarray(found.indices), np.asarray(found.weights)
    return probabilities, *neighbors, guesses[0]


def save(path, student: Student) -> None:
    """Write a student as one `.npz` of plain arrays."""
    chain = student.chain
    models = {"mlp1": chain.mlp1, "mlp2": student.mlp2}
    if chain.bare:
        models["bare"] = chain.bare
    bundle.save(
        path,
        KIND,
        VERSION,
        about={
            "configs": {name: config._asdict() for name, (config, _) in models.items()},
            "handover": chain.handover,
            "lookup": chain.lookup._asdict(),
            "class_names": list(student.class_names),
            "normalised": bool(student.normalised),
        },
        trees={
            **{name: params for name, (_, params) in models.items()},
            "dictionary": np.asarray(chain.dictionary),
            "names": np.asarray(student.names).astype(str),
        },
        inputs=student.feature_names,
    )


def load(path) -> Student:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, or of another version.
    """
    return bundle.load(path, KIND, VERSION, _build)


def _build(found: bundle.Bundle) -> Student:
    about, trees = found.about, found.trees

    def model(stage, name):
        params = {"weights": {}, "stats": {}} | trees[name]
        return stage.Config(**about["configs"][name]), params

    chain = Chain(
        mlp1=model(perceptron, "mlp1"),
        bare=model(teacher, "bare") if "bare" in trees else None,
        handover=about["handover"],
        lookup=Lookup(**about["lookup"]),
        dictionary=trees["dictionary"],
    )
    return Student(
        chain=chain,
        mlp2=model(perceptron, "mlp2"),
        names=trees["names"],
        class_names=tuple(about["class_names"]),
        normalised=about["normalised"],
        feature_names=found.inputs,
    )
