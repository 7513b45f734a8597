"""The same updates in PyTorch, written from the paper's description, for `benchmark` alone.

PyTorch is no dependency of the project. Spectral and weight normalisation, convolutions and
Adam are PyTorch's own; a turn computes no gradient that it does not need; both players fade
in, as in `iclr22.psa_gan.gan`. Series are `[batch, channels, time]`.
"""

import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm
from torch.nn.utils.parametrizations import weight_norm

SHORTEST = 8  # length at depth 0


class Block(nn.Module):
    """A normalised convolution, and attention that begins with no share."""

    def __init__(self, inputs, width):
        super().__init__()
        self.convolution = spectral_norm(nn.Conv1d(inputs, width, 3, padding=1))
        self.queries, self.keys, self.values = (nn.Conv1d(width, 1, 1) for _ in "qkv")
        self.out = nn.Conv1d(1, width, 1)
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        x = F.leaky_relu(self.convolution(x), 0.01)
        scores = self.queries(x).transpose(1, 2) @ self.keys(x)
        seen = torch.softmax(scores, dim=-1) @ self.values(x).transpose(1, 2)
        return self.share * self.out(seen.transpose(1, 2)) + x


class _Player(nn.Module):
    def __init__(self, series, features, embedding):
        super().__init__()
        self.embedding = nn.Embedding(series, embedding)
        self.known = features + embedding

    def embedded(self, series, features):
        rows = self.embedding(series)[:, :, None].expand(-1, -1, features.shape[2])
        return torch.cat([rows, features], dim=1)


