r"""Time and memory of PSA-GAN.

  python -m experiments.psa_gan.benchmark              # a quarter of an hour
  python -m experiments.psa_gan.benchmark --lengths=32 --noscales
  python -m experiments.psa_gan.benchmark --nopeer

Processor time, which others on the machine change little, on one core: a turn of each player
as in training (batch 128, 414 series, `lax.scan` of 20 updates, fading in); an update of the
encoder of scores; an epoch (one window of each series) of the published encoder, batches of
8 and fewer series, with lengths of all sizes in every batch and with those of one bucket.
Then training at 1x, 4x and 16x series and lengths, each in a process of its own, with its
peak memory. Where PyTorch is installed, the same updates in it (`peer`), side by side.
"""

import importlib.util
import json
import time

import jax
import numpy as np
from absl import app, flags

from experiments import origin, updates
from experiments.benchmarks import message_passing, numbers
from iclr22 import parallel
from iclr22.data.series import simulated, windows
from iclr22.psa_gan import encoder, gan, networks, pipeline

CALLS = ((),)  # arguments of a full run
QUICK = ("--quick", "--lengths=8", "--repeat=1")
SCALING = {  # stage: windows of one process, and what is wider than in an example
    "psa_gan.gan": (2048, {"width": 32}),
    "psa_gan.encoder": (1024, {"channels": 40, "reduced": 160, "out": 80}),
    "psa_gan.contrast": (1024, {"width": 40, "out": 80}),
    "psa_gan.timegan": (2048, {"width": 24}),
    "psa_gan.forecaster": (4096, {"width": 32}),
}
SERIES, BATCH, FEATURES = 414, 128, 5  # those of M4 hourly; of the published ablations
SCAN = 20  # updates in one call, as `pipeline.train` has them
PUBLISHED = encoder.Config(
    blocks=10, longest=300, negatives=20, batch=8, learning_rate=1e-4
)
SMALL = encoder.Config(blocks=2, longest=32, negatives=2, batch=4)
EPOCH = 104  # series of an epoch: a quarter of those of M4
SCALES = ((100, 16), (400, 16), (1600, 16), (100, 64), (100, 256))  # series, length
DAYS = 42  # of a series there
FLAGS = flags.FLAGS


def drawn(length: int, size: int = BATCH) -> dict[str, np.ndarray]:
    """A batch of the game, at random."""
    rng = np.random.default_rng(0)
    return {
        "series": rng.integers(0, SERIES, size).astype(np.int32),
        "values": rng.random((size, length), np.float32),
        "known": np.ones((size, length), np.float32),
        "features": rng.random((size, length, FEATURES), np.float32) - 0.5,
        "context": np.zeros((size, 0), np.float32),
        "noise": rng.standard_normal((size, length), np.float32),
        "share": rng.random(size, np.float32),
        "weight": np.ones(size, np.float32),
    }


def pair_time(length: int, repeat: int) -> float:
    """Median processor milliseconds of one turn of each player."""
    depth = networks.depth_of(length)
    config = gan.Config(series=SERIES, depth=depth, length=length, warmup_turns=0)
    of = updates.started(gan, config, [drawn(length)] * SCAN, SCAN)
    _, found, _ = updates.timed(*of, repeat)
    return 1e3 * float(np.median(found)) / (SCAN / 2)


def triplets(config: encoder.Config, size: int) -> dict[str, np.ndarray]:
    """A batch of the encoder with all windows as long as a bucket."""
    rng, shape = np.random.default_rng(0), (config.batch, 2 + config.negatives)
    values = rng.random((*shape, config.longest), np.float32)
    values[..., : config.longest - size] = 0
    lengths = np.full(shape, size, np.int32)
    weight = np.ones(config.batch, np.float32)
    return {"windows": values, "lengths": lengths, "weight": weight}


def bucket_times(config: encoder.Config, sizes, repeat: int) -> dict[int, float]:
    """Median processor seconds of an update with windows of these lengths."""
    step, state, batch = updates.started(encoder, config, [triplets(config, sizes[0])])
    times = {}
    for i, size in enumerate(sizes):
        if i:
            batch = parallel.shard(parallel.devices("jit"), triplets(config, size))
        _, found, state = updates.timed(step, state, batch, repeat)
        times[size] = float(np.median(found))
    return times


def epochs(config: encoder.Config, series: int, repeat: int) -> dict[str, float]:
    """Processor seconds of an epoch by how lengths are drawn: expected ones of buckets; of
    uniform lengths the longest window of a batch is hardly ever in a lower bucket."""
    sizes = encoder.buckets(config.longest)
    times, steps = bucket_times(config, sizes, repeat), series // config.batch
    odds = 1 / np.array(sizes)  # as `encoder.Triplets` draws them
    mean = np.average([times[size] for size in sizes], weights=odds)
    return {"buckets": steps * float(mean), "uniform": steps * times[config.longest]}


