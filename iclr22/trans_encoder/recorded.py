"""What will be trained: configurations with all that pairs and encoders decide."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from iclr22.nn import tokens, wordpiece
from iclr22.nn.encoders import Encoder
from iclr22.trans_encoder import batches, contrastive, labels, pipeline, tsdae
from iclr22.trans_encoder.tasks import Task


def planned(
    data: pipeline.Data, options: pipeline.Options, wanted: Sequence[str]
) -> dict[str, Any]:
    """Configurations that are trained, by name, with what the data decide filled in.

    Args:
      wanted: variants, and `tsdae`.
    """
    options, found = pipeline.checked(options._replace(variant="self"), data), {}
    used = {
        "contrast": (contrastive, len(data.encoders) * (options.start == "contrast"))
    }
    used["tsdae"] = tsdae, int("tsdae" in wanted)
    students = len(data.encoders) if "mutual" in wanted else 1
    students *= bool({*pipeline.VARIANTS} & {*wanted})
    crossed = bool(({*pipeline.VARIANTS} - {"self_bi"}) & {*wanted})
    for k, one in enumerate(data.encoders):
        texts = tokens.encoded(one.vocabulary, data.task.sentences)
        for name, (stage, count) in used.items():
            if k < count:
                config = _masking(getattr(options, name), one)
                config = config._replace(bert=one.config)
                found[f"{name}-{k}"] = _filled(config, stage.source(config, texts))
        if k < students:
            kinds = ("bi", "cross") if crossed else ("bi",)
            task, chosen = data.task, options.distillation
            students_of = {x: _student(x, one, texts, task, chosen) for x in kinds}
            found |= {f"{x}-{k}": config for x, config in students_of.items()}
    return found


def _masking(config, one: Encoder):
    """With the token [MASK], where one is used."""
    if not getattr(config, "masked", 0) or wordpiece.MASK not in one.vocabulary:
        return config
    return config._replace(mask=one.vocabulary.index(wordpiece.MASK))


def _student(
    kind: str, one: Encoder, texts, task: Task, options: pipeline.Distillation
):
    """The configuration of a student of an encoder."""
    config = getattr(options, kind)._replace(bert=one.config)
    pairs = task.first, task.second, np.zeros(len(task.first))
    if kind == "cross" and task.symmetric:
        pairs = labels.both_orders(*pairs)
    source = batches.pairs(
        texts,
        *pairs,
        together=kind == "cross",
        size=config.batch,
        limit=config.tokens,
        devices=jax.device_count(),
    )
    return _filled(config, source)


def _filled(config, source):
    return config._replace(steps=config.steps or config.epochs * source.per_epoch)
