"""Student: what predicts for a node from its features alone (section 2.4).

MLP1 guesses the node's teacher embedding, the guess finds virtual neighbours among the
teacher's rows, MLP2 classifies from features, neighbours and guess.
"""

import functools
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import checkpoint, errors, graph, sparse
from iclr22.cold_brew import perceptron
from iclr22.cold_brew.discovery import discover_neighbors

VERSION = 1  # of the file that `save` writes


class Lookup(NamedTuple):
    """How virtual neighbours are found (equation 4)."""

    similarity: str = "cosine"  # or dot, the paper's
    neighbors: int = 16  # K
    temperature: float = 0.1  # similarities are divided by it; 1 in the paper
    guess: bool = True  # MLP2 also gets MLP1's guess, as in the released code
    approximate: bool = False  # lax.approx_max_k, for accelerators


class Student(NamedTuple):
    """A trained student, complete: needs no graph and no training data.

    Attributes:
      mlp1, mlp2: `(perceptron.Config, params)`.
      dictionary: `[m, e]`, the teacher's rows; names: `[m]`, which nodes they are.
      lookup: how they are searched.
      class_names: by output.
      normalised: rows of features are scaled to sum 1 first.
    """

    mlp1: tuple
    mlp2: tuple
    dictionary: np.ndarray
    names: np.ndarray
    lookup: Lookup
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


def look_up(lookup: Lookup, guesses, keys, *, exclude=None, allowed=None):
    """`(neighbours, extra input of MLP2 [q, parts, e])` for guesses `[q, e]`."""
    found = discover_neighbors(
        guesses,
        keys,
        lookup.neighbors,
        lookup.similarity,
        temperature=lookup.temperature,
        exclude=exclude,
        allowed=allowed,
        approximate=lookup.approximate,
    )
    parts = [found.values, guesses] if lookup.guess else [found.values]
    return found, np.asarray(jnp.stack(parts, axis=1), np.float32)


def predict(student: Student, x, *, chunk: int = 65536) -> Prediction:
    """Classify unseen nodes from features `[q, d]` (an array or `sparse.Sparse`).

    Raises:
      errors.InputError: wrong width, or values that are not finite.
    """
    width = student.mlp1[1]["weights"]["input"]["kernel"].shape[0]
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
        for low in range(0, x.shape[0], chunk)
        for rows in [np.arange(low, min(low + chunk, x.shape[0]))]
    ]
    return Prediction(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _predict(student, x):
    x = graph.normalise_rows(x) if student.normalised else x
    guesses = outputs(student.mlp1, x)
    found, extra = look_up(student.lookup, guesses, student.dictionary)
    logits = outputs(student.mlp2, x, extra)
    probabilities = np.asarray(jax.nn.softmax(logits, axis=1))
    return probabilities, np.asarray(found.indices), np.asarray(found.weights), guesses


def save(path, student: Student) -> None:
    """Write a student as one `.npz` of plain arrays."""
    arrays, described = {}, {"version": VERSION}
    for name in ("mlp1", "mlp2"):
        config, params = getattr(student, name)
        described[name] = config._asdict()
        flat = jax.tree_util.tree_flatten_with_path(params["weights"])[0]
        for keys, value in flat:
            arrays["/".join([name, *(k.key for k in keys)])] = np.asarray(value)
    described["lookup"] = student.lookup._asdict()
    described["class_names"] = list(student.class_names)
    described["normalised"] = student.normalised
    checkpoint.write_npz(
        path,
        dictionary=np.asarray(student.dictionary),
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

    arrays = read_npz(path)
    try:
        described = json.loads(str(arrays["description"]))
        if described["version"] != VERSION:
            raise KeyError(f"version {described['version']}, this is {VERSION}")
        mlps = [_read_mlp(arrays, described[n], n) for n in ("mlp1", "mlp2")]
    except (KeyError, TypeError, ValueError) as error:
        raise errors.InputError(
            f"{path}: expected a student.npz as experiments.cold_brew writes it; found "
            f"{error}"
        ) from error
    return Student(
        *mlps,
        arrays["dictionary"],
        arrays["names"],
        Lookup(**described["lookup"]),
        tuple(described["class_names"]),
        described["normalised"],
    )


def _read_mlp(arrays, config, name):
    weights: dict = {}
    for key, value in arrays.items():
        parts = key.split("/")
        if parts[0] == name:
            place = weights
            for part in parts[1:-1]:
                place = place.setdefault(part, {})
            place[parts[-1]] = value
    return perceptron.Config(**config), {"weights": weights, "stats": {}}
