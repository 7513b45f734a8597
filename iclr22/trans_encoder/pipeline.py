"""From pairs of sentences without labels to encoders: the first teacher, the students.

A variant is what is trained: `self`, a bi- and a cross-encoder that teach each other,
`mutual`, those of several encoders together, `self_bi`, bi-encoders that teach themselves
(the baseline without cross-encoders), or `shuffled`, the students of labels that belong to
other pairs, which must stay at chance.
"""

import time
from typing import Any, Literal, NamedTuple

import numpy as np

from iclr22 import errors, numeric
from iclr22.nn import tokens
from iclr22.nn.encoders import Encoder
from iclr22.trans_encoder import (
    artifact,
    distillation,
    labels,
    pretraining,
    self_distillation,
    static,
    use,
)
from iclr22.trans_encoder.artifact import Model, Part
from iclr22.trans_encoder.contrastive import Config as Contrast
from iclr22.trans_encoder.plans import Options as Distillation
from iclr22.trans_encoder.tasks import Task
from iclr22.trans_encoder.tsdae import Config as Tsdae

VARIANTS = ("self", "mutual", "self_bi", "shuffled")
STARTS = ("encoder", "contrast", "static", "sif")


class Options(NamedTuple):
    """A variant, the first teacher, and the hyper-parameters of all."""

    MAIN = "distillation"
    RESOLVED = (  # by who trains, and by `distillation.bi`
        "variant",
        "distillation.shuffle",
        *(f"{x}.{y}" for x in ("contrast", "tsdae") for y in ("pooling", "tokens")),
        "contrast.mask",
    )

    variant: str = "self"  # of VARIANTS
    distillation: Distillation = Distillation()
    contrast: Contrast = Contrast()  # of the start contrast
    tsdae: Tsdae = Tsdae()  # of the baseline of that name
    # the first teacher: the encoders as they are, after contrast on the pairs' sentences, or
    # vectors of single tokens: their means (static), rare ones counting more (sif)
    start: Literal["encoder", "contrast", "static", "sif"] = "encoder"
    # where cross-encoders begin: at the encoders as they are, or where bi-encoders do
    cross_begin: Literal["encoder", "start"] = "encoder"
    noise: float = 0.0  # deviation of what is added to the first labels


class Data(NamedTuple):
    """Pairs without labels, and encoders."""

    task: Task
    encoders: tuple[Encoder, ...]


class Begun(NamedTuple):
    """What there is before a student learns."""

    encoders: tuple[Encoder, ...]  # where bi-encoders begin
    static: static.Static | None  # the first teacher, if it is one


class Fitted(NamedTuple):
    """What one training leaves."""

    model: Model
    taught: np.ndarray  # [n], labels of the pairs that the first students learned
    looks: list[dict[str, Any]]  # at all students: cycle, kind, and `selection.table`
    seconds: float  # of processor, of this call


