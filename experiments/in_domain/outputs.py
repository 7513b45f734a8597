"""Figures, tables and words of a comparison."""

import csv
import functools

import numpy as np

from experiments import run as runner
from experiments.in_domain import paper
from iclr22 import checkpoint, errors
from iclr22.data.factors import FactorImages
from iclr22.in_domain import (
    certificate_figures,
    certificate_files,
    evaluating,
    figures,
    generalisation,
    splits,
)

TEST = "test/r_squared"


def write(run: runner.Run, images: FactorImages) -> None:
    """What a run leaves. The certificate and the figures of one model are those of the first
    model, on the last split, of the first seed: nothing is chosen by a test."""
    table = of_rows(run.rows)
    path = run.figure("headline", "R2 of every model on every split, mean over seeds.")
    figures.heat_map(path, table)
    path = run.figure("splits", "R2 of every seed (points) and mean (lines).")
    figures.main_plot(path, table)
    path = run.figure("ranks", "Rank of every model on each split.")
    models = {k: v for k, v in table.items() if k not in paper.ORACLES}
    figures.ranks(path, models)
    _table(run, table)
    histograms = {
        split: run.cell(f"oracles-{split}-{run.seeds[0]}", dict)["histogram"]
        for split in run.options.split
    }
    path = run.figure("outside", "Factors of test images that training has not seen.")
    figures.histogram(path, histograms)
    model, seed = run.options.model[0], run.seeds[0]
    found = _certificate(run, images, model, run.options.split[-1], seed)
    _of_one(run, images, model, seed, found)
    run.summary = "\n".join(
        [*_told(models, run.options.split), *(x.verdict for x in found.bands)]
    )
    run.refused = _refused(run, found)


def of_rows(rows) -> figures.Table:
    """R2 of each seed by model and split."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        if row.metric == TEST:
            found.setdefault(row.variant, {}).setdefault(row.setting, []).append(
                row.value
            )
    order = {name: place for place, name in enumerate(paper.MODELS)}
    return {k: found[k] for k in sorted(found, key=lambda x: order.get(x, len(order)))}


def _table(run: runner.Run, table) -> None:
    """`ranks.csv`: mean R2 and rank of each model on each split."""
    with checkpoint.atomic(run.output("ranks.csv")) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("model", "split", "r_squared", "rank"))
            for split in run.options.split:
                for name, rank in figures.rank_of(table, split).items():
                    mean = float(np.mean(table[name][split]))
                    writer.writerow((name, split, round(mean, 6), rank))


def _of_one(run: runner.Run, images: FactorImages, model, seed, certified) -> None:
    """Figures of one model on the last split, and the page about it on all of them."""
    reports = {s: _report(run, images, model, s, seed) for s in run.options.split}
    split, last = list(reports.items())[-1]
    what = f"{model}, {split}"
    path = run.figure("curves", f"Where predictions go: {what}.")
    figures.predictions(path, last)
    if np.isfinite(last.modularity.ood).any():
        path = run.figure("modularity", f"One factor out of distribution: {what}.")
        figures.modularity(path, last)
    page = generalisation.write(
        run.path("generalisation"),
        reports,
        certificate=certified,
        images={
            k: functools.partial(_shown, images, x.index) for k, x in reports.items()
        },
        title=f"How far {model} generalises on {run.dataset_name}",
    )
    run.output(f"generalisation/{page.name}")


def _report(run: runner.Run, images: FactorImages, model, split, seed):
    cell = run.cell(f"{model}-{split}-{seed}", dict)
    train, _ = splits.make_split(images, split, seed=seed)
    return evaluating.analysed(
        np.asarray(cell["predictions"]),
        images.grid,
        train,
        np.asarray(cell["index"]),
        split=split,
    )


def _shown(images, points, rows):
    return images.images(evaluating.rows_of(images, points[rows]))


def _certificate(run: runner.Run, images: FactorImages, model, split, seed):
    """`certificate.json` and its picture."""
    place = run.path("certificates") / f"{model}-{split}-{seed}.json"
    found = certificate_files.read(place)
    found.write(run.output("certificate.json"))
    path = run.figure("certificate", f"Where bands hold: {model}, {split}.")
    certificate_figures.picture(path, found, images.grid)
    return found


def _told(table, splits_) -> list[str]:
    """The best models of each split in words."""
    lines = []
    for split in splits_:
        order = figures.rank_of(table, split)
        told = ", ".join(f"{name} {np.mean(table[name][split]):.3f}" for name in order)
        lines.append(f"R2, {split}: {told}.")
    return lines


def _refused(run: runner.Run, found: certificate_files.Certificate) -> str:
    """Which ranges that must be trusted are not; empty if all are."""
    if not run.options.require:
        return ""
    wanted = required(run.options.require)
    missing = certificate_files.gate(found, require=wanted)
    return "not certified: " + "; ".join(missing) if missing else ""


def required(words) -> dict[str, tuple]:
    """Ranges by factor of words such as `x=0:0.6`, or names such as `shape=square:heart`.

    Raises:
      errors.InputError: words of another form.
    """
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        parts = value.split(":")
        if not sign or not all(parts):
            raise errors.InputError(
                f"--require: expected factor=low:high, such as x=0:0.6; found {word!r}"
            )
        try:
            found[name] = tuple(float(x) for x in parts)
        except ValueError:
            found[name] = tuple(parts)
    return found
