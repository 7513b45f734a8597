r"""Time and memory of Trans-Encoder.

  python -m experiments.trans_encoder.benchmark              # ten minutes
  python -m experiments.trans_encoder.benchmark --layers=3 --noscales
  python -m experiments.trans_encoder.benchmark --nopeer

Processor time, which others on the machine change little, on one core, of an encoder as large
as MiniLM with random weights: compiling and one update of the cross-encoder (32 pairs of 32
tokens) and of the bi-encoder (64 pairs of 16), encoding. Then 1x, 4x and 16x sentences, each
in a process of its own with its peak memory: vectors of a static encoder, and the ten nearest
of each sentence among all. Where PyTorch is installed, the same updates in it, side by side.
"""

import functools
import importlib
import importlib.util
import time

import jax
import numpy as np
from absl import app, flags

from experiments import updates
from experiments.benchmarks import message_passing, numbers
from iclr22 import neighbours
from iclr22.nn import bert, tokens
from iclr22.trans_encoder import bi_encoder, cross_encoder, labels, samples, static

MODULE = "experiments.trans_encoder.benchmark"
CALLS = ((),)  # arguments of a full run
QUICK = ("--quick", "--layers=1", "--repeat=1")
WIDER = {"bert": samples.CONFIG._replace(width=128, heads=8, inner=512)}
SCALING = {  # stage: examples of one process, and what is wider than in an example
    "trans_encoder.bi_encoder": (256, WIDER),
    "trans_encoder.cross_encoder": (256, WIDER),
    "trans_encoder.contrastive": (256, WIDER),
    "trans_encoder.tsdae": (256, WIDER),
}
SMALL = bert.Config(vocabulary=200, width=32, heads=2, inner=64)
BASE = 6250  # sentences at 1x
WORDS = 12  # of a sentence there, without special tokens
WIDTH, TABLE = 384, 256  # of vectors that are mined, of static ones
NEAREST = 10
FLAGS = flags.FLAGS


def config_of(layers: int, quick: bool) -> bert.Config:
    """Sizes of MiniLM, or tiny ones."""
    return (SMALL if quick else bert.Config())._replace(layers=layers)


def batch_of(config: bert.Config, size: int, width: int, *, together: bool):
    """A batch of random tokens without padding."""
    random = np.random.default_rng(0)
    shape = (size, width) if together else (size, 2, width)
    batch = {
        "ids": random.integers(5, config.vocabulary, shape).astype(np.int32),
        "lengths": np.full(shape[:-1], width, np.int32),
        "label": random.random(size).astype(np.float32),
        "weight": np.ones(size, np.float32),
    }
    return batch | {"first": np.full(size, width // 2, np.int32)} if together else batch


def update_times(stage, config, batch, repeat: int) -> tuple[float, float]:
    """Processor seconds of compiling, and the median of an update."""
    of = updates.started(stage, config, [batch])
    first, times, _ = updates.timed(*of, repeat)
    usual = float(np.median(times))
    return first - usual, usual


def encoding(config: bert.Config, count: int) -> float:
    """Sentences of sixteen tokens that are encoded in a processor second."""
    drawn = jax.jit(functools.partial(bert.init, config))(jax.random.key(0))
    random = np.random.default_rng(0)
    rows = random.integers(5, config.vocabulary, (count, 14)).tolist()
    texts, of = tokens.of(rows, 2, 3), bi_encoder.Config(config, tokens=16)
    labels.embed(of, drawn, texts, np.arange(labels.CHUNK))
    began = time.process_time()
    labels.embed(of, drawn, texts)
    return count / (time.process_time() - began)


def scale(count: int) -> dict[str, float]:
    """At so many sentences: static sentences in a processor second, seconds to find the
    nearest of all, peak memory [GiB]."""
    random = np.random.default_rng(0)
    rows = random.integers(5, 30_000, (count, WORDS)).tolist()
    texts = tokens.of(rows, 2, 3)
    table = random.standard_normal((30_522, TABLE)).astype(np.float32)
    one = static.mean(table, tuple(map(str, range(len(table)))))
    began = time.process_time()
    static.embed(one, texts)
    speed = count / (time.process_time() - began)
    vectors = random.standard_normal((count, WIDTH)).astype(np.float32)
    began = time.process_time()
    neighbours.nearest(vectors, NEAREST)
    found = {"static": speed, "nearest": time.process_time() - began}
    return found | {"peak": message_passing.peak()}


def of_updates(peer, repeat: int) -> list[numbers.Number]:
    """Both stages, and encoding."""
    config, found = config_of(FLAGS.layers, FLAGS.quick), []
    for name, stage, size, width in (
        ("cross-encoder", cross_encoder, 32, 32),
        ("bi-encoder", bi_encoder, 64, 16),
    ):
        together = stage is cross_encoder
        batch = batch_of(config, size, width, together=together)
        used = stage.Config(bert=config, steps=100)
        compiling, ours = update_times(stage, used, batch, repeat)
        beside = None
        if peer:
            beside = size / peer.update_time(config, batch, repeat)
        what = f"{config.layers} layers, {size} pairs of {width}"
        found += numbers.told(f"{name}, compiling", compiling, "s", what)
        found += numbers.told(
            f"{name}, pairs a second", size / ours, "1/s", what, beside
        )
    count = 256 if FLAGS.quick else 1024
    beside = peer.encoding(config, count) if peer else None
    what = f"{config.layers} layers, 16 tokens"
    ours = encoding(config, count)
    return found + numbers.told(
        "encoding, sentences a second", ours, "1/s", what, beside
    )


def of_scales() -> list[numbers.Number]:
    """Static vectors and nearest sentences at several sizes."""
    found, scales = [], []
    factors = (1,) if FLAGS.quick else (1, 4, 16)
    for times in factors:
        count = (BASE // 25 if FLAGS.quick else BASE) * times
        values = numbers.in_child(MODULE, f"--child={count}")
        scales.append(values)
        size = f"{times}x, {count:,} sentences"
        found += numbers.told(
            "static, sentences a second", values["static"], "1/s", size
        )
        found += numbers.told(
            f"{NEAREST} nearest of each", values["nearest"], "s", size
        )
        found += numbers.told("peak memory of both", values["peak"], "GiB", size)
    return found + numbers.growth(factors, scales)


def main(argv) -> None:
    """Print a table."""
    del argv
    if not numbers.began(scale):
        return
    peer = None
    if FLAGS.peer:
        peer = importlib.import_module("experiments.torch_bert")
    numbers.write(of_updates(peer, FLAGS.repeat))
    if FLAGS.scales:
        numbers.write(of_scales())


if __name__ == "__main__":
    there = importlib.util.find_spec("torch") is not None
    flags.DEFINE_bool("quick", False, "small sizes, to see that it works")
    flags.DEFINE_integer("layers", 6, "of the encoder", lower_bound=1)
    flags.DEFINE_integer("repeat", 5, "timed updates", lower_bound=1)
    flags.DEFINE_bool("peer", there, "beside it PyTorch, one thread")
    flags.DEFINE_bool("one_core", True, "use one core alone")
    flags.DEFINE_bool("scales", True, "also at 1x, 4x, 16x sentences")
    flags.DEFINE_integer("child", 0, "internal: sentences")
    numbers.define_flags()
    app.run(main)
