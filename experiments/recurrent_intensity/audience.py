"""Whom to tell about an item: the users of whom most events of it are expected."""

import jax
import numpy as np

from experiments import run as runner
from experiments.recurrent_intensity.now import now
from iclr22 import plots, record
from iclr22.recurrent_intensity import ranking, scores

LARGEST = 10  # items, if none is named


def audience(run: runner.Run) -> None:
    """audience.csv: for each item the users of whom most events are expected."""
    options = run.options
    asked = now(run)
    columns = asked.columns(options.items) if options.items else None
    found = asked.scores(columns)
    if columns is None:
        _, total = scores.expected(found)
        columns = np.argsort(-np.asarray(total), kind="stable")[:LARGEST]
        found = scores.take_columns(found, columns)
    names = asked.items[columns]
    top = min(options.top, len(asked.given.user))
    values, rows = map(np.asarray, ranking.top_users(found, top, key=jax.random.key(0)))
    lines, totals = [], []
    for name, value, row in zip(names, values, rows, strict=True):
        value, row = value[row >= 0], row[row >= 0]
        users = asked.events.user_names[asked.given.user[row]]
        for rank, (user, expected) in enumerate(zip(users, value, strict=True), 1):
            lines.append((name, rank, user, f"{expected:.6g}"))
        totals.append((name, len(row), f"{value.sum():.6g}"))
    head = ("item", "rank", "user", asked.value)
    record.write_csv(run.output("audience.csv"), head, lines)
    record.write_csv(run.output("items.csv"), ("item", "users", asked.value), totals)
    _draw(run, names, values, rows)
    run.summary = (
        f"audience.csv: the {top} users of each of {len(names)} items with the "
        f"{asked.most} by {options.model}; items.csv sums them up."
    )


def _draw(run, names, values, rows):
    path = run.figure("audience", "Expected events against the length of the list.")
    with plots.figure(path, width=5.5, height=3.5) as axis:
        for name, value, row in zip(names, values, rows, strict=True):
            value = np.where(row >= 0, value, 0.0)
            length = np.arange(1, len(value) + 1)
            axis.plot(length, np.cumsum(value), lw=1.2, label=str(name))
        axis.set_xlabel("users told, best first")
        axis.set_ylabel("expected events")
        axis.set_title("audiences")
        axis.legend(fontsize=6, ncols=2)
