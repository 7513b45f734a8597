"""Factors of new images, by a model of an earlier run, with the bands of its certificate."""

import csv
from typing import Any

import numpy as np

from experiments import run as runner
from iclr22 import checkpoint, errors
from iclr22.data import checks
from iclr22.data.factors import own_images
from iclr22.in_domain import artifact, certificate

FILE = "predictions.csv"


def check(options) -> None:
    """What is needed is there, and can be read."""
    for name, what in (("saved", "a model of an earlier run"), ("images", "images")):
        if not getattr(options, name):
            raise errors.InputError(f"--task=predict expects --{name}, {what}")
    checks.existing(options.saved, "a model")
    if options.certificate:
        checks.existing(options.certificate, "a certificate")


def predict(run: runner.Run) -> None:
    """A table with a row for each image: its factors in the user's units, and bands."""
    options = run.options
    model = artifact.load(options.saved)
    bands = _bands(options.certificate, model.grid)
    names, x = own_images.unlabelled(options.images, model.side, model.channels)
    found = model.fitted.predict(x.astype(np.float32) / 255)
    columns = {"image": list(names)}
    for place, factor in enumerate(model.grid.factors):
        columns |= _told(factor, found[:, place], bands.get(factor.name))
    with checkpoint.atomic(run.output(FILE)) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
    count = sum(
        x == "no" for k, v in columns.items() if k.endswith("_trusted") for x in v
    )
    note = f"; {count} values lie where no band was verified" if bands else ""
    run.summary = f"{len(names)} images, {len(model.grid.factors)} factors{note}."


def _bands(path: str, grid) -> dict:
    if not path:
        return {}
    found = {x.factor: x for x in certificate.read(path).bands}
    for factor in grid.factors:
        if factor.name not in found:
            raise errors.InputError(
                f"{path}: expected bands of {', '.join(grid.names)}, which the model "
                f"reads; found {', '.join(found)}"
            )
    return found


def _told(factor, values, band) -> dict[str, list[Any]]:
    """Columns of one factor: the value, and where there is a certificate the ends of the
    band and whether the value lies where it was verified."""
    number = np.clip(values, 0, 1) * (factor.size - 1)
    if factor.kind == "categorical":
        nearest = np.rint(number).astype(int)
        names: dict[str, list[Any]] = {factor.name: [factor.values[i] for i in nearest]}
        if band:
            inside = np.isin(nearest, band.inside.numbers) & band.trusted
            names[f"{factor.name}_trusted"] = _yes(inside)
        return names
    columns: dict[str, list[Any]] = {factor.name: _units(factor, values)}
    if band:
        columns[f"{factor.name}_low"] = _units(factor, values - band.half_width)
        columns[f"{factor.name}_high"] = _units(factor, values + band.half_width)
        inside = np.isin(np.rint(number).astype(int), band.inside.numbers)
        within = (values >= -0.5 / factor.size) & (values <= 1 + 0.5 / factor.size)
        columns[f"{factor.name}_trusted"] = _yes(inside & within & band.trusted)
    return columns


def _units(factor, values) -> list[float]:
    """Values on the scale 0 to 1 in the user's units; straight on beyond the ends."""
    place = np.asarray(values, np.float64) * (factor.size - 1)
    low = np.clip(np.floor(place).astype(int), 0, factor.size - 2)
    known = np.asarray(factor.values, np.float64)
    found = known[low] + (place - low) * (known[low + 1] - known[low])
    return [round(float(x), 6) for x in found]


def _yes(mask) -> list[str]:
    return ["yes" if x else "no" for x in mask]
