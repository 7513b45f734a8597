"""Encoders tuned on sentences alone: by contrast, or as an autoencoder."""

import jax
import numpy as np

from iclr22 import errors, loop
from iclr22.nn import body, wordpiece
from iclr22.nn.encoders import Encoder
from iclr22.nn.tokens import Texts
from iclr22.trans_encoder import contrastive, tsdae


def contrast(
    encoder: Encoder,
    texts: Texts,
    config: contrastive.Config | None = None,
    **options,
) -> Encoder:
    """The encoder after SimCSE or Mirror-BERT on texts (step 0 of the paper).

    Args:
      texts: in its tokens, each once.
      config: sizes, steps and the token [MASK] are filled in.
      options: directory, seed, mode, as of `loop.fit`.

    Raises:
      errors.InputError: no texts; a vocabulary without [MASK] where it is needed.
    """
    config = contrastive.Config() if config is None else config
    if config.masked:
        if wordpiece.MASK not in encoder.vocabulary:
            raise errors.InputError(
                f"expected a vocabulary with {wordpiece.MASK}; found none. Set masked to 0."
            )
        config = config._replace(mask=encoder.vocabulary.index(wordpiece.MASK))
    return _tuned(contrastive, encoder, texts, config, **options)


def autoencode(
    encoder: Encoder, texts: Texts, config: tsdae.Config | None = None, **options
) -> Encoder:
    """The encoder after TSDAE on texts, a baseline; arguments and errors as of `contrast`."""
    config = tsdae.Config() if config is None else config
    return _tuned(tsdae, encoder, texts, config, **options)


def _tuned(stage, encoder, texts, config, *, directory=None, seed=0, mode="jit"):
    config = config._replace(bert=encoder.config)
    source = stage.source(config, texts, seed)
    config = config._replace(steps=config.steps or config.epochs * source.per_epoch)
    state = loop.fit(
        stage,
        config,
        source,
        loop.Schedule(config.steps),
        seed=seed,
        mode=mode,
        directory=directory,
        begin=body.onto(encoder.params),
        name=stage.__name__.rsplit(".", 1)[-1],
    )
    learned = jax.tree.map(np.asarray, body.plain(state.params))
    return encoder._replace(params=encoder.params | learned)