def train(
    data: Data,
    options: Options | None = None,
    *,
    begun: Begun | None = None,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> Fitted:
    """Train one variant.

    Args:
      data: `tasks.of` and `encoders.load` make it.
      begun: what `begin` made of the same data and options; made here if None.
      directory: an interrupted training goes on from there.

    Raises:
      errors.InputError: an unknown variant; one encoder for `mutual`; see `begin` and
        `distillation.distil`.
    """
    began = time.process_time()
    options = checked(options or Options(), data)
    told = {"seed": seed, "mode": mode}
    if begun is None:
        begun = begin(data, options, directory=_below(directory, "start"), **told)
    if options.variant != "mutual":
        data = data._replace(encoders=data.encoders[:1])
        begun = begun._replace(encoders=begun.encoders[:1])
    given = first_labels(data, options, begun, seed)
    told["directory"] = _below(directory, options.variant)
    learn = _bi_alone if options.variant == "self_bi" else _both
    model, taught, looks = learn(data, options, begun, given, told)
    return Fitted(model, taught, looks, time.process_time() - began)


def _both(data: Data, options: Options, begun: Begun, given, told):
    """Bi- and cross-encoders: `(model, labels that were learned first, looks)`."""
    chosen = options.distillation
    if options.variant == "shuffled":
        chosen = chosen._replace(shuffle=True, cycles=1)
    plain = begun.encoders if options.cross_begin == "start" else data.encoders
    found = distillation.distil(
        begun.encoders, data.task, chosen, plain=plain, given=given, **told
    )
    looks = [
        row
        for i, cycle in enumerate(found.cycles)
        for kind in ("cross", "bi")
        for row in _told(i, kind, getattr(cycle, kind))
    ]
    return artifact.of(found, begun.encoders), found.cycles[0].cross_labels, looks


def _bi_alone(data: Data, options: Options, begun: Begun, given, told):
    """As `_both`, of bi-encoders."""
    phases = self_distillation.self_distil(
        begun.encoders, data.task, options.distillation, given=given, **told
    )
    looks = [row for i, x in enumerate(phases) for row in _told(i, "bi", x)]
    parts = [
        Part(x.config, x.params, one.vocabulary)
        for x, one in zip(distillation.best(phases), begun.encoders, strict=True)
    ]
    return Model(tuple(parts)), given, looks


def _below(directory, name):
    return f"{directory}/{name}" if directory else None


def _told(cycle: int, kind: str, phase) -> list[dict[str, Any]]:
    return [{"cycle": cycle, "kind": kind, **row} for row in phase.looks]


def checked(options: Options, data: Data) -> Options:
    """The options, with the fields that are read from others.

    Raises:
      errors.InputError: an unknown variant; one encoder for `mutual`; noise below 0.
    """
    if options.variant not in VARIANTS:
        raise errors.nearest(options.variant, VARIANTS, "variant")
    if options.variant == "mutual" and len(data.encoders) < 2:
        raise errors.InputError(
            "expected two encoders or more for mutual distillation; found "
            f"{len(data.encoders)}. Name another (--second_encoder)."
        )
    numeric.real([options.noise], "noise", ndim=1)
    if options.noise < 0:
        raise errors.InputError(f"expected noise of 0 or more; found {options.noise}")
    bi = options.distillation.bi
    same = {"pooling": bi.pooling, "tokens": bi.tokens}
    return options._replace(
        contrast=options.contrast._replace(**same),
        tsdae=options.tsdae._replace(**same),
    )


def begin(
    data: Data, options: Options, *, directory=None, seed: int = 0, mode: str = "jit"
) -> Begun:
    """Where bi-encoders begin, and the first teacher, as `start` of the options says.

    Raises:
      errors.InputError: as `pretraining.contrast`.
    """
    options = checked(options._replace(variant="self"), data)
    if options.start != "contrast":
        return Begun(data.encoders, _static(data, options))
    tuned = [
        pretraining.contrast(
            encoder,
            tokens.encoded(encoder.vocabulary, data.task.sentences),
            options.contrast,
            directory=_below(directory, str(k)),
            seed=seed + k,
            mode=mode,
        )
        for k, encoder in enumerate(data.encoders)
    ]
    return Begun(tuple(tuned), None)


def _static(data: Data, options: Options) -> static.Static | None:
    """A static teacher of the first encoder's tokens."""
    if options.start == "encoder":
        return None
    one = data.encoders[0]
    texts = tokens.encoded(one.vocabulary, data.task.sentences)
    if options.start == "sif":
        words = np.asarray(one.params["word"]["embedding"])[: len(one.vocabulary)]
        return static.sif(words, one.vocabulary, texts)
    config = options.distillation.bi._replace(bert=one.config)
    alone = use.token_vectors(Part(config, one.params, one.vocabulary), texts)
    return static.mean(alone, one.vocabulary)


def part(options: Options, encoder: Encoder) -> Part:
    """An encoder as a bi-encoder."""
    config = options.distillation.bi._replace(bert=encoder.config)
    return Part(config, encoder.params, encoder.vocabulary)


def first_labels(data: Data, options: Options, begun: Begun, seed: int) -> np.ndarray:
    """Labels `[n]` of the first teacher: cosines, of several encoders their mean; and
    noise."""
    pairs = data.task.first, data.task.second
    if begun.static is not None:
        texts = static.texts_of(begun.static, data.task.sentences)
        found = labels.cosines(static.embed(begun.static, texts), *pairs)
    else:
        found = labels.averaged(
            [_cosines(part(options, x), data.task) for x in begun.encoders]
        )
    drawn = np.random.default_rng(seed).normal(size=len(found))
    return (found + options.noise * drawn).astype(np.float32)


def _cosines(one: Part, task: Task) -> np.ndarray:
    texts = tokens.encoded(one.vocabulary, task.sentences)
    return labels.of_bi(one.config, one.params, texts, task.first, task.second)


def autoencoded(
    data: Data, options: Options, *, directory=None, seed: int = 0, mode: str = "jit"
) -> Model:
    """The baseline TSDAE: the first encoder after it has learned to restore the pairs'
    sentences."""
    options = checked(options._replace(variant="self"), data)
    one = data.encoders[0]
    texts = tokens.encoded(one.vocabulary, data.task.sentences)
    found = pretraining.autoencode(
        one, texts, options.tsdae, directory=directory, seed=seed, mode=mode
    )
    return Model((part(options, found),))
