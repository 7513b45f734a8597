"""What a distillation is given: options, encoders at a task, labels; and its folder."""

import math
import pathlib
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from iclr22 import errors, gradients, identity, numeric
from iclr22.nn.encoders import Encoder
from iclr22.nn.tokens import Texts
from iclr22.trans_encoder import selection, tasks
from iclr22.trans_encoder.bi_encoder import Config as BiEncoder
from iclr22.trans_encoder.cross_encoder import Config as CrossEncoder
from iclr22.trans_encoder.phases import Kept
from iclr22.trans_encoder.tasks import Task


class Options(NamedTuple):
    """How students learn; published: cycles 3 for tasks of similarity, 5 for binary ones."""

    MAIN = "bi"

    bi: BiEncoder = BiEncoder()
    cross: CrossEncoder = CrossEncoder()
    cycles: int = 3  # from bi- to cross-encoders and back
    # refresh: every student begins at the encoder; sequential: at the one of the last cycle
    begin: Literal["refresh", "sequential"] = "refresh"
    clip: bool = True  # labels to 0 and 1; released code: False
    shuffle: bool = False  # labels of other pairs in the first cycle, a control
    rule: selection.Rule = "auto"  # which state of a student is kept
    looks: int = 8  # at each student while it trains
    probe: int = 500  # pairs without labels that students are compared on


class Student(NamedTuple):
    """One encoder at its task."""

    encoder: Encoder  # where bi-encoders begin
    plain: Any  # parameters where cross-encoders begin
    texts: Texts  # the task's sentences in its tokens


def students(
    encoders: Sequence[Encoder], task: Task, limit: int, plain: Sequence | None = None
) -> list[Student]:
    """Encoders at a task.

    Args:
      limit: tokens of a sentence; how many are longer is told.
      plain: encoders that cross-encoders begin at, before any tuning; the same if None.
    """
    plain = encoders if plain is None else plain
    return [
        Student(one, other.params, tasks.texts(one, task, limit))
        for one, other in zip(encoders, plain, strict=True)
    ]


def beginning(encoders: Sequence[Encoder], options: Options) -> list[Kept]:
    """Encoders as bi-encoders, before anything is learned."""
    return [
        Kept(options.bi._replace(bert=x.config), x.params, 0, math.nan, math.nan)
        for x in encoders
    ]


def checked(encoders, task: Task, options: Options, given) -> np.ndarray | None:
    """Labels of another teacher, if what is asked for can be done; see `distil`."""
    if not encoders or options.cycles < 1:
        raise errors.InputError(
            "expected an encoder or more and a cycle or more; found "
            f"{len(encoders)} and {options.cycles}"
        )
    selection.rule_of(options.rule, task.gold is not None)
    for dtype in (options.bi.dtype, options.cross.dtype):
        gradients.compute_dtype(dtype)
    if given is None:
        return None
    given = numeric.real(given, "labels", ndim=1, dtype=np.float32)
    if len(given) != len(task.first):
        raise errors.InputError(
            f"expected a label for each of {len(task.first)} different pairs; found "
            f"{len(given)}"
        )
    return given


def claimed(directory, options, task, seed, given, more) -> pathlib.Path | None:
    """The folder of a run, if it is this one's.

    Args:
      more: what it depends on besides, a pytree of arrays and numbers.
    """
    if not directory:
        return None
    folder = pathlib.Path(directory)
    arrays = [np.asarray(x) for x in jax.tree.leaves((given, more)) if _is_number(x)]
    about = {
        "stage": __name__,
        "seed": seed,
        "config": {"options": repr(options)},
        "data": {"all": f"{identity.content(arrays)}-{task.content()}"},
    }
    identity.claim(folder, about, going=(folder / identity.FILE).exists())
    return folder


def _is_number(x) -> bool:
    return not isinstance(x, str)
