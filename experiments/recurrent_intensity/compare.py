"""Comparison of recurrent intensity models on one log: table, trade-offs, figures."""

import math

import jax
import numpy as np

from experiments import run as runner
from iclr22 import data, errors, progress, record
from iclr22 import recurrent_intensity as rim
from iclr22.data import events as event_lib
from iclr22.recurrent_intensity import (
    figures,
    hawkes,
    metrics,
    pipeline,
    requests,
    scores,
)

TABLE = (
    *("pop", "ema", "hawkes", "hp", "als", "bpr", "logistic_mf", "graph_conv"),
    *("rnn", "rnn_pop", "rnn_ema", "rnn_hawkes", "rnn_hp"),
    *("transformer", "transformer_hp"),
)
QUICK = ("pop", "hp", "als", "rnn", "rnn_hp")

# Figure of the released code on ML-1M, read off: items, users, precision in percent.
_ML1M = {
    "pop": (1.09, 1.72),
    "ema": (1.09, 1.93),
    "hawkes": (1.09, 2.00),
    "hp": (1.09, 2.09),
    "als": (1.41, 1.71),
    "bpr": (1.22, 1.68),
    "bpr_item": (1.24, 0.42),
    "bpr_user": (0.37, 1.22),
    "logistic_mf": (1.08, 1.57),
    "lda": (1.02, 0.33),
    "graph_conv": (1.47, 2.3),
    "graph_conv_extra": (1.80, 2.9),
    "rnn": (2.50, 1.71),
    "rnn_pop": (2.50, 3.06),
    "rnn_ema": (2.50, 3.42),
    "rnn_hawkes": (2.50, 4.67),
    "rnn_hp": (2.50, 4.70),
    "transformer": (2.58, 1.75),
    "transformer_pop": (2.58, 3.18),
    "transformer_ema": (2.58, 3.51),
    "transformer_hawkes": (2.58, 4.88),
    "transformer_hp": (2.58, 4.91),
}
CALIBRATED = ("hawkes", "hp", "true")  # activities that are expected counts
QUICK_EVENTS = 1500


def published(dataset: str, variant: str, metric: str):
    """The paper's number, or an empty string."""
    sides = ("item/precision", "user/precision")
    if dataset != "ml1m" or variant not in _ML1M or metric not in sides:
        return ""
    return _ML1M[variant][sides.index(metric)]


def load(run: runner.Run) -> data.Events:
    """The log of this run."""
    settings = run.settings
    if run.own:
        events = data.load_own_events(settings.events, unit=settings.unit)
    elif run.quick:
        rng = np.random.default_rng(0)
        events = data.get(run.dataset).synthetic(rng, QUICK_EVENTS)
    else:
        events = data.get(run.dataset).load(run.data_dir)
    if settings.second_half and not run.quick:
        events = data.second_half(events)
    found = event_lib.describe(events)
    run.facts["log"] = (
        f"{found['events']:,} events of {found['users']:,} users and {found['items']:,} "
        f"items; {100 * found['tie_rate']:.1f} % share their time with another of the "
        f"user, {100 * found['repeat_rate']:.1f} % repeat an item"
    )
    return events


def horizon_of(run: runner.Run) -> float | None:
    """What --horizon says, in seconds; None: left to the split."""
    text = run.settings.horizon
    return requests.parse_horizon(text) if text else None


def in_words(seconds: float) -> str:
    """A length of time in the unit that suits it: 14 d, 18.8 min."""
    units = [(u, s) for u, s in requests.UNITS.items() if seconds >= s and u != "w"]
    unit, size = units[-1] if units else ("s", 1.0)
    return f"{seconds / size:.4g} {unit}"


def split_of(run: runner.Run, events, seed: int) -> requests.Split:
    """The split of a run's seed; the temporal one is the same for all."""
    settings = run.settings
    least = {
        "least_history": settings.least_history,
        "least_events": settings.least_events,
    }
    horizon = horizon_of(run)
    if settings.split == "user":
        if horizon is not None:
            raise errors.InputError(
                "--horizon is for --split=temporal: the user split takes the median span "
                "of its users"
            )
        seed = seed if settings.split_seed < 0 else settings.split_seed
        return rim.user_split(events, seed, **least)
    return rim.temporal_split(events, horizon=horizon, **least)


