"""Files of a user of GRDA, small, under the names that README.md uses."""

import csv

import numpy as np

DOMAINS, SAMPLES = 6, 10


def write(folder):
    """Samples of domains on a ring, two of them without labels; later ones of all."""
    rng = np.random.default_rng(0)
    _samples(folder / "samples.csv", rng, known=DOMAINS - 2)
    _samples(folder / "new.csv", rng, known=0)
    ring = [[f"d{i}", f"d{(i + 1) % DOMAINS}"] for i in range(DOMAINS)]
    _table(folder / "edges.csv", ["source", "target"], ring)


def _samples(path, rng, known):
    rows = []
    for domain in range(DOMAINS):
        for i in range(SAMPLES):
            label = i % 2
            angle = domain / DOMAINS + np.pi * label
            values = [np.cos(angle), np.sin(angle)] + 0.1 * rng.normal(size=2)
            shown = ("no", "yes")[label] if domain < known else ""
            rows.append([f"d{domain}", shown, *np.round(values, 3)])
    _table(path, ["domain", "label", "a", "b"], rows)


def _table(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
