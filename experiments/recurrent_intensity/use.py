"""Recurrent intensity in use: audiences per item, items per user, campaigns under budgets.

The whole log trains; user states are those of now, the end of the log. Expected events
are those of the coming horizon, calibrated on the last one.
"""

import csv

import jax
import numpy as np

from experiments import run as runner
from experiments.recurrent_intensity import compare as studies
from iclr22 import errors, plots, record
from iclr22 import recurrent_intensity as rim
from iclr22.recurrent_intensity import matching, requests, scores

LARGEST = 10  # items of --task=audience, if none is named


def now(run: runner.Run):
    """The log, models of all of it, and requests of every user at its end."""
    events = studies.load(run)
    horizon = studies.horizon_of(run)
    first, last = float(events.time.min()), float(events.time.max())
    horizon = (last - first) / 10 if horizon is None else horizon
    end = np.nextafter(last, np.inf)
    users = np.unique(events.user)
    if not first < end - horizon:
        raise errors.InputError(
            f"expected events before the last {horizon:.6g} s, to learn from what followed "
            f"them; found the first at {first:.10g}, the last at {last:.10g}. Choose a "
            "shorter --horizon."
        )
    split = rim.make_split(
        *(events, horizon, (users, np.full(len(users), end))),
        (users, np.full(len(users), end - horizon)),
        least_history=run.settings.least_history,
        least_events=run.settings.least_events,
    )
    run.facts["now"] = (
        f"{len(split.test.user):,} users and {len(split.test_items):,} items at "
        f"{end:.10g}, horizon {studies.in_words(horizon)}"
    )
    return events, split, studies.models_of(run, split, run.seeds[0])


def _chosen(events, split, names):
    """Candidate items by name; those without a training event are refused."""
    items = requests.find_items(events, names)
    for name, item in zip(names, items, strict=True):
        if item not in split.test_items:
            raise errors.InputError(
                f"item {name!r} has too few events to be scored; lower --least_events"
            )
    return items


def audience(run: runner.Run) -> None:
    """audience.csv: for each item the users of whom most events are expected."""
    settings = run.settings
    events, split, models = now(run)
    wanted = _chosen(events, split, settings.items) if settings.items else None
    items = split.test_items if wanted is None else wanted
    found = models.scores(settings.model, split.test, items)
    if wanted is None:
        _, total = scores.expected(found)
        largest = np.argsort(-np.asarray(total), kind="stable")[:LARGEST]
        items, found = items[largest], scores.take_columns(found, largest)
    top = min(settings.top, len(split.test.user))
    values, rows = map(np.asarray, scores.top_users(found, top, key=jax.random.key(0)))
    lines, totals = [], []
    for item, value, row in zip(items, values, rows, strict=True):
        value, row = value[row >= 0], row[row >= 0]
        name = events.item_names[item]
        users = events.user_names[split.test.user[row]]
        for rank, (user, expected) in enumerate(zip(users, value, strict=True), 1):
            lines.append((name, rank, user, f"{expected:.6g}"))
        totals.append((name, len(row), f"{value.sum():.6g}"))
    record.write_csv(
        run.output("audience.csv"), ("item", "rank", "user", "expected"), lines
    )
    record.write_csv(run.output("items.csv"), ("item", "users", "expected"), totals)
    _draw_audience(run, events, items, values, rows)
    run.summary = (
        f"audience.csv: the {top} users of each of {len(items)} items with the most "
        f"expected events by {settings.model}; items.csv sums them up."
    )


def _draw_audience(run, events, items, values, rows):
    path = run.figure("audience", "Expected events against the length of the list.")
    with plots.figure(path, width=5.5, height=3.5) as axis:
        for item, value, row in zip(items, values, rows, strict=True):
            value = np.where(row >= 0, value, 0.0)
            axis.plot(
                np.arange(1, len(value) + 1),
                np.cumsum(value),
                lw=1.2,
                label=str(events.item_names[item]),
            )
        axis.set_xlabel("users told, best first")
        axis.set_ylabel("expected events")
        axis.set_title("audiences")
        axis.legend(fontsize=6, ncols=2)


def recommend(run: runner.Run) -> None:
    """recommend.csv: for each user the items of which most events are expected."""
    settings = run.settings
    events, split, models = now(run)
    given = split.test
    if settings.users:
        users = requests.find_users(events, settings.users)
        given = requests.select(given, np.isin(given.user, users))
    top = min(settings.top, len(split.test_items))
    found = models.scores(settings.model, given, split.test_items)
    values, columns = map(
        np.asarray, scores.top_items(found, top, key=jax.random.key(0))
    )
    lines = [
        (
            events.user_names[user],
            rank,
            events.item_names[split.test_items[c]],
            f"{v:.6g}",
        )
        for user, value, column in zip(given.user, values, columns, strict=True)
        for rank, (v, c) in enumerate(zip(value, column, strict=True), 1)
        if c >= 0
    ]
    record.write_csv(
        run.output("recommend.csv"), ("user", "rank", "item", "expected"), lines
    )
    run.summary = f"recommend.csv: {top} items for each of {len(given.user):,} users."


def campaign(run: runner.Run) -> None:
    """plan.csv, who is told about what; prices.csv, to decide for users who come later."""
    settings = run.settings
    if not settings.budgets:
        raise errors.InputError(
            "--task=campaign needs --budgets=budgets.csv with columns item, users"
        )
    names, budget = read_budgets(settings.budgets)
    events, split, models = now(run)
    items = _chosen(events, split, names)
    found = models.scores(settings.model, split.test, items)
    k = min(settings.contacts, len(items))
    if settings.bound == "upper":  # more than all users is no limit
        budget = np.minimum(budget, len(split.test.user))
    options = {"k": k, "c": budget, "bound": settings.bound}
    key = jax.random.key(0)
    prices = rim.online_prices(found, **options, key=key)
    plan = rim.match(
        found, **options, method="online", prices=prices, repair=True, key=key
    )
    value = np.asarray(scores.dense(found))
    if settings.bound == "upper":
        plan = matching.trim(plan, value, budget)
    _write_plan(run, names, events.user_names[split.test.user], plan, value)
    told = np.asarray(plan.sum(axis=0)).astype(int)
    expected = np.asarray(plan.multiply(value).sum(axis=0))
    lines = [
        (name, f"{price:.6g}", f"{wanted:g}", count, f"{e:.6g}")
        for name, price, wanted, count, e in zip(
            names, prices.v, budget, told, expected, strict=True
        )
    ]
    record.write_csv(
        run.output("prices.csv"), ("item", "price", "budget", "told", "expected"), lines
    )
    missed = int(np.maximum(budget - told, 0).sum()) if settings.bound == "lower" else 0
    run.summary = (
        f"plan.csv: {told.sum():,} contacts, {expected.sum():.4g} expected events. "
        "prices.csv: tell a user who comes later about the items with the largest expected "
        f"events minus price, at most {k}, while that is above 0."
        + f" {missed} contacts of the lower bounds could not be met."
        * bool(missed)
    )


def _write_plan(run, items, users, plan, value):
    place = plan.tocoo()
    order = np.lexsort((place.col, place.row))
    lines = [
        (users[row], items[column], f"{value[row, column]:.6g}")
        for row, column in zip(place.row[order], place.col[order], strict=True)
    ]
    record.write_csv(run.output("plan.csv"), ("user", "item", "expected"), lines)


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
