"""A kept model in use: vectors, scores, nearest sentences, a static encoder, a measurement."""

import pathlib
import time

import numpy as np

from experiments import run as runner
from experiments.trans_encoder import problem
from iclr22 import checkpoint, data, errors, metrics, record
from iclr22 import trans_encoder as method
from iclr22.data import texts
from iclr22.trans_encoder import artifact, figures, use
from iclr22.trans_encoder.artifact import Model


def model_of(run: runner.Run) -> Model:
    """The model that --model names, a file or the folder of a run."""
    path = pathlib.Path(run.options.model)
    return artifact.load(path / "model.npz" if path.is_dir() else path)


def embed(run: runner.Run) -> None:
    """embeddings.npy: a vector for each line."""
    model, options = model_of(run), run.options
    lines = data.load_own_sentences(options.sentences).tolist()
    by = "static" if options.with_ == "static" else "bi"
    began = time.process_time()
    vectors = method.embed(model, lines, by=by, which=options.which)
    seconds = time.process_time() - began
    path = run.output("embeddings.npy")
    with checkpoint.atomic(path) as temporary, open(temporary, "wb") as file:
        np.save(file, vectors)
    record.write_columns(run.output("sentences.csv"), {"sentence": lines})
    _row(run, by, "embed/sentences", len(lines))
    _drawn(run, {"cosines with the next line": _neighbouring(vectors)})
    run.facts["processor seconds of vectors"] = round(seconds, 2)
    run.summary = (
        f"{len(lines):,} vectors of {vectors.shape[1]} numbers by {by}, one for each line "
        "of sentences.csv."
    )


def _neighbouring(vectors) -> np.ndarray:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1), 1e-6)[:, None]
    return np.einsum("nh,nh->n", unit[1:], unit[:-1])


def score(run: runner.Run) -> None:
    """scores.csv: the pairs with a score; where they have scores, how well it ranks them."""
    model, options = model_of(run), run.options
    pairs = data.load_own_pairs(options.pairs)
    both = pairs.sentence1.tolist(), pairs.sentence2.tolist()
    by = options.with_
    found = method.score(model, *both, by=by, which=options.which)
    columns = {"sentence1": both[0], "sentence2": both[1], "score": np.round(found, 6)}
    record.write_columns(run.output("scores.csv"), columns)
    _row(run, by, "score/pairs", len(found))
    known = ~np.isnan(pairs.score)
    if known.sum() > 1 and np.ptp(pairs.score[known]) > 0:
        value = 100 * metrics.spearman(found[known], pairs.score[known])
        if np.isfinite(value):
            _row(run, by, "test/spearman", value)
    _drawn(run, {by: found})
    run.summary = f"{len(found):,} pairs scored with {by}, from {found.min():.3f} to "
    run.summary += f"{found.max():.3f}."


def mine(run: runner.Run) -> None:
    """mined.csv: of each sentence the nearest others, the best first."""
    model, options = model_of(run), run.options
    lines = data.load_own_sentences(options.sentences).tolist()
    top = min(options.top, len(lines) - 1)
    rerank = options.rerank and bool(model.cross)
    found = method.mine(model, lines, top, rerank=rerank, which=options.which)
    count = len(lines)
    first, second = np.repeat(np.arange(count), top), found.rows.ravel()
    columns = {
        "sentence": [lines[i] for i in first],
        "near": [lines[i] for i in second],
        "rank": np.tile(np.arange(1, top + 1), count),
        "cosine": np.round(found.cosines.ravel(), 6),
    }
    if found.scores is not None:
        columns["score"] = np.round(found.scores.ravel(), 6)
    record.write_columns(run.output("mined.csv"), columns)
    _row(run, "cross" if rerank else "bi", "mine/pairs", len(first))
    _drawn(run, {"nearest": found.cosines[:, 0], "all": found.cosines.ravel()})
    run.summary = f"{top} nearest of each of {count:,} sentences."


def make_static(run: runner.Run) -> None:
    """model.npz with a static encoder of the bi-encoder, learned from the lines."""
    model, options = model_of(run), run.options
    lines = data.load_own_sentences(options.sentences).tolist()
    began = time.process_time()
    table = method.distil(model, lines, which=options.which, width=options.static_width)
    learned = time.process_time() - began
    model = model._replace(static=table)
    artifact.save(run.output("model.npz"), model)
    began = time.process_time()
    method.embed(model, lines, by="static")
    speed = len(lines) / max(time.process_time() - began, 1e-9)
    random = np.random.default_rng(0)
    other = [lines[i] for i in random.permutation(len(lines))]
    ways = ("bi", "static")
    scores = {x: method.score(model, lines, other, by=x) for x in ways}
    agree = metrics.spearman(*scores.values())
    _row(run, "static", "static/sentences", len(lines))
    if np.isfinite(agree):
        _row(run, "static", "static/agreement", 100 * agree)
    _drawn(run, scores)
    run.summary = (
        f"A static encoder of {table.table.shape[1]} numbers a token, learned in "
        f"{learned:.1f} processor seconds; it reads {speed:,.0f} sentences in one, and "
        f"ranks pairs drawn at random as its bi-encoder does to {100 * agree:.1f} %."
    )


def measure(run: runner.Run) -> None:
    """Rows of a kept model on a data set with scores."""
    model = model_of(run)
    if run.quick:
        random = np.random.default_rng(0)
        whole = data.get(run.dataset).synthetic(random, problem.QUICK_PAIRS)
    else:
        whole = data.get(run.dataset).load(run.data_dir)
    pairs = texts.of_split(whole, texts.TEST)
    both, spread = (pairs.sentence1.tolist(), pairs.sentence2.tolist()), {}
    for way in use.WAYS:
        if way != "bi" and not (model.static if way == "static" else model.cross):
            continue
        values = problem.measured(pairs, _kept(spread, model, way))
        for quantity, value in values.items():
            if np.isfinite(value):
                _row(run, way, f"test/{quantity}", value)
    del both
    _drawn(run, spread)
    run.summary = f"{len(pairs.score):,} pairs, by every part of the model."


def _kept(spread, model, way):
    def score(first, second):
        spread[way] = method.score(model, first, second, by=way)
        return spread[way]

    return score


def _row(run: runner.Run, variant: str, metric: str, value) -> None:
    name = metric.replace("/", "_")
    rows = [(variant, "kept model", 0, metric, float(value), "")]
    run.cell(f"{variant}-{name}", lambda: {"rows": rows})


def _drawn(run: runner.Run, values) -> None:
    path = run.figure("scores", "How scores are spread.")
    figures.histograms(path, values, "scores")


def check(options) -> None:
    """Refuse a use without what it needs.

    Raises:
      errors.InputError: no model, or no file of sentences or pairs.
    """
    task = options.task
    if not options.model:
        raise errors.InputError(
            f"--task={task} needs --model=RUN/model.npz, what a run with --task=distil "
            "has written; found none"
        )
    if not pathlib.Path(options.model).exists():
        raise errors.InputError(f"--model: no such file or folder: {options.model}")
    needed = {"score": "pairs"} | dict.fromkeys(
        ("embed", "mine", "static"), "sentences"
    )
    name = needed.get(task, "")
    if name and not getattr(options, name):
        what = "pairs.csv" if name == "pairs" else "lines.txt"
        raise errors.InputError(f"--task={task} needs --{name}={what}; found none")
    if options.which < 0:
        raise errors.InputError(f"expected --which of 0 or more; found {options.which}")
    if options.top < 1:
        raise errors.InputError(f"expected --top of 1 or more; found {options.top}")
