"""Comparison of recurrent intensity models on one log: the table and trade-offs."""

from typing import Any

import jax
import numpy as np
from absl import logging

from experiments import run as runner
from experiments.recurrent_intensity import calibration, outputs, paper
from experiments.recurrent_intensity.problem import (
    in_words,
    load,
    models_of,
    setting_of,
    sizes,
    split_of,
)
from iclr22 import errors, progress
from iclr22 import recurrent_intensity as rim
from iclr22.recurrent_intensity import hawkes, metrics, ranking, scores

GAIN_POINTS = 50
GAIN_ITEMS = 200  # at most, those with most targets


def compare(run: runner.Run) -> None:
    """All variants on the test requests, trade-offs of some, figures of the first seed."""
    events = load(run)
    kept = {}
    variants, sweep = list(run.options.variant), run.options.sweep
    if events.truth is not None and "true" not in variants:
        variants.append("true")
    first = split_of(run, events, run.seeds[0])
    _describe(run, first)
    for seed in progress.track(run.seeds, "seeds"):
        split = first if seed == run.seeds[0] else split_of(run, events, seed)
        models = models_of(run, split, seed, (*variants, *sweep))
        for variant in progress.track(variants, f"variants, seed {seed}"):
            cell = run.cell(
                f"{variant}-{seed}",
                lambda v=variant, s=seed, m=models: _measure(run, m, v, s),
            )
            kept.setdefault(variant, cell)
        for variant in sweep:
            run.cell(
                f"sweep-{variant}-{seed}",
                lambda v=variant, s=seed, m=models: _sweep(run, m, v, s),
            )
        run.cell(f"kernel-{seed}", lambda m=models: _kernel(m))
    calibration.of_test(run, kept)
    outputs.draw(run, first, kept, variants)
    run.summary = outputs.conclusions(run)


def _describe(run, split):
    x, y = len(split.test.user), len(split.test_items)
    k, c = sizes(run, split)
    run.facts["test"] = (
        f"{x:,} user states x {y:,} items, {int(split.test_targets.sum()):,} events in a "
        f"horizon of {in_words(split.horizon)}; k = {k}, C = {c}"
    )
    total, pairs = split.test_targets.sum(), split.test_targets.nnz
    if total > pairs:
        run.facts["precision"] = (
            "events per recommendation, the paper's: "
            f"{100 * (1 - pairs / total):.1f} % of the events of the test repeat another of "
            "their user and item, and all count, so 100 % can be passed; pair_precision, the "
            "share of recommendations with an event, counts them once"
        )
    if total == 0:
        raise errors.InputError(
            "no test user has an event in the horizon: nothing can be measured. Choose a "
            "longer --horizon."
        )


def _measure(run, models, variant, seed) -> dict:
    """Rows of one variant, and what the figures need of it."""
    split = models.split
    k, c = sizes(run, split)
    targets, setting = split.test_targets, setting_of(run)
    found = models.scores(variant, split.test, split.test_items)
    key = jax.random.key(seed)
    _, columns = ranking.top_items(found, k, key=key)
    _, rows = ranking.top_users(found, c, key=key)
    lines = []
    for name, value in _precisions(columns, rows, targets):
        known = paper.published(run.dataset_name, variant, name)
        lines.append((variant, setting, seed, name, value, known))
    if split.events.truth is not None:
        value = _expected(models, rows)
        lines.append((variant, setting, seed, "user/expected_precision", value, ""))
    result: dict[str, Any] = {"rows": lines}
    if calibration.is_count(variant):
        by_user, _ = scores.expected(found._replace(seen=None))
        counts = np.asarray(targets.sum(axis=1))
        curve = metrics.calibration(np.asarray(by_user), counts)
        result |= {"calibration": np.stack(curve)}
        result |= {"totals": metrics.totals(by_user, counts)._asdict()}
    result["gains"] = _gains(found, targets)
    return result


def _precisions(columns, rows, targets):
    """Names and values of both directions, in the order of the table."""
    sides = {
        "item": metrics.item_metrics(columns, targets),
        "user": metrics.user_metrics(rows, targets),
    }
    for side, values in sides.items():
        yield f"{side}/precision", 100 * values["precision"]
        yield f"{side}/pair_precision", 100 * values["pair_precision"]
        yield f"{side}/recall", 100 * values["recall"]
        yield f"{side}/coverage", 100 * values[f"{side}_coverage"]
        yield f"{side}/perplexity", values[f"{side}_perplexity"]


def _expected(models, rows) -> float:
    """Events per chosen user state that the true intensities expect, percent."""
    split = models.split
    truth = models.scores("true", split.test, split.test_items)
    dense = scores.dense(truth)
    rows = np.asarray(rows)
    chosen = np.take_along_axis(np.asarray(dense).T, np.maximum(rows, 0), axis=1)
    return 100 * float(chosen[rows >= 0].mean())


def _gains(found, targets):
    """Share of conversions reached by the share of users contacted per item, the mean
    over the items with most conversions weighted by them, `[2, points]`."""
    totals = np.asarray(targets.sum(axis=0))
    items = np.argsort(-totals, kind="stable")[:GAIN_ITEMS]
    items = items[totals[items] > 0]
    block = np.asarray(scores.dense(scores.take_columns(found, items)))
    hits = targets[:, items].toarray()
    curves = [
        metrics.gains(block[:, i], hits[:, i], GAIN_POINTS) for i in range(len(items))
    ]
    if not curves:
        return np.zeros((2, 0))
    weight = totals[items] / totals[items].sum()
    return np.stack([curves[0].share, weight @ [curve.gained for curve in curves]])


def _sweep(run, models, variant, seed) -> dict:
    """Trade-offs by prices learned on V, and on the test states themselves."""
    split, setting = models.split, setting_of(run)
    k, c = sizes(run, split)
    found = models.scores(variant, split.test, split.test_items)
    valid = models.scores(variant, split.valid, split.test_items)
    multipliers = _possible(run, split, k, c)
    rows, points = [], {}
    for method in ("online", "dual"):
        points[method] = rim.tradeoff(
            found,
            split.test_targets,
            multipliers,
            k=k,
            c=c,
            method=method,
            valid=valid,
            key=jax.random.key(seed),
        )
        for point in points[method]:
            side = "item" if point["multiplier"] <= 1 else "user"
            where = f"{setting}, {method} m={point['multiplier']:g}"
            for name, factor in (("precision", 100), (f"{side}_perplexity", 1)):
                quantity = f"{side}/{name.rpartition('_')[2]}"
                value = factor * point[name]
                rows.append((variant, where, seed, quantity, value, ""))
    return {"rows": rows, "points": points}


def _possible(run, split, k, c) -> list[float]:
    """Multipliers whose lower bounds can be met: on few users items ask for too many."""
    x, y = len(split.test.user), len(split.test_items)
    found = [m for m in run.options.multipliers if m >= 1 or y * c * m <= x * k]
    for m in sorted(set(run.options.multipliers) - set(found)):
        logging.warning(
            "no trade-off at multiplier %g: %d items would have more users than the %d "
            "user states allow",
            m,
            y,
            x,
        )
    return found


def _kernel(models) -> dict:
    fitted = models.activity_model("hawkes")
    assert isinstance(fitted, hawkes.Hawkes)
    return {
        "kernel": hawkes.kernel_table(fitted),
        "base": float(fitted.theta[-1]),
        "horizon": fitted.horizon,
    }
