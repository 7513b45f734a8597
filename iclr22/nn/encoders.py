"""A Transformer with its vocabulary, as it is read from a folder or a wheel."""

import os
from typing import Any, NamedTuple

from iclr22.nn import bert


class Encoder(NamedTuple):
    """A Transformer with its vocabulary."""

    config: bert.Config
    params: Any  # of `iclr22.nn.bert`
    vocabulary: tuple[str, ...]  # tokens by number


def load(
    path: str | os.PathLike, vocabulary: str | os.PathLike | None = None
) -> Encoder:
    """An encoder of a folder or a wheel; see `bert.load`.

    Raises:
      errors.InputError: no weights or no vocabulary there, or ones that do not fit.
    """
    config, params = bert.load(path, vocabulary)
    return Encoder(config, params, bert.read_vocabulary(vocabulary or path))
