"""Weights of BERT in folders of Hugging Face, wheels of such, and ONNX files.

Archives are read, not unpacked, and nothing in them is executed.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks
from iclr22.nn import (
    bert_export,
    bert_names,
    bert_onnx,
    model_files,
    safetensors,
    vocabularies,
)
from iclr22.nn.bert_layers import ACTIVATIONS, DEVIATION, Config

WEIGHTS, ABOUT = "model.safetensors", "config.json"
PREFIXES = ("", "bert.")  # of names, in a bare encoder and in one with a head
SPARE = 128  # rows of embeddings that no token may have, for rounder sizes


def load(
    path: str | os.PathLike, vocabulary: str | os.PathLike | None = None, seed: int = 0
) -> tuple[Config, dict[str, Any]]:
    """`(config, params)` of a published encoder, float32.

    Args:
      path: a folder of Hugging Face with `config.json`, `model.safetensors` and a
        vocabulary (`vocab.txt` or `tokenizer.json`); a wheel or zip archive with one such
        folder; or an ONNX file that was exported from one, or a wheel with one. Archives
        are read, not unpacked, and nothing in them is executed.
      vocabulary: where that is, if not at the path: as for `read_vocabulary`.
      seed: of what a model lacks: a pooler, whose weights are then drawn (deviation 0.02),
        which is told.

    Raises:
      errors.InputError: no weights or no vocabulary, another architecture, a tensor that is
        missing or of another shape than config.json says, a vocabulary that does not fit
        the embeddings, a file that is cut.
    """
    files = model_files.opened(path, ABOUT)
    if ABOUT in files.names or not files.named(".onnx"):
        config = _read_config(files)
        if WEIGHTS not in files.names:
            raise model_files.missing(files, WEIGHTS, "the weights")
        where = f"{files.where}/{WEIGHTS}"
        tensors = safetensors.read(files.read(WEIGHTS), where)
    else:
        where, config, tensors = bert_onnx.read(files)
    check_vocabulary(config, read_vocabulary(vocabulary or path), vocabulary or path)
    return config, _parameters(where, config, tensors, seed)


def read_vocabulary(path: str | os.PathLike) -> tuple[str, ...]:
    """Tokens by number, of an uncased model.

    Args:
      path: a folder or archive as for `load`, or a `vocab.txt` with a token in each line.

    Raises:
      errors.InputError: no vocabulary there, or a cased one.
    """
    files = model_files.opened(path, ABOUT)
    return vocabularies.read(files)


def check_vocabulary(config: Config, vocabulary, where) -> None:
    """Raise `errors.InputError` unless the rows of the embeddings are those of tokens."""
    if not 0 <= config.vocabulary - len(vocabulary) < SPARE:
        raise errors.InputError(
            f"{where}: expected a vocabulary of {config.vocabulary:,} tokens, as the "
            f"embeddings have rows; found {len(vocabulary):,}. Name the vocabulary that the "
            "model was trained with."
        )


def save(
    folder: str | os.PathLike,
    config: Config,
    params: Mapping[str, Any],
    vocabulary,
    *,
    pooling: str = "cls",
    tokens: int = 64,
) -> None:
    """Write a folder that `load`, Hugging Face and sentence-transformers read.

    Args:
      params: with a `pooler`; with a `classifier` (kernel `[width, outputs]`) it is a
        cross-encoder, a `BertForSequenceClassification`; without, a sentence encoder.
      vocabulary: tokens by number.
      pooling: of sentence vectors, `cls` or `mean`, for sentence-transformers.
      tokens: that texts are cut to there.

    Raises:
      errors.InputError: a tensor that is missing or of another shape than `config` says, or
        a vocabulary that does not fit.
    """
    check_vocabulary(config, vocabulary, "vocabulary")
    head = "classifier" in params
    tensors = {}
    for theirs, place, shape in _all_places(config, params):
        x: Any = params
        for key in place:
            x = x.get(key, {})
        if np.shape(x) != shape:
            raise errors.InputError(
                f"expected parameters {'.'.join(place)} of shape {list(shape)}; found "
                f"{list(np.shape(x)) if hasattr(x, 'shape') else 'none'}"
            )
        x = np.asarray(x, np.float32)
        inner = "bert." if head and not theirs.startswith("classifier") else ""
        tensors[inner + theirs] = x.T if place[-1] == "kernel" else x
    about = {
        theirs: getattr(config, name) for name, theirs in bert_names.FIELDS.items()
    }
    bert_export.write_texts(
        folder,
        about,
        vocabulary,
        outputs=_outputs(params),
        pooling=pooling,
        tokens=tokens,
    )
    safetensors.write(os.path.join(folder, WEIGHTS), tensors)


def _all_places(config, params):
    yield from bert_names.places(config)
    yield from bert_names.pooler(config)
    if "classifier" in params:
        yield from bert_names.classifier(config, _outputs(params))


def _outputs(params) -> int:
    """Of the head, 0 without one."""
    return len(params["classifier"]["bias"]) if "classifier" in params else 0


def _read_config(files) -> Config:
    if ABOUT not in files.names:
        raise model_files.missing(files, ABOUT, "sizes of a model")
    where = f"{files.where}/{ABOUT}"
    try:
        found = json.loads(files.read(ABOUT))
        values = {name: found.get(theirs) for name, theirs in bert_names.FIELDS.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise errors.InputError(
            f"{where}: expected the sizes of a model in JSON; found others "
            f"({checks.short(error)})."
        ) from error
    kinds = found.get("model_type"), found.get("position_embedding_type", "absolute")
    if kinds != ("bert", "absolute"):
        raise errors.InputError(
            f"{where}: expected model_type bert with absolute positions; found "
            f"{kinds[0]!r} with {kinds[1]!r}. Other architectures are not read."
        )
    defaults = Config._field_defaults
    values = {name: defaults[name] if x is None else x for name, x in values.items()}
    for name, x in values.items():
        _check_field(where, bert_names.FIELDS[name], x, defaults[name])
    config = Config(**values)
    if config.width % config.heads:
        raise errors.InputError(
            f"{where}: expected a hidden_size that divides into {config.heads} heads; "
            f"found {config.width}."
        )
    return config


def _check_field(where, name, value, default):
    """A count from 1, a share below 1, or the name of an activation."""
    if isinstance(default, str):
        if value not in ACTIVATIONS:
            raise errors.nearest(str(value), ACTIVATIONS, f"{name} in {where}")
        return
    whole = isinstance(default, int)
    fits = type(value) is int and value > 0 if whole else _is_share(value)
    if not fits:
        raise errors.InputError(
            f"{where}: expected {'a count' if whole else 'a number from 0 to 1'} in {name}; "
            f"found {checks.shown(value)}."
        )


def _is_share(value):
    return type(value) in (int, float) and 0 <= value < 1


def _parameters(where, config, tensors, seed) -> dict[str, Any]:
    """Nested dicts, once names and shapes are what the configuration says."""
    prefix = next(
        (x for x in PREFIXES if f"{x}embeddings.word_embeddings.weight" in tensors), ""
    )
    beyond = f"{prefix}encoder.layer.{config.layers}."
    if more := next((name for name in tensors if name.startswith(beyond)), None):
        raise errors.InputError(
            f"{where}: expected {config.layers} layers, as config.json says; found also "
            f"{more}."
        )
    wanted = [(prefix + name, *rest) for name, *rest in bert_names.places(config)]
    if f"{prefix}pooler.dense.weight" in tensors:
        wanted += [(prefix + name, *rest) for name, *rest in bert_names.pooler(config)]
    if "classifier.weight" in tensors:
        outputs = len(tensors["classifier.weight"])
        wanted += bert_names.classifier(config, outputs)
    found: dict[str, Any] = {}
    for theirs, place, shape in wanted:
        _put(found, place, _tensor(where, theirs, tensors, place, shape))
    if "pooler" not in found:
        logging.warning("%s: has no pooler; its weights are drawn at random", where)
        shape = (config.width, config.width)
        kernel = DEVIATION * jax.random.normal(jax.random.key(seed), shape)
        found["pooler"] = {"kernel": kernel, "bias": jnp.zeros(config.width)}
    return found


def _put(tree, place, x):
    for key in place[:-1]:
        tree = tree.setdefault(key, {})
    tree[place[-1]] = x


def _tensor(where, name, tensors, place, shape) -> jax.Array:
    """One tensor as a parameter of float32."""
    x = tensors.get(name)
    expected = shape[::-1] if place[-1] == "kernel" else shape
    if x is None or x.shape != expected:
        found = "none" if x is None else list(x.shape)
        raise errors.InputError(
            f"{where}: expected tensor {name} of shape {list(expected)}; found {found}."
        )
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise errors.InputError(
            f"{where}: expected numbers in tensor {name}; found type {x.dtype}."
        )
    x = np.asarray(x, np.float32)
    if not np.isfinite(x).all():
        raise errors.InputError(f"{where}: expected finite numbers in tensor {name}.")
    return jnp.asarray(x.T if place[-1] == "kernel" else x)
