"""What Hugging Face calls sizes and tensors of BERT, and where they go.

One list for reading and writing. Its linear layers are `[out, in]`, those of Linen `[in,
out]`.
"""

from collections.abc import Iterator

from iclr22.nn.bert_layers import Config

Place = tuple[str, tuple[str, ...], tuple[int, ...]]
FIELDS = {  # ours, theirs
    "vocabulary": "vocab_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "inner": "intermediate_size",
    "positions": "max_position_embeddings",
    "types": "type_vocab_size",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "activation": "hidden_act",
    "epsilon": "layer_norm_eps",
}
TABLES = {"word": "word", "position": "position", "type": "token_type"}
LAYER = {  # of a layer: ours, theirs
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "inner": "intermediate.dense",
    "outer": "output.dense",
    "norm": "output.LayerNorm",
}


def places(config: Config) -> Iterator[Place]:
    """Of each tensor of an encoder its name in their file, its place in the parameters and
    its shape there; kernels are transposed in the file."""
    w, inner = config.width, config.inner
    rows = {
        "word": config.vocabulary,
        "position": config.positions,
        "type": config.types,
    }
    for name, theirs in TABLES.items():
        theirs = f"embeddings.{theirs}_embeddings.weight"
        yield theirs, (name, "embedding"), (rows[name], w)
    yield from norm("embeddings.LayerNorm", ("norm",), w)
    shapes = {"inner": (w, inner), "outer": (inner, w)}
    for i in range(config.layers):
        for name, theirs in LAYER.items():
            theirs, place = f"encoder.layer.{i}.{theirs}", (f"layer_{i}", name)
            if name.endswith("norm"):
                yield from norm(theirs, place, w)
            else:
                yield from dense(theirs, place, shapes.get(name, (w, w)))


def norm(theirs: str, place: tuple[str, ...], width: int) -> Iterator[Place]:
    """Of a layer that normalises."""
    yield f"{theirs}.weight", (*place, "scale"), (width,)
    yield f"{theirs}.bias", (*place, "bias"), (width,)


def dense(theirs: str, place: tuple[str, ...], shape) -> Iterator[Place]:
    """Of a linear layer `[in, out]`."""
    yield f"{theirs}.weight", (*place, "kernel"), shape
    yield f"{theirs}.bias", (*place, "bias"), shape[1:]


def pooler(config: Config) -> Iterator[Place]:
    """Of the pooler."""
    return dense("pooler.dense", ("pooler",), (config.width, config.width))


def classifier(config: Config, outputs: int) -> Iterator[Place]:
    """Of the head of a model with so many outputs."""
    return dense("classifier", ("classifier",), (config.width, outputs))
