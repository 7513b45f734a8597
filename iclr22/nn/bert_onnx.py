"""Weights of BERT in an ONNX file that was exported from a model of Hugging Face."""

import numpy as np

from iclr22 import errors
from iclr22.data import checks
from iclr22.nn import onnx
from iclr22.nn.bert_layers import Config


def read(files) -> tuple[str, Config, dict[str, np.ndarray]]:
    """Where the file is, and sizes and tensors by the names of Hugging Face.

    Biases, norms and embeddings have their names. Kernels do not: they are what products
    read, and those are named by where they are.

    Raises:
      errors.InputError: several ONNX files, or another graph.
    """
    (name, *more) = files.named(".onnx")
    where = f"{files.where}/{name}"
    if more:
        raise errors.InputError(
            f"{files.where}: expected one ONNX file; found {checks.few((name, *more))}. "
            "Unpack the one you mean and name it."
        )
    nodes, tensors = onnx.read(files.read(name), where)
    found = {}
    for theirs, x in tensors.items():
        found[_tail(theirs)] = x
    for node in nodes:
        kernels = [tensors[x] for x in node.inputs if x in tensors]
        if node.kind == "MatMul" and kernels:
            place = _tail(node.name.removesuffix("/MatMul").replace("/", "."))
            found[f"{place}.weight"] = kernels[0].T
        elif node.kind == "Div" and node.name.endswith("attention/self/Div"):
            found["scale"] = kernels[0] if kernels else np.zeros(0)
    try:
        config = _sizes(found)
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise errors.InputError(
            f"{where}: expected the graph of a BERT encoder as Hugging Face exports it; "
            f"found another ({checks.short(error)})."
        ) from error
    return where, config, found


def _tail(name):
    """A name from where the encoder begins."""
    for part in ("embeddings.", "encoder.layer.", "pooler."):
        if f".{part}" in name:
            return part + name.split(f".{part}", 1)[1]
    return name


def _sizes(tensors) -> Config:
    """What shapes tell; the number of heads is in the scale of attention."""
    vocabulary, width = tensors["embeddings.word_embeddings.weight"].shape
    layers = {name.split(".")[2] for name in tensors if name.startswith("encoder.")}
    return Config(
        vocabulary=vocabulary,
        width=width,
        layers=len(layers),
        heads=width // round(float(tensors["scale"].item()) ** 2),
        inner=len(tensors["encoder.layer.0.intermediate.dense.bias"]),
        positions=len(tensors["embeddings.position_embeddings.weight"]),
        types=len(tensors["embeddings.token_type_embeddings.weight"]),
    )
