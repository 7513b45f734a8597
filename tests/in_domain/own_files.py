"""Files of a user of the in-domain benchmark, small, under the names that README.md uses."""

import csv

import numpy as np

from iclr22.data.factors import simulated

COUNT = 1200  # images at least


def write(folder):
    """Images of a grid with their factors, and a model and certificate of an earlier run."""
    from PIL import Image

    data = simulated.small("mini_dsprites", COUNT)
    numbers = data.grid.numbers(data.index)
    (folder / "folder").mkdir()
    lines = [("image", *data.grid.names)]
    for place, (image, row) in enumerate(zip(data.x, numbers, strict=True)):
        name = f"{place:04d}.png"
        small = image[::2, ::2, 0]
        Image.fromarray(small).save(folder / "folder" / name)
        values = [f.values[i] for f, i in zip(data.grid.factors, row, strict=True)]
        lines.append((name, *values))
    with open(folder / "factors.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    _write_model(folder, data)


def _write_model(folder, data):
    """Of principal components, which are quickly fitted."""
    from iclr22.in_domain import artifact, certificate, pipeline, splits

    options = pipeline.Options()
    options = options._replace(readout=options.readout._replace(steps=1))
    halved = data._replace(x=data.x[:, ::2, ::2].copy(), side=data.side // 2)
    fitted = pipeline.train("pca", halved, halved.index[:64], options)
    artifact.save(folder / "model.npz", artifact.of(fitted, halved))
    rows = np.arange(len(halved.index))
    held = splits.held_out(halved, halved.index)
    found = certificate.certify(
        fitted.predict(halved.images(rows)),
        halved.grid.numbers(halved.index),
        halved.grid,
        certificate.parts(rows % 2 == 0),
        held,
    )
    found.write(folder / "certificate.json")
