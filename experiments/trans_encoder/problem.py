"""Pairs of a run, the encoders that learn from them, and rows of scores."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments import run as runner
from experiments.trans_encoder import paper
from iclr22 import data, errors, metrics, neighbours
from iclr22.data import texts
from iclr22.data.texts import Pairs, published
from iclr22.nn import encoders, tokens
from iclr22.nn.encoders import Encoder
from iclr22.trans_encoder import fresh, labels, pipeline, tasks

QUICK_PAIRS = 160
ALL = {"sts": "sts", "sts_sickr": "sts_sickr"}  # pools of the paper


class Problem(NamedTuple):
    """Pairs without labels, encoders, and pairs with scores.

    Attributes:
      data: what is learned from.
      pool: its pairs, some of them perhaps more than once.
      dev, test: pairs with scores; None without.
      names: of the encoders, layers times width.
    """

    data: pipeline.Data
    pool: Pairs
    dev: Pairs | None
    test: Pairs | None
    names: tuple[str, ...]


def load(run: runner.Run) -> Problem:
    """The pairs and encoders of this run.

    Raises:
      errors.InputError: what files or encoders lack.
    """
    pool, dev, test = _pairs(run)
    encoders = encoders_of(run, pool)
    if pool is None:
        pool = _paired(run, encoders[0])
    symmetric = run.options.symmetric
    task = tasks.of(pool, dev, symmetric=symmetric)
    sizes = [f"{x.config.layers}x{x.config.width}" for x in encoders]
    names = [x + f" ({k + 1})" * (sizes.index(x) < k) for k, x in enumerate(sizes)]
    found = texts.describe(pool)
    run.facts["pairs"] = (
        f"{found['pairs']:,}, {len(task.first):,} of them different, of "
        f"{found['sentences']:,} sentences; with scores "
        f"{0 if dev is None else len(dev.score):,} to select by and "
        f"{0 if test is None else len(test.score):,} to measure by"
    )
    run.facts["encoders"] = ", ".join(names)
    return Problem(pipeline.Data(task, encoders), pool, dev, test, tuple(names))


def _pairs(run: runner.Run) -> tuple[Pairs | None, Pairs | None, Pairs | None]:
    """`(pool, dev, test)`; no pool where there are single sentences."""
    options = run.options
    dev = data.load_own_pairs(options.dev, scored=True) if options.dev else None
    if run.own and options.pairs.endswith(".txt"):
        return None, dev, None
    if run.own:
        pool = data.load_own_pairs(options.pairs)
        known = ~np.isnan(pool.score)
        test = texts.select(pool, known)
        usable = known.sum() > 1 and np.ptp(test.score) > 0
        return pool, dev, test if usable else None
    if run.quick:
        random = np.random.default_rng(0)
        whole = data.get(run.dataset).synthetic(random, QUICK_PAIRS)
    else:
        whole = data.get(run.dataset).load(run.data_dir)
    if options.most and options.most < len(whole.score):
        random = np.random.default_rng(0)
        rows = random.choice(len(whole.score), options.most, replace=False)
        whole = texts.select(whole, np.sort(rows))
    test = texts.of_split(whole, texts.TEST)
    if dev is None and not run.quick and run.dataset in published.YEARS:
        dev = texts.of_split(data.get("stsb").load(run.data_dir), texts.DEV)
    if dev is None:
        dev = texts.of_split(whole, texts.DEV)
    return _pool(run, whole, dev, test), dev, test


def _pool(run, whole: Pairs, dev: Pairs, test: Pairs) -> Pairs:
    """What is learned from, without scores."""
    kind = run.options.pool
    if kind in ALL and not run.quick:
        return texts.joined(
            [data.load_pool(ALL[kind], run.data_dir), texts.pool([test])]
        )
    return texts.pool([dev, test] if kind == "scored" else [whole])


def encoders_of(run: runner.Run, pool: Pairs | None) -> tuple[Encoder, ...]:
    """Those that are named; else fresh ones, whose vocabulary is that of the pairs.

    Raises:
      errors.InputError: no encoder for single sentences; what `encoders.load` refuses.
    """
    options = run.options
    named = [x for x in (options.encoder, options.second_encoder) if x]
    if named:
        return tuple(encoders.load(x, options.vocabulary or None) for x in named)
    if pool is None:
        raise errors.InputError(
            f"{options.pairs}: to make pairs of single sentences an encoder that knows the "
            "language is needed; found none. Name one with --encoder, or give pairs (.csv)."
        )
    words = fresh.vocabulary([*pool.sentence1.tolist(), *pool.sentence2.tolist()])
    found = [fresh.encoder(words, options.width, options.layers, seed=0)]
    if "mutual" in options.variant:
        found.append(fresh.encoder(words, options.second_width, options.layers, seed=1))
    return tuple(found)


def _paired(run: runner.Run, encoder: Encoder) -> Pairs:
    """Pairs of single sentences: the nearest ones, and some at random."""
    lines = data.load_own_sentences(run.options.pairs)
    part = pipeline.part(run.options.models, encoder)
    known = tokens.encoded(part.vocabulary, lines.tolist())
    vectors = labels.embed(part.config, part.params, known)
    first, second = neighbours.pairs(
        vectors, k=run.options.near, strangers=run.options.far
    )
    return texts.make(lines[first], lines[second])


def setting_of(run: runner.Run, name: str, *, own: bool = False) -> str:
    """The start and the encoder, as a line of a table says it.

    Args:
      own: what the encoder says itself where another, or its noise, is the first teacher.
    """
    models = run.options.models
    if own:
        tuned = "contrast" if models.start == "contrast" else "encoder"
        return f"{tuned} itself, {name}"
    noise = f"noise {models.noise:g}, " if models.noise else ""
    return f"{models.start}, {noise}{name}"


Score = Callable[[list[str], list[str]], np.ndarray]  # of pairs of sentences


def rows_of(run, problem: Problem, variant: str, k: int, seed: int, score: Score):
    """Rows of one scorer: rank correlations in percent, of yes and no the area under the
    curve.

    Args:
      k: encoder whose line it is.
    """
    setting, rows = setting_of(run, problem.names[k]), []
    for split, pairs in (("test", problem.test), ("dev", problem.dev)):
        if pairs is None:
            continue
        values = measured(pairs, score)
        for quantity, value in values.items():
            metric = f"{split}/{quantity}"
            known = paper.published(run.dataset_name, variant, metric)
            rows.append((variant, setting, seed, metric, value, known))
    return [row for row in rows if np.isfinite(row[4])]


def measured(pairs: Pairs, score: Score) -> dict[str, float]:
    """How well a scorer ranks pairs."""
    found = score(pairs.sentence1.tolist(), pairs.sentence2.tolist())
    values = {"spearman": 100 * metrics.spearman(found, pairs.score)}
    if pairs.binary:
        values["auc"] = metrics.auc(found, pairs.score > 0)
    return values
