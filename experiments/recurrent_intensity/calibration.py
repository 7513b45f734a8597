"""Expected events against realised ones, in words: in total and for the best users."""

from absl import logging

from experiments import run as runner
from experiments.recurrent_intensity.problem import in_words
from iclr22 import recurrent_intensity as rim
from iclr22.recurrent_intensity import activity, metrics, pipeline

WARNING = "warning"  # a fact
NO_COUNTS = (
    "these are scores, which rank: only variants with hawkes or hp expect events"
)


def is_count(variant: str) -> bool:
    """Whether the scores of a variant are expected events."""
    return pipeline.VARIANTS[variant][1] in pipeline.CALIBRATED


def of_test(run: runner.Run, kept: dict) -> None:
    """A line of the report for each activity that expects events, from cells by variant."""
    for variant, cell in kept.items():
        name = pipeline.VARIANTS[variant][1]
        key = f"calibration of {name}"
        if "totals" in cell and key not in run.facts:
            found = metrics.Totals(**cell["totals"])
            run.facts[key] = f"in the horizon of the test, {in_turn(found)}"
            if found.is_off() and name != "true":  # that is chance
                _warn(run, f"{name}: {in_turn(found)}")


def of_now(run: runner.Run, model, events, last, realised, coming) -> None:
    """The line of a task: a horizon ago against what came, and what is expected now.

    Args:
      model: `rim.Model`; None, or of an activity that expects no events: there is no line.
      last: requests a horizon before the end.
      realised: `[x]`, their events of known items since.
      coming: requests at the end.
    """
    if model is None or not isinstance(model.activity, rim.Hawkes):
        run.facts["calibration"] = NO_COUNTS
        return
    ahead = in_words(model.horizon)
    now = activity.intensity(model.activity, coming, events)
    if not len(last.user):
        run.facts["calibration"] = (
            f"{now.sum():.4g} events expected in the coming {ahead}; no user had an event "
            "before the last horizon, to see whether that is so"
        )
        return
    then = activity.intensity(model.activity, last, events)
    found = metrics.totals(then, realised)
    line = (
        f"in the last {ahead}, {in_turn(found)}; in the coming {ahead} {now.sum():.4g} are "
        f"expected of {len(now):,} users, {now.max():.4g} of one at most"
    )
    run.facts["calibration"] = line
    if found.is_off() or metrics.is_off(now.sum(), found.realised, found.spread):
        _warn(run, line)


def in_turn(found: metrics.Totals) -> str:
    """Totals as half a sentence."""
    return (
        f"{found.expected:.4g} events expected of {found.users:,} users and "
        f"{found.realised:.4g} realised; of the {found.top:,} with the most expected "
        f"(1 %), {found.top_expected:.4g} and {found.top_realised:.4g}"
    )


def summarise(run: runner.Run) -> None:
    """Lines of calibration and warnings go to the head of the report, too."""
    for name, line in run.facts.items():
        if name.startswith("calibration"):
            run.summary += f"\n{name.capitalize()}: {line}."
    if WARNING in run.facts:
        run.summary += f"\n{run.facts[WARNING]}"


def _warn(run, line):
    text = f"Expected events are off by more than a quarter: {line}."
    logging.warning("%s", text)
    before = f"{run.facts[WARNING]}\n" if WARNING in run.facts else ""
    run.facts[WARNING] = before + text