def models_of(run: runner.Run, split, seed: int) -> pipeline.Models:
    """Models with the hyper-parameters of the flags."""
    settings, config = run.settings, run.config
    options = rim.Options(
        gru=config._replace(network="gru"),
        transformer=config._replace(
            network="transformer", learning_rate=settings.transformer_rate
        ),
        exclude=settings.exclude_train,
    )
    if run.quick:
        options = options._replace(als=options.als._replace(iterations=5))
    folder = run.workdir / "training" / f"seed-{seed}"
    return rim.Models(split, options, directory=folder, seed=seed, mode=run.mode)


def setting_of(run: runner.Run) -> str:
    """How user states and pairs were chosen, for the results."""
    settings = run.settings
    name = settings.split + f" {settings.split_seed}" * (settings.split_seed >= 0)
    return name + ", exclude_train" * settings.exclude_train


def sizes(run: runner.Run, split) -> tuple[int, int]:
    """k items per user state and c user states per item."""
    x, y = len(split.test.user), len(split.test_items)
    settings = run.settings
    k, c = settings.k or math.ceil(0.01 * y), settings.c or math.ceil(0.01 * x)
    if not (0 < k <= y and 0 < c <= x):
        raise errors.InputError(
            f"expected --k of 1 to {y} items and --c of 1 to {x} user states; found {k} "
            f"and {c}"
        )
    return k, c


def compare(run: runner.Run) -> None:
    """All variants on the test requests, trade-offs of some, figures of the first seed."""
    events = load(run)
    kept = {}
    variants = list(run.settings.variant)
    if events.truth is not None and "true" not in variants:
        variants.append("true")
    for seed in progress.track(run.seeds, "seeds"):
        split = split_of(run, events, seed)
        models = models_of(run, split, seed)
        if seed == run.seeds[0]:
            first = split
            _describe(run, split)
        for variant in progress.track(variants, f"variants, seed {seed}"):
            cell = run.cell(
                f"{variant}-{seed}",
                lambda v=variant, s=seed, m=models: _measure(run, m, v, s),
            )
            kept.setdefault(variant, cell)
        for variant in run.settings.sweep:
            run.cell(
                f"sweep-{variant}-{seed}",
                lambda v=variant, s=seed, m=models: _sweep(run, m, v, s),
            )
        run.cell(f"kernel-{seed}", lambda m=models: _kernel(m))
    _draw(run, first, kept, variants)
    run.summary = _conclusions(run)


def _describe(run, split):
    x, y = len(split.test.user), len(split.test_items)
    k, c = sizes(run, split)
    run.facts["test"] = (
        f"{x:,} user states x {y:,} items, {int(split.test_targets.sum()):,} events in a "
        f"horizon of {in_words(split.horizon)}; k = {k}, C = {c}"
    )
    if split.test_targets.sum() == 0:
        raise errors.InputError(
            "no test user has an event in the horizon: nothing can be measured. Choose a "
            "longer --horizon."
        )


def _measure(run, models, variant, seed) -> dict:
    """Rows of one variant, and what the figures need of it."""
    split = models.split
    k, c = sizes(run, split)
    targets = split.test_targets
    found = models.scores(variant, split.test, split.test_items)
    key = jax.random.key(seed)
    _, columns = scores.top_items(found, k, key=key)
    _, rows = scores.top_users(found, c, key=key)
    sides = {
        "item": metrics.item_metrics(columns, targets),
        "user": metrics.user_metrics(rows, targets),
    }
    setting = setting_of(run)
    lines = []
    for side, values in sides.items():
        measured = {
            "precision": 100 * values["precision"],
            "recall": 100 * values["recall"],
            "coverage": 100 * values[f"{side}_coverage"],
            "perplexity": values[f"{side}_perplexity"],
        }
        for quantity, value in measured.items():
            name = f"{side}/{quantity}"
            paper = published(run.dataset_name, variant, name)
            lines.append((variant, setting, seed, name, value, paper))
    if split.events.truth is not None:
        lines.append(
            (
                variant,
                setting,
                seed,
                "user/expected_precision",
                _expected(models, rows),
                "",
            )
        )
    result = {"rows": lines}
    if variant not in pipeline.COUNTS and pipeline.VARIANTS[variant][1] in CALIBRATED:
        by_user, _ = scores.expected(found._replace(seen=None))
        counts = np.asarray(targets.sum(axis=1))
        curve = metrics.calibration(np.asarray(by_user), counts)
        result |= {"calibration": np.stack(curve)}
    result["gains"] = _gains(found, targets)
    return result


