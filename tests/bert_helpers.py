"""Small models as others keep them: folders, archives, ONNX files; and BERT by hand."""

import json
import math
import struct
import zipfile

import numpy as np

TOKENS = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b", "##c"),
    *("plane", "##s", "is", "taking", "off", ".", ",", "un", "##aff", "##able", "!"),
)
SIZES = {
    "model_type": "bert",
    "vocab_size": len(TOKENS),
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}
LINEAR = {
    "attention.self.query": (8, 8),
    "attention.self.key": (8, 8),
    "attention.self.value": (8, 8),
    "attention.output.dense": (8, 8),
    "intermediate.dense": (12, 8),
    "output.dense": (8, 12),
}
NORMS = ("attention.output.LayerNorm", "output.LayerNorm")


def tensors(seed=0, pooler=True):
    """Random weights by the names of Hugging Face."""
    random = np.random.default_rng(seed)

    def draw(*shape, around=0.0):
        return (around + random.normal(0, 0.5, shape)).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": draw(len(TOKENS), 8),
        "embeddings.position_embeddings.weight": draw(16, 8),
        "embeddings.token_type_embeddings.weight": draw(2, 8),
        "embeddings.LayerNorm.weight": draw(8, around=1),
        "embeddings.LayerNorm.bias": draw(8),
        "embeddings.position_ids": np.arange(16)[None],
    }
    for i in range(2):
        for name, shape in LINEAR.items():
            found[f"encoder.layer.{i}.{name}.weight"] = draw(*shape)
            found[f"encoder.layer.{i}.{name}.bias"] = draw(shape[0])
        for name in NORMS:
            found[f"encoder.layer.{i}.{name}.weight"] = draw(8, around=1)
            found[f"encoder.layer.{i}.{name}.bias"] = draw(8)
    if pooler:
        found["pooler.dense.weight"] = draw(8, 8)
        found["pooler.dense.bias"] = draw(8)
    return found


KINDS = {"float32": "F32", "int64": "I64", "float16": "F16"}


def packed(arrays):
    """A safetensors file, written here by hand."""
    head, body = {}, b""
    for name, x in arrays.items():
        place = [len(body), len(body) + x.nbytes]
        kind = KINDS[str(x.dtype)]
        head[name] = {"dtype": kind, "shape": list(x.shape), "data_offsets": place}
        body += np.ascontiguousarray(x).tobytes()
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + body


def folder(path, arrays=None, sizes=None, tokens=TOKENS):
    """A model as Hugging Face keeps it."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(SIZES | (sizes or {})))
    (path / "model.safetensors").write_bytes(packed(arrays or tensors()))
    (path / "vocab.txt").write_text("\n".join(tokens) + "\n")
    return path


def wheel(path, model, inner="some/data/model"):
    """A wheel with a folder."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("some/__init__.py", "raise SystemExit('executed')\n")
        archive.writestr(f"{inner}/1_Pooling/config.json", "{}")
        for file in model.iterdir():
            archive.write(file, f"{inner}/{file.name}")
    return path


def hidden(arrays, ids, mask, types, layers=2, heads=2):
    """Hidden states by loops over rows, layers and heads."""
    weights = {name: np.asarray(x, np.float64) for name, x in arrays.items()}
    rows = [
        _row(weights, *given, layers, heads)
        for given in zip(ids, mask, types, strict=True)
    ]
    return np.stack(rows)


def _row(weights, ids, mask, types, layers, heads):
    names = ("word", "position", "token_type")
    word, position, kind = (
        weights[f"embeddings.{name}_embeddings.weight"] for name in names
    )
    x = word[np.asarray(ids)] + position[: len(ids)] + kind[np.asarray(types)]
    x = _norm(weights, "embeddings.LayerNorm", x)
    for i in range(layers):
        at = f"encoder.layer.{i}."
        attention = at + "attention."
        q, k, v = (
            _linear(weights, f"{attention}self.{name}", x)
            for name in ("query", "key", "value")
        )
        parts, size = [], x.shape[1] // heads
        for head in range(heads):
            s = slice(head * size, (head + 1) * size)
            scores = q[:, s] @ k[:, s].T / math.sqrt(size)
            scores[:, np.asarray(mask) == 0] = -np.inf
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            parts.append(shares / shares.sum(axis=1, keepdims=True) @ v[:, s])
        y = _linear(weights, f"{attention}output.dense", np.concatenate(parts, 1))
        x = _norm(weights, f"{attention}output.LayerNorm", x + y)
        y = _gelu(_linear(weights, f"{at}intermediate.dense", x))
        y = _linear(weights, f"{at}output.dense", y)
        x = _norm(weights, f"{at}output.LayerNorm", x + y)
    return x


def _linear(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _norm(weights, name, x):
    centred = x - x.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


# ONNX


def onnx(arrays):
    """The graph of a BERT as an export has it: kernels are inputs of products, transposed
    and without a name, and the scale of attention is a constant."""
    nodes, kept = [], []
    for name, x in arrays.items():
        title = f"model.0.auto_model.{name}"
        if name.endswith(".weight") and "encoder" in name and x.ndim == 2:
            place = "/model/model.0/auto_model/" + name[: -len(".weight")]
            place = place.replace("layer.", "layer#").replace(".dense", "/dense")
            place = place.replace(".self.", "/self/").replace(
                ".attention", "/attention"
            )
            place = place.replace(".", "/").replace("layer#", "layer.")
            place = place.replace("model/0", "model.0")
            title, x = f"onnx::MatMul_{len(nodes)}", x.T
            nodes.append(
                _message(
                    (1, b"x"),
                    (1, title.encode()),
                    (3, f"{place}/MatMul"),
                    (4, "MatMul"),
                )
            )
        kept.append(_tensor(title, x))
    scale = _tensor("", np.array(2.0, np.float32))  # heads of 4
    constant = _message((2, b"c"), (3, "c"), (4, "Constant"), (5, _message((5, scale))))
    place = "/model/model.0/auto_model/encoder/layer.0/attention/self/Div"
    nodes += [constant, _message((1, b"s"), (1, b"c"), (3, place), (4, "Div"))]
    graph = _message(*((1, x) for x in nodes), *((5, x) for x in kept))
    return _message((1, 8), (2, "test"), (7, graph))


def _tensor(title, x):
    x = np.ascontiguousarray(x)
    kind = {"float32": 1, "int64": 7}[str(x.dtype)]
    dims = [(1, size) for size in np.shape(x)] if x.ndim else []
    return _message(*dims, (2, kind), (8, title), (9, x.tobytes()))


def _message(*fields):
    found = b""
    for number, value in fields:
        if isinstance(value, int):
            found += _varint(number << 3) + _varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            found += _varint(number << 3 | 2) + _varint(len(value)) + value
    return found


def _varint(value):
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])
