"""Student: what predicts for a node from its features alone (section 2.4).

MLP1 guesses the node's teacher embedding, the guess finds virtual neighbours among the
teacher's rows, MLP2 classifies from features, neighbours and guess. By default there is a
second guess, which is not in the paper: the teacher itself, run without edges; it then
does the search.
"""

import functools
import json
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import checkpoint, errors, graph, sparse
from iclr22.cold_brew import perceptron, teacher
from iclr22.cold_brew.discovery import discover_neighbors

VERSION = 1  # of the file that `save` writes


class Lookup(NamedTuple):
    """How virtual neighbours are found (equation 4)."""

    similarity: str = "cosine"  # or dot, the paper's
    neighbors: int = 16  # K
    temperature: float = 0.1  # similarities are divided by it; 1 in the paper
    guess: bool = True  # MLP2 also gets MLP1's guess, as in the released code
    approximate: bool = False  # lax.approx_max_k, for accelerators


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
    handover: str
    lookup: Lookup
    dictionary: np.ndarray


class Student(NamedTuple):
    """A trained student, complete: needs no graph and no training data.

    Attributes:
      chain: with the rows that may be found as its dictionary; names: `[m]`, whose rows.
      mlp2: `(perceptron.Config, params)`.
      class_names: by output.
      normalised: rows of features are scaled to sum 1 first.
    """

    chain: Chain
    mlp2: tuple
    names: np.ndarray
    class_names: tuple
    normalised: bool = True


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


def look_up(chain: Chain, guesses, *, exclude=None, allowed=None):
    """`(neighbours, extra input of MLP2 [q, parts, e])` from `guess`."""
    lookup = chain.lookup
    found = discover_neighbors(
        guesses[-1],
        chain.dictionary,
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
    width = student.chain.mlp1[1]["weights"]["input"]["kernel"].shape[0]
    dense = not isinstance(x, sparse.Sparse)
    x = np.asarray(x, np.float32) if dense else x
    if len(x.shape) != 2 or x.shape[1] != width:
        raise errors.InputError(
            f"expected features [nodes, {width}], as the student was trained on; found "
            f"{list(x.shape)}"
        )
    if not np.isfinite(x if dense else x.values).all():
        raise errors.InputError("expected finite features; found NaN or infinity")
    parts = [
        _predict(student, x[low : low + chunk] if dense else sparse.take(x, rows))
        for low in range(0, max(x.shape[0], 1), chunk)
        for rows in [np.arange(low, min(low + chunk, x.shape[0]))]
    ]
    return Prediction(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _predict(student, x):
    x = graph.normalise_rows(x) if student.normalised else x
    guesses = guess(student.chain, x)
    found, extra = look_up(student.chain, guesses)
    probabilities = np.asarray(jax.nn.softmax(outputs(student.mlp2, x, extra), axis=1))
    neighbors = np.asarray(found.indices), np.asarray(found.weights)
    return probabilities, *neighbors, guesses[0]


def save(path, student: Student) -> None:
    """Write a student as one `.npz` of plain arrays."""
    chain = student.chain
    models = {"mlp1": chain.mlp1, "mlp2": student.mlp2, "bare": chain.bare}
    arrays, described = {}, {"version": VERSION}
    for name, (config, params) in ((k, v) for k, v in models.items() if v):
        described[name] = config._asdict()
        arrays |= checkpoint.flatten(params, name)
    described |= {
        "handover": chain.handover,
        "lookup": chain.lookup._asdict(),
        "class_names": list(student.class_names),
        "normalised": student.normalised,
    }
    checkpoint.write_npz(
        path,
        dictionary=np.asarray(chain.dictionary),
        names=np.asarray(student.names).astype(str),
        description=np.asarray(json.dumps(described)),
        **arrays,
    )


def load(path) -> Student:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, or of another version.
    """
    from iclr22.data.images import read_npz

    arrays = read_npz(pathlib.Path(path))
    try:
        described = json.loads(str(arrays["description"]))
        if described["version"] != VERSION:
            raise KeyError(f"version {described['version']}, this is {VERSION}")
        bare = described.get("bare")
        chain = Chain(
            _model(perceptron, arrays, described["mlp1"], "mlp1"),
            _model(teacher, arrays, bare, "bare") if bare else None,
            described["handover"],
            Lookup(**described["lookup"]),
            arrays["dictionary"],
        )
        return Student(
            chain,
            _model(perceptron, arrays, described["mlp2"], "mlp2"),
            arrays["names"],
            tuple(described["class_names"]),
            described["normalised"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise errors.InputError(
            f"{path}: expected a student.npz as experiments.cold_brew writes it; found "
            f"{error}"
        ) from error


def _model(stage, arrays, config, name):
    params = {"weights": {}, "stats": {}} | checkpoint.unflatten(arrays, name)
    return stage.Config(**config), params
