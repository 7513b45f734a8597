"""Files of a user of recurrent intensity, small, under the names that README.md uses."""

import csv

import numpy as np

USERS, ITEMS, DAYS, PER_USER = 40, "ABCDEFGH", 60, 24


def write(folder):
    """A log of events, the same with the newest day, and budgets."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(USERS):
        taste = rng.dirichlet(np.full(len(ITEMS), 0.5))
        for day in np.sort(rng.uniform(0, DAYS, PER_USER)):
            item = ITEMS[rng.choice(len(ITEMS), p=taste)]
            rows.append([f"u{user}", item, round(86400 * day)])
    rows.sort(key=lambda row: row[2])
    header = ["user", "item", "timestamp"]
    _table(folder / "events.csv", header, rows)
    newest = [[f"u{user}", "A", 86400 * DAYS + user] for user in range(USERS)]
    _table(folder / "today.csv", header, rows + newest)
    _table(folder / "budgets.csv", ["item", "users"], [["A", 5], ["B", 3]])


def _table(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
