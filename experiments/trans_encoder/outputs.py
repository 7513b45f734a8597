"""Figures, files and words of a distillation."""

import numpy as np

from experiments import run as runner
from experiments.trans_encoder import paper
from experiments.trans_encoder.problem import Problem
from iclr22 import record
from iclr22 import trans_encoder as method
from iclr22.trans_encoder import figures
from iclr22.trans_encoder.artifact import Model

CHANCE = 10.0  # rank correlation in percent that students of shuffled labels stay below


def metric_of(rows) -> str:
    """What the table is ordered by: what is measured in the end, else while selecting."""
    found = {row.metric for row in rows}
    order = ("test/auc", "test/spearman", "dev/spearman", "pool/teacher")
    return next((x for x in order if x in found), "")


def draw(run: runner.Run, looks, taught) -> None:
    """Figures: scores, students while they learn, labels of the first seed."""
    metric = metric_of(run.rows)
    if metric:
        path = run.figure("headline", f"{metric} by variant, mean and 95 % interval.")
        figures.scores(path, record.summarise(run.rows), paper.ORDER, metric)
    if looks:
        path = run.figure("learning", "Students while they learn, first seed.")
        figures.learning(path, looks)
    if len(taught):
        path = run.figure("labels", "First labels of the pairs, first seed.")
        figures.histograms(path, {"labels": taught}, "labels of the first teacher")


def write_scores(run: runner.Run, found: Problem, model: Model) -> None:
    """scores.csv of the pairs that were learned."""
    pairs = found.pool
    if not run.own:
        return
    both = pairs.sentence1.tolist(), pairs.sentence2.tolist()
    columns = {"sentence1": both[0], "sentence2": both[1]}
    for way in ("bi", "cross"):
        if getattr(model, way):
            columns[way] = np.round(method.score(model, *both, by=way), 6)
    record.write_columns(run.output("scores.csv"), columns)


def conclusions(run: runner.Run) -> str:
    """What the numbers say, in words."""
    metric = metric_of(run.rows)
    by: dict[tuple, dict[int, float]] = {}
    for row in run.rows:
        if row.metric == metric:
            by.setdefault((row.setting, row.variant), {})[row.seed] = row.value
    lines = []
    for setting, variant in by:
        if variant == "start":
            lines += _against_start(by, setting)
        if variant == "shuffled" and metric.endswith("spearman"):
            most = max(map(abs, by[setting, variant].values()))
            lines.append(
                f"Students of shuffled labels ({setting}) "
                f"{'stay at chance' if most < CHANCE else 'do not stay at chance'}: at "
                f"most {most:.1f}."
            )
    if run.options.encoder:
        lines.append(
            "Encoders that were tuned with labelled pairs have seen more than unlabelled "
            "text: packaged MiniLM models were tuned on paraphrases, without STS labels."
        )
    lines += _clean(by)
    return "\n".join(lines)


def _clean(by) -> list[str]:
    """What encoders say themselves, where noise or another was the first teacher."""
    lines = []
    for (setting, variant), values in by.items():
        if variant == "start" and " itself, " in setting:
            mean = np.mean(list(values.values()))
            lines.append(
                f"The encoder that bi-encoders begin at has {mean:.1f} itself, without "
                "anything being learned from pairs."
            )
    return lines


def _against_start(by, setting) -> list[str]:
    start, lines = by[setting, "start"], []
    for variant in ("cross", "bi", "mutual_cross", "mutual_bi"):
        students = by.get((setting, variant), {})
        gains = [students[seed] - start[seed] for seed in start if seed in students]
        if not gains:
            continue
        better = sum(x > 0 for x in gains)
        means = [np.mean(list(x.values())) for x in (students, start)]
        told = "{:.1f} against {:.1f}".format(*means)
        lines.append(
            f"{variant} ({setting}) is above its teacher in {better} of {len(gains)} seeds: "
            f"{told}, {np.mean(gains):+.1f}."
        )
        if variant == "cross" and better == len(gains):
            lines.append("So the cross-encoder denoises its teacher.")
        elif variant == "cross":
            lines.append(
                "Distillation gains nothing here: the student is its teacher again, with "
                "errors of its own."
            )
    return lines
