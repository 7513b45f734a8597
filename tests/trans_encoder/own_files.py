"""Files of a user of Trans-Encoder, small, under the names that README.md uses."""

import csv

from iclr22.data.texts import simulated
from iclr22.nn import bert
from iclr22.trans_encoder import fresh


def write(folder):
    """Pairs, some with scores; pairs to select by; single sentences; two encoders."""
    pairs = simulated.generate(3, pairs=40)
    rows = list(zip(pairs.sentence1, pairs.sentence2, pairs.score, strict=True))
    some = [(a, b, f"{x:.3f}" if i < 30 else "") for i, (a, b, x) in enumerate(rows)]
    _table(folder / "pairs.csv", some)
    _table(folder / "dev.csv", [(a, b, f"{x:.3f}") for a, b, x in rows[:20]])
    lines = dict.fromkeys([a for a, _, _ in rows][:25])
    (folder / "lines.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, width in (("bert", 16), ("other", 32)):
        one = fresh.encoder(simulated.vocabulary(), width, 1)
        bert.save(folder / name, one.config, one.params, one.vocabulary)


def _table(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("sentence1", "sentence2", "score"), *rows])
