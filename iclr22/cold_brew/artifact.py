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

from iclr22 import bundle, errors, sparse
from iclr22.cold_brew import perceptron, scaling, teacher
from iclr22.cold_brew.discovery import SIMILARITIES, discover_neighbors
from iclr22.data.labels import text_array

KIND, VERSION = "cold_brew student", 3


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
      scale: of the features, see `scaling`.
      feature_names: of the columns of features, if they have any.
    """

    chain: Chain
    mlp2: tuple
    names: np.ndarray
    class_names: tuple[str, ...]
    scale: scaling.Scale = scaling.Scale()
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
    width = width_of(student)
    x = x if isinstance(x, sparse.Sparse) else np.asarray(x)
    if not isinstance(x, sparse.Sparse) and x.dtype != np.float64:
        x = x.astype(np.float32)
    if len(x.shape) != 2 or x.shape[1] != width:
        raise errors.InputError(
            f"expected features [nodes, {width}], as the student was trained on; found "
            f"{list(x.shape)}"
        )
    if not np.isfinite(x.values if isinstance(x, sparse.Sparse) else x).all():
        raise errors.InputError("expected finite features; found NaN or infinity")
    return x


def width_of(student: Student) -> int:
    """Number of features that a student expects."""
    return student.chain.mlp1[1]["weights"]["input"]["kernel"].shape[0]


def _rows(x: np.ndarray | sparse.Sparse, low: int, high: int):
    if isinstance(x, sparse.Sparse):
        return sparse.take(x, np.arange(low, high))
    return x[low:high]


def _predict(student, x):
    x = student.scale(x)
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
            "scale": student.scale.kind,
            "names": np.asarray(student.names).astype(object).tolist(),
        },
        trees={
            **{name: params for name, (_, params) in models.items()},
            "dictionary": np.asarray(chain.dictionary),
            "shift": student.scale.shift,
            "spread": student.scale.spread,
        },
        inputs=student.feature_names,
    )


def load(path) -> Student:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, one of another version, or one whose parts do
        not fit each other.
    """
    return bundle.load(path, KIND, VERSION, _build)


def _build(found: bundle.Bundle) -> Student:
    about, trees = found.about, found.trees

    def model(stage, name):
        params = {"weights": {}, "stats": {}} | trees[name]
        return bundle.configured(stage.Config, about["configs"][name]), params

    chain = Chain(
        mlp1=model(perceptron, "mlp1"),
        bare=model(teacher, "bare") if "bare" in trees else None,
        handover=about["handover"],
        lookup=bundle.configured(Lookup, about["lookup"]),
        dictionary=trees["dictionary"],
    )
    student = Student(
        chain=chain,
        mlp2=model(perceptron, "mlp2"),
        names=text_array(about["names"]),
        class_names=tuple(about["class_names"]),
        scale=scaling.Scale(about["scale"], trees["shift"], trees["spread"]),
        feature_names=found.inputs,
    )
    return bundle.fitting(student, _check)


def _check(student: Student) -> None:
    """The parts of a student fit each other; nothing is compiled."""
    chain, scale, width = student.chain, student.scale, width_of(student)
    rows, size = chain.dictionary.shape
    if len(student.feature_names) not in (0, width):
        raise ValueError(f"{len(student.feature_names)} names of {width} features")
    if len(student.names) != rows:
        raise ValueError(f"{len(student.names)} names of {rows} rows")
    wanted = (width,) if scale.kind == "columns" else (0,)
    if scale.kind not in scaling.KINDS or not (
        scale.shift.shape == scale.spread.shape == wanted
    ):
        raise ValueError(f"a scale of {width} features")
    if not 1 <= chain.lookup.neighbors <= rows or not chain.lookup.temperature > 0:
        raise ValueError(f"{chain.lookup.neighbors} neighbours among {rows} rows")
    arrays = [
        chain.mlp1[1],
        student.mlp2[1],
        chain.dictionary,
        scale.shift,
        scale.spread,
    ]
    arrays += [chain.bare[1]] if chain.bare else []
    for array in jax.tree.leaves(arrays):
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError("arrays of finite numbers only")
    if not (scale.spread > 0).all():
        raise ValueError("deviations above 0 only")
    if chain.lookup.similarity not in SIMILARITIES:
        raise ValueError(f"similarity {chain.lookup.similarity!r}")
    _check_outputs(student, width, size)


def _check_outputs(student: Student, width: int, size: int) -> None:
    """Every network takes what it will be given and says as much as is taken from it."""
    chain = student.chain
    guesses = 1 + (chain.bare is not None)
    parts = 1 + guesses * chain.lookup.guess
    x = np.zeros((1, width), np.float32)
    none, extra = (np.zeros((1, *axes), np.float32) for axes in ((0, 0), (parts, size)))
    for (config, params), given, outputs in (
        (chain.mlp1, none, size),
        (student.mlp2, extra, len(student.class_names)),
    ):
        call = functools.partial(perceptron.apply, config)
        said = jax.eval_shape(call, params, {"x": x, "extra": given})
        if said.shape != (1, outputs):
            raise ValueError(f"outputs of shape {said.shape}, not {(1, outputs)}")
    if chain.bare:
        config, params = chain.bare
        said = teacher.bare_shape(config, params, x, chain.handover)
        if said.shape != (1, size):
            raise ValueError(f"guesses of shape {said.shape}, not {(1, size)}")