def _expected(models, rows) -> float:
    """Precision that the true intensities give the chosen user states, percent."""
    split = models.split
    truth = models.scores("true", split.test, split.test_items)
    dense = scores.dense(truth)
    rows = np.asarray(rows)
    chosen = np.take_along_axis(np.asarray(dense).T, np.maximum(rows, 0), axis=1)
    return 100 * float(chosen[rows >= 0].mean())


GAIN_POINTS = 50
GAIN_ITEMS = 200  # at most, those with most targets


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
    rows, points = [], {}
    for method in ("online", "dual"):
        points[method] = rim.tradeoff(
            *(found, split.test_targets, run.settings.multipliers),
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


def _kernel(models) -> dict:
    fitted = models.activity_model("hawkes")
    return {
        "kernel": hawkes.kernel_table(fitted),
        "base": float(fitted.theta[-1]),
        "horizon": fitted.horizon,
    }


# Figures


def _draw(run, split, kept, variants):
    """Figures: the bars over all seeds, the others of the first."""
    setting = setting_of(run)
    summaries = [s for s in record.summarise(run.rows) if s.setting == setting]
    figures.precision_bars(
        run.figure("precision", "Precision of both directions, mean and interval."),
        summaries,
        products=pipeline.PRODUCTS,
        counts=pipeline.COUNTS,
    )
    first = run.seeds[0]
    sweeps = {}
    for variant in run.settings.sweep:
        cell = run.cell(f"sweep-{variant}-{first}", dict)
        for method, points in cell["points"].items():
            name = f"{variant}, {'prices of V' if method == 'online' else 'offline'}"
            sweeps[name] = points
    if sweeps:
        path = run.figure(
            "tradeoff", "Precision against perplexity as budgets change, first seed."
        )
        figures.tradeoff(path, sweeps, references=_references(split))
    names = ("expected", "realised", "error")
    curves = {
        pipeline.VARIANTS[v][1]: dict(zip(names, c["calibration"][1:], strict=True))
        for v, c in kept.items()  # a user's sum over items is the activity's
        if "calibration" in c
    }
    if curves:
        path = run.figure(
            "calibration", "Expected against realised events by decile of user states."
        )
        figures.calibration(path, curves)
    shown = [v for v in ("rnn_hp", "transformer_hp", "rnn", "ema", "pop") if v in kept]
    curves = {
        v + " (recent buyers)" * (v == "ema"): tuple(kept[v]["gains"])
        for v in shown or variants
    }
    figures.gains(
        run.figure("gains", "Conversions reached by audience lists, first seed."),
        curves,
    )
    cell = run.cell(f"kernel-{first}", dict)
    horizon = in_words(cell["horizon"])
    figures.kernel(
        run.figure("kernel", "What the Hawkes process learned."),
        cell["kernel"],
        horizon,
    )


def _references(split):
    """Perplexities of items in training and of test users' histories."""
    items = requests.item_counts(split.events, split.train)
    return tuple(
        metrics.perplexity(x) for x in (items, split.test.stop - split.test.start)
    )


def _conclusions(run):
    setting = setting_of(run)
    means = {
        (s.variant, s.metric): s.mean
        for s in record.summarise(run.rows)
        if s.setting == setting
    }
    user = {v: m for (v, metric), m in means.items() if metric == "user/precision"}
    if not user:
        return ""
    best = max(user, key=lambda v: (v != "true", user[v]))
    lines = [f"Most precise audiences: {best}, {user[best]:.2f} %."]
    for network in ("rnn", "transformer"):
        if network in user and f"{network}_hp" in user and user[network] > 0:
            ratio = user[f"{network}_hp"] / user[network]
            change = means[f"{network}_hp", "item/precision"]
            plain = means[network, "item/precision"]
            lines.append(
                f"Activity (HP) multiplies the precision of {network}'s audiences by "
                f"{ratio:.2f}; its items for users stay at {plain:.2f} % ({change:.2f} %)."
            )
    bound = means.get(("true", "user/expected_precision"))
    reached = means.get(("rnn_hp", "user/expected_precision"))
    if bound and reached:
        lines.append(
            f"rnn_hp reaches {100 * reached / bound:.1f} % of what the true intensities "
            "allow (expected precision of users for items)."
        )
    return "\n".join(lines)