def training(series: int, length: int, repeat: int) -> dict[str, float]:
    """Seconds to prepare a panel, milliseconds of a turn of each player with its batches,
    and peak memory of this process [GiB]."""
    began = time.process_time()
    panel = simulated.loads(series=series, days=DAYS)
    made, began = time.process_time() - began, time.process_time()
    gan_ = gan.Config(length=length, warmup_turns=0)
    config = pipeline.config_of(pipeline.Options(gan=gan_), panel)
    batches = pipeline.games(windows.scale(panel), config, 0)
    prepared = time.process_time() - began
    began = time.process_time()
    found = [batches(step) for step in range(SCAN)]
    drawing = time.process_time() - began
    of = updates.started(gan, config, found, SCAN)
    _, times, _ = updates.timed(*of, repeat)
    pair = 1e3 * (float(np.median(times)) + drawing) / (SCAN / 2)
    return {"panel": made, "prepare": prepared, "pair": pair, "peak": peak()}


def peak() -> float:
    """Peak memory in GiB, of the device, or of this process where that has none."""
    stats = jax.local_devices()[0].memory_stats()
    return stats["peak_bytes_in_use"] / 2**30 if stats else message_passing.peak()


def of_the_game(peer, repeat: int) -> list[numbers.Number]:
    """Turns by length."""
    found = []
    for length in map(int, FLAGS.lengths):
        ours, beside = pair_time(length, repeat), None
        if peer:
            beside = float(np.median(peer.pair_times(drawn(length), SERIES, repeat)))
        size = f"batch {BATCH}, length {length}"
        found += numbers.told("turn of each player", ours, "ms", size, beside)
    return found


def of_the_encoder(peer, repeat: int) -> list[numbers.Number]:
    """The usual update, and epochs of the published configuration."""
    usual, published = encoder.Config(), PUBLISHED
    if FLAGS.quick:
        usual = published = SMALL
    length = usual.longest
    ours, beside = bucket_times(usual, [length], repeat)[length], None
    if peer:
        beside = float(np.median(peer.Triplets(usual).step_times(length, repeat)))
    size = f"batch {usual.batch}, length {length}"
    found = numbers.told("update of the encoder", 1e3 * ours, "ms", size, beside)
    series = 4 if FLAGS.quick else EPOCH
    times = epochs(published, series, max(1, repeat // 3))
    if peer:
        beside = peer.Triplets(published).epoch_seconds(series // published.batch)
    size = f"{series} series, to {published.longest}"
    for name, seconds in times.items():
        found += numbers.told(f"epoch, {name}", seconds, "s", size, beside)
    factor = times["uniform"] / times["buckets"]
    return found + numbers.told("epoch, uniform over buckets", factor, "times", size)


def of_scales(repeat: int) -> list[numbers.Number]:
    """Training at several numbers of series and lengths."""
    found = []
    for series, length in SCALES[:1] if FLAGS.quick else SCALES:
        size = f"{series} series, length {length}"
        words = f"--child={series},{length}", f"--repeat={repeat}"
        child = numbers.in_child("experiments.psa_gan.benchmark", *words)
        for what, value in child.items():
            unit = {"pair": "ms", "peak": "GiB"}.get(what, "s")
            found += numbers.told(f"training, {what}", value, unit, size)
    return found


def main(argv) -> None:
    """Print a table."""
    del argv
    if FLAGS.one_core:
        numbers.on_one_core()
    if FLAGS.child:
        series, length = map(int, FLAGS.child)
        return print(json.dumps(training(series, length, FLAGS.repeat)))
    peer = importlib.import_module("experiments.psa_gan.peer") if FLAGS.peer else None
    print(f"{origin.device()}{', one used' * FLAGS.one_core}; processor time")
    numbers.write(of_the_game(peer, FLAGS.repeat))
    numbers.write(of_the_encoder(peer, FLAGS.repeat))
    if FLAGS.scales:
        numbers.write(of_scales(FLAGS.repeat))


if __name__ == "__main__":
    there = importlib.util.find_spec("torch") is not None
    flags.DEFINE_bool("quick", False, "small sizes, to see that it works")
    flags.DEFINE_list("lengths", ["8", "16", "32", "64", "128"], "of windows")
    flags.DEFINE_integer("repeat", 5, "timed rounds", lower_bound=1)
    flags.DEFINE_bool("peer", there, "beside it PyTorch, one thread")
    flags.DEFINE_bool("one_core", True, "use one core alone")
    flags.DEFINE_bool("scales", True, "also time and memory at 1x, 4x, 16x")
    flags.DEFINE_list("child", [], "internal: series, length")
    numbers.define_flags()
    app.run(main)