class Generator(_Player):
    """Windows from noise, of a series and its features."""

    def __init__(self, series, features, depth, width=32, embedding=10):
        super().__init__(series, features, embedding)
        blocks = [Block(self.known + 1, width)]
        blocks += [Block(self.known + width, width) for _ in range(depth)]
        self.blocks = nn.ModuleList(blocks)
        self.skip = nn.Conv1d(width, width, 1)
        self.last = spectral_norm(nn.Conv1d(width, 1, 1))

    def forward(self, series, features, noise, fade):
        known, length = self.embedded(series, features), features.shape[2]
        x = torch.cat([known, noise[:, None]], dim=1)
        y, around = self.blocks[0](_pooled(x, length // SHORTEST)), None
        for s, block in enumerate(self.blocks[1:], start=1):
            y = around = F.interpolate(y, scale_factor=2, mode="linear")
            given = _pooled(known, length // (SHORTEST << s))
            y = block(torch.cat([given, y], dim=1))
        if around is None:
            return self.last(y)[:, 0]
        new, old = self.last(torch.cat([y, self.skip(around)]))[:, 0].chunk(2)
        return fade * new + (1 - fade) * old


class Discriminator(_Player):
    """A score of windows, given their series and features."""

    def __init__(self, series, features, depth, width=32, embedding=10):
        super().__init__(series, features, embedding)
        self.first = spectral_norm(nn.Conv1d(self.known + 1, width, 1))
        self.blocks = nn.ModuleList(Block(width, width) for _ in range(depth + 1))
        self.squeeze = spectral_norm(nn.Conv1d(width, 1, 1))
        self.last = spectral_norm(nn.Linear(SHORTEST, 1))

    def forward(self, series, features, x, fade):
        known = self.embedded(series, features)
        seen = torch.cat([known, x[:, None]], dim=1)
        if len(self.blocks) == 1:
            h = F.leaky_relu(self.first(seen), 0.01)
        else:
            both = torch.cat([seen, _pooled(seen, 2)], dim=2)
            h, low = F.leaky_relu(self.first(both), 0.01).split(
                [x.shape[1], x.shape[1] // 2], dim=2
            )
            h = fade * _pooled(self.blocks[0](h), 2) + (1 - fade) * low
            for block in self.blocks[1:-1]:
                h = _pooled(block(h), 2)
        h = self.blocks[-1](h)
        return self.last(F.leaky_relu(self.squeeze(h), 0.01)[:, 0])[:, 0]


def _pooled(x, times):
    return x if times == 1 else F.avg_pool1d(x, times)


def _moments(generated, real):
    level = (generated.mean(1) - real.mean(1)).abs()
    return (level + (generated.std(1) - real.std(1)).abs()).mean()


def pair_times(batch, series: int, repeat: int, pairs: int = 10) -> list[float]:
    """Processor milliseconds of an update of each player, in `repeat` rounds after one.

    Args:
      batch: as of `iclr22.psa_gan.gan`, at full depth.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    given = {name: torch.tensor(batch[name]) for name in ("values", "noise")}
    who = torch.tensor(batch["series"]).long()
    features = torch.tensor(batch["features"]).transpose(1, 2).contiguous()
    depth = int(math.log2(features.shape[2] // SHORTEST))
    sizes = series, features.shape[1], depth
    generator, discriminator = Generator(*sizes), Discriminator(*sizes)
    first, second = (
        torch.optim.Adam(x.parameters(), 5e-4) for x in (generator, discriminator)
    )
    real, fade = given["values"], 0.5

    def generators():
        discriminator.requires_grad_(False)
        made = generator(who, features, given["noise"], fade)
        score = discriminator(who, features, made, fade)
        loss = 0.5 * ((score - 1) ** 2).mean() + _moments(made, real)
        first.zero_grad()
        loss.backward()
        first.step()
        discriminator.requires_grad_(True)

    def discriminators():
        with torch.no_grad():
            made = generator(who, features, given["noise"], fade)
        both = torch.cat([real, made])
        good, bad = discriminator(
            who.repeat(2), features.repeat(2, 1, 1), both, fade
        ).chunk(2)
        loss = 0.5 * ((good - 1) ** 2).mean() + 0.5 * (bad**2).mean()
        second.zero_grad()
        loss.backward()
        second.step()

    def turns():
        for _ in range(pairs):
            generators()
            discriminators()

    return [1e3 * seconds / pairs for seconds in _timed(turns, repeat)]


class Causal(nn.Module):
    """Two dilated causal convolutions and what they are added to."""

    def __init__(self, inputs, width, kernel, dilation):
        super().__init__()
        self.before, shape = (kernel - 1) * dilation, {"dilation": dilation}
        self.one = weight_norm(nn.Conv1d(inputs, width, kernel, **shape))
        self.two = weight_norm(nn.Conv1d(width, width, kernel, **shape))
        self.around = nn.Conv1d(inputs, width, 1) if inputs != width else nn.Identity()

    def forward(self, x):
        y = F.leaky_relu(self.one(F.pad(x, (self.before, 0))), 0.01)
        y = F.leaky_relu(self.two(F.pad(y, (self.before, 0))), 0.01)
        return y + self.around(x)


class Encoder(nn.Module):
    """Vectors `[n, out]` of windows `[n, time]`."""

    def __init__(self, config):
        super().__init__()
        widths = [1, *[config.channels] * config.blocks, config.reduced]
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.blocks = nn.Sequential(
            *[Causal(*pair, config.kernel, 2**i) for i, pair in enumerate(pairs)]
        )
        self.linear = nn.Linear(config.reduced, config.out)

    def forward(self, x):
        return self.linear(self.blocks(x[:, None]).amax(2))


class Triplets:
    """Updates of an encoder of `iclr22.psa_gan.encoder.Config`, with all windows of a kind
    of one length, so that nothing is padded."""

    def __init__(self, config):
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.config, self.encoder = config, Encoder(config)
        rate = config.learning_rate
        self.optimizer = torch.optim.Adam(self.encoder.parameters(), rate)

    def update(self, window: int, part: int, others: int) -> None:
        """One, for random windows of these lengths."""
        b, k = self.config.batch, self.config.negatives
        if window == part == others:
            vectors = self.encoder(torch.randn((2 + k) * b, window))
            one, two, far = vectors.split([b, b, k * b])
        else:
            one = self.encoder(torch.randn(b, window))
            two = self.encoder(torch.randn(b, part))
            far = self.encoder(torch.randn(b * k, others))
        far = far.view(b, k, -1)
        loss = -F.logsigmoid((one * two).sum(1)).mean()
        for near in (one, two):
            loss = loss - F.logsigmoid(-(far @ near[:, :, None])).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def step_times(self, length: int, repeat: int, steps: int = 1) -> list[float]:
        """Processor milliseconds of an update with all windows of one length."""

        def several():
            for _ in range(steps):
                self.update(length, length, length)

        return [1e3 * seconds / steps for seconds in _timed(several, repeat)]

    def epoch_seconds(self, steps: int, seed: int = 0) -> float:
        """Processor seconds of so many updates, each with lengths of its own that are
        drawn for all its windows (section 6)."""
        random, longest = np.random.default_rng(seed), self.config.longest
        part = random.integers(1, longest + 1, steps)
        window = random.integers(part, longest + 1)
        others = random.integers(1, longest + 1, steps)
        self.update(longest, longest, longest)
        began = time.process_time()
        for lengths in zip(window, part, others, strict=True):
            self.update(*map(int, lengths))
        return time.process_time() - began


def _timed(work, repeat: int) -> list[float]:
    """Processor seconds of `repeat` runs after a first one."""
    found = []
    for _ in range(repeat + 1):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return found[1:]
