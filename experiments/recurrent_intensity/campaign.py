"""Whom to tell about what under budgets, and prices to decide for users who come later."""

import jax
import numpy as np

from experiments import run as runner
from experiments.recurrent_intensity.now import now
from experiments.recurrent_intensity.tables import read_budgets, read_prices
from iclr22 import record
from iclr22 import recurrent_intensity as rim
from iclr22.data import checks
from iclr22.recurrent_intensity import matching, scores


def campaign(run: runner.Run) -> None:
    """plan.csv, who is told about what; prices.csv, to decide for users who come later."""
    options, bound = run.options, run.options.bound
    if options.prices:
        return by_prices(run)
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
    _write_plan(run, asked, names, plan, value)
    told = np.asarray(plan.sum(axis=0)).astype(int)
    expected = np.asarray(plan.multiply(value).sum(axis=0))
    _write_prices(run, asked, names, prices, budget, told, expected)
    run.summary = (
        f"plan.csv: {told.sum():,} contacts, {asked.value} {expected.sum():.4g} in sum. "
        f"prices.csv: tell a user who comes later about the items with the {asked.most} "
        f"minus price, at most {k}, while that is above 0: --task=campaign "
        f"--prices={run.workdir / 'prices.csv'} --model={run.workdir / 'model.npz'}"
    )
    missed = int(np.maximum(budget - told, 0).sum())
    if bound == "lower" and missed:
        run.summary += f" {missed} contacts of the lower bounds could not be met."


def by_prices(run: runner.Run) -> None:
    """plan.csv for users who come later: each is decided on alone, by prices learned on
    those of an earlier campaign, in units of its model's scores."""
    names, price = read_prices(run.options.prices)
    asked = now(run)
    found = asked.scores(asked.columns(names))
    k = min(run.options.contacts, len(names))
    prices = rim.Prices(price.astype(np.float32), 0.0, 1.0, 0.0, 0 * price, "upper")
    plan = rim.serve(found, prices, k, key=jax.random.key(0))
    value = np.asarray(scores.dense(found))
    _write_plan(run, asked, names, plan, value)
    told = np.asarray(plan.sum(axis=0)).astype(int)
    some = ", ".join(f"{n} {count:,}" for n, count in zip(names, told, strict=True))
    total = float(plan.multiply(value).sum())
    run.summary = (
        f"plan.csv: {told.sum():,} contacts for {len(asked.given.user):,} users by given "
        f"prices, {asked.value} {total:.4g} in sum; budgets hold on the users "
        f"the prices were learned on. Told by item: {checks.short(some, 300)}."
    )


def _write_plan(run, asked, items, plan, value):
    users = asked.events.user_names[asked.given.user]
    place = plan.tocoo()
    order = np.lexsort((place.col, place.row))
    lines = [
        (users[row], items[column], f"{value[row, column]:.6g}")
        for row, column in zip(place.row[order], place.col[order], strict=True)
    ]
    record.write_csv(run.output("plan.csv"), ("user", "item", asked.value), lines)


def _write_prices(run, asked, names, prices, budget, told, expected):
    lines = [
        (name, f"{price:.6g}", f"{wanted:g}", count, f"{e:.6g}")
        for name, price, wanted, count, e in zip(
            names, prices.v, budget, told, expected, strict=True
        )
    ]
    head = ("item", "price", "budget", "told", asked.value)
    record.write_csv(run.output("prices.csv"), head, lines)
