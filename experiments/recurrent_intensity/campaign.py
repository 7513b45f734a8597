"""Whom to tell about what under budgets, and prices to decide for users who come later."""

import csv

import jax
import numpy as np

from experiments import run as runner
from experiments.recurrent_intensity.now import now
from iclr22 import errors, record
from iclr22 import recurrent_intensity as rim
from iclr22.recurrent_intensity import matching, scores


def campaign(run: runner.Run) -> None:
    """plan.csv, who is told about what; prices.csv, to decide for users who come later."""
    options, bound = run.options, run.options.bound
    names, budget = read_budgets(options.budgets)
    asked = now(run)
    found = asked.scores(asked.columns(names))
    k = min(options.contacts, len(names))
    if bound == "upper":  # more than all users is no limit
        budget = np.minimum(budget, len(asked.given.user))
    key = jax.random.key(0)
    prices = rim.online_prices(found, k=k, c=budget, bound=bound, key=key)
    plan = rim.match(
        found,
        k=k,
        c=budget,
        bound=bound,
        method="online",
        prices=prices,
        repair=True,
        key=key,
    )
    value = np.asarray(scores.dense(found))
    if bound == "upper":
        plan = matching.trim(plan, value, budget)
    _write_plan(run, names, asked.events.user_names[asked.given.user], plan, value)
    told = np.asarray(plan.sum(axis=0)).astype(int)
    expected = np.asarray(plan.multiply(value).sum(axis=0))
    _write_prices(run, names, prices, budget, told, expected)
    run.summary = (
        f"plan.csv: {told.sum():,} contacts, {expected.sum():.4g} expected events. "
        "prices.csv: tell a user who comes later about the items with the largest expected "
        f"events minus price, at most {k}, while that is above 0."
    )
    missed = int(np.maximum(budget - told, 0).sum())
    if bound == "lower" and missed:
        run.summary += f" {missed} contacts of the lower bounds could not be met."


def _write_plan(run, items, users, plan, value):
    place = plan.tocoo()
    order = np.lexsort((place.col, place.row))
    lines = [
        (users[row], items[column], f"{value[row, column]:.6g}")
        for row, column in zip(place.row[order], place.col[order], strict=True)
    ]
    record.write_csv(run.output("plan.csv"), ("user", "item", "expected"), lines)


def _write_prices(run, names, prices, budget, told, expected):
    lines = [
        (name, f"{price:.6g}", f"{wanted:g}", count, f"{e:.6g}")
        for name, price, wanted, count, e in zip(
            names, prices.v, budget, told, expected, strict=True
        )
    ]
    head = ("item", "price", "budget", "told", "expected")
    record.write_csv(run.output("prices.csv"), head, lines)


def read_budgets(path) -> tuple[list[str], np.ndarray]:
    """Items and their numbers of users from a file with columns item and users.

    Raises:
      errors.InputError: a missing column, an item twice, a number that is not a whole one
        above 0.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not {"item", "users"} <= set(reader.fieldnames or ()):
            raise errors.InputError(
                f"{path}: expected columns item and users; found {reader.fieldnames}"
            )
        rows = list(reader)
    names, counts = [], []
    for line, row in enumerate(rows, 2):
        text = (row["users"] or "").strip()
        if not text.isdigit() or int(text) == 0:
            raise errors.InputError(
                f"{path}, line {line}: expected a number of users above 0; found {text!r}"
            )
        if row["item"] in names:
            raise errors.InputError(
                f"{path}, line {line}: item {row['item']!r} has a line already"
            )
        names.append(row["item"])
        counts.append(float(text))
    if not names:
        raise errors.InputError(f"{path}: expected at least one item; found none")
    return names, np.array(counts)
