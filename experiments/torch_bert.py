"""Updates of BERT in PyTorch, written from its description, for benchmarks alone.

PyTorch is no dependency of the project. Attention, layers and AdamW are PyTorch's own; one
thread, float32, as we compute on a processor.
"""

import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Layer(nn.Module):
    """Attention and a perceptron, each with a norm after it."""

    def __init__(self, config):
        super().__init__()
        width, self.heads, self.dropout = config.width, config.heads, config.dropout
        self.several, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner = nn.Linear(width, config.inner)
        self.outer = nn.Linear(config.inner, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width, 1e-12) for _ in range(2)])

    def forward(self, x):
        n, length, width = x.shape
        parts = (
            self.several(x).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        )
        rate = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(*parts, dropout_p=rate)
        seen = self.out(seen.transpose(1, 2).reshape(n, length, width))
        x = self.norms[0](x + F.dropout(seen, rate))
        y = self.outer(F.gelu(self.inner(x)))
        return self.norms[1](x + F.dropout(y, rate))


class Encoder(nn.Module):
    """Hidden states of tokens, with pooler and one output."""

    def __init__(self, config):
        super().__init__()
        width = config.width
        self.word = nn.Embedding(config.vocabulary, width)
        self.position = nn.Embedding(config.positions, width)
        self.type = nn.Embedding(config.types, width)
        self.norm = nn.LayerNorm(width, 1e-12)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.layers)])
        self.pooler, self.head = nn.Linear(width, width), nn.Linear(width, 1)

    def forward(self, ids, types):
        place = torch.arange(ids.shape[1])
        x = self.norm(self.word(ids) + self.position(place) + self.type(types))
        for layer in self.layers:
            x = layer(x)
        return x

    def logits(self, ids, types):
        return self.head(torch.tanh(self.pooler(self(ids, types)[:, 0])))[:, 0]


def _loss(model, batch):
    ids = torch.as_tensor(batch["ids"], dtype=torch.long)
    label = torch.as_tensor(batch["label"])
    if "first" in batch:
        place = torch.arange(ids.shape[1])
        types = (place >= torch.as_tensor(batch["first"])[:, None]).long()
        found = model.logits(ids, types)
        return F.binary_cross_entropy_with_logits(found, label)
    both = ids.reshape(-1, ids.shape[-1])
    vectors = model(both, torch.zeros_like(both))[:, 0].view(len(ids), 2, -1)
    near = F.cosine_similarity(vectors[:, 0], vectors[:, 1])
    return F.mse_loss(near, label)


def update_time(config, batch, repeat: int) -> float:
    """Median processor seconds of an update of a bi- or a cross-encoder."""
    model = Encoder(config).train()
    return _timed(model, lambda: _loss(model, batch), repeat)


def round_time(config, batch, repeat: int) -> float:
    """Median processor seconds of an update of a round of GIANT-XRT: mean pooling,
    candidates with a weighted squared hinge loss."""
    model = Encoder(config).train()
    count = int(batch["candidates"].max()) + 1
    model.clusters = nn.Embedding(count, config.width)
    ids = torch.as_tensor(batch["ids"], dtype=torch.long)
    chosen = torch.as_tensor(batch["candidates"], dtype=torch.long)
    counts = torch.as_tensor(batch["counts"])
    signs, weights = torch.where(counts > 0, 1.0, -1.0), torch.clamp(counts, min=1)

    def loss():
        vectors = model(ids, torch.zeros_like(ids)).mean(dim=1)
        logits = torch.einsum("nh,nch->nc", vectors, model.clusters(chosen))
        return (weights * torch.relu(1 - signs * logits) ** 2).mean()

    return _timed(model, loss, repeat)


def _timed(model, loss, repeat: int) -> float:
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.01)
    times = []
    for _ in range(repeat + 1):
        began = time.process_time()
        optimizer.zero_grad()
        loss().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        times.append(time.process_time() - began)
    return float(np.median(times[1:]))


def encoding(config, count: int, width: int = 16, size: int = 128) -> float:
    """Sentences of so many tokens that are encoded in a processor second."""
    model = Encoder(config).eval()
    ids = torch.randint(5, config.vocabulary, (size, width))
    with torch.no_grad():
        model(ids, torch.zeros_like(ids))
        began = time.process_time()
        for _ in range(count // size):
            model(ids, torch.zeros_like(ids))
    return count / (time.process_time() - began)
