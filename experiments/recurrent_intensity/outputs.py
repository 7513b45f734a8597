"""Figures and words of a comparison of recurrent intensity models."""

from experiments import run as runner
from experiments.recurrent_intensity.problem import in_words, setting_of
from iclr22 import record
from iclr22.recurrent_intensity import figures, metrics, pipeline, requests


def draw(run: runner.Run, split, kept, variants) -> None:
    """Figures of a comparison: the bars over all seeds, the others of the first.

    Args:
      kept: cells of the first seed by variant.
    """
    setting = setting_of(run)
    summaries = [s for s in record.summarise(run.rows) if s.setting == setting]
    figures.precision_bars(
        run.figure(
            "precision", "Events per recommendation, both ways, mean and interval."
        ),
        summaries,
        products=pipeline.PRODUCTS,
        counts=pipeline.COUNTS,
    )
    _draw_tradeoff(run, split)
    _draw_calibration(run, kept)
    shown = [v for v in ("rnn_hp", "transformer_hp", "rnn", "ema", "pop") if v in kept]
    curves = {
        "ema (recent buyers)" if v == "ema" else v: tuple(kept[v]["gains"])
        for v in shown or variants
    }
    path = run.figure("gains", "Conversions reached by audience lists, first seed.")
    figures.gains(path, curves)
    cell = run.cell(f"kernel-{run.seeds[0]}", dict)
    path = run.figure("kernel", "What the Hawkes process learned.")
    figures.kernel(path, cell["kernel"], in_words(cell["horizon"]))


def _draw_tradeoff(run, split):
    sweeps = {}
    for variant in run.options.sweep:
        cell = run.cell(f"sweep-{variant}-{run.seeds[0]}", dict)
        for method, points in cell["points"].items():
            name = f"{variant}, {'prices of V' if method == 'online' else 'offline'}"
            sweeps[name] = points
    if sweeps:
        path = run.figure(
            "tradeoff",
            "Events per recommendation against perplexity as budgets change, first seed.",
        )
        figures.tradeoff(path, sweeps, references=_references(split))


def _draw_calibration(run, kept):
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


def _references(split):
    """Perplexities of items in training and of test users' histories."""
    items = requests.item_counts(split.events, split.train)
    return tuple(
        metrics.perplexity(x) for x in (items, split.test.stop - split.test.start)
    )


def conclusions(run: runner.Run) -> str:
    """What the means over seeds say, in words."""
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
    lines = [
        f"Best audiences: {best}, {user[best]:.2f} events per 100 users told of an item "
        "(repeats count)."
    ]
    if (best, "user/pair_precision") in means:  # not in cells of an older version
        once = means[best, "user/pair_precision"]
        lines.append(f"Of the users told {once:.2f} % had one (pair precision).")
    for network in ("rnn", "transformer"):
        if network in user and f"{network}_hp" in user and user[network] > 0:
            ratio = user[f"{network}_hp"] / user[network]
            change = means[f"{network}_hp", "item/precision"]
            plain = means[network, "item/precision"]
            lines.append(
                f"Activity (HP) multiplies the events of {network}'s audiences by "
                f"{ratio:.2f}; its items for users stay at {plain:.2f} events per 100 "
                f"recommendations ({change:.2f})."
            )
    bound = means.get(("true", "user/expected_precision"))
    reached = means.get(("rnn_hp", "user/expected_precision"))
    if bound and reached:
        lines.append(
            f"rnn_hp reaches {100 * reached / bound:.1f} % of what the true intensities "
            "allow (expected events of users told of items)."
        )
    return "\n".join(lines)
