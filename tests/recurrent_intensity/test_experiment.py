"""The experiment on a user's own log, in processes of their own."""

import csv

import helpers
import jax
import numpy as np
import pytest

from experiments.recurrent_intensity import tables
from iclr22 import data, errors

PRICES = {"prices": "prices.csv", "model": "model.npz"}
OWN = ("--horizon=7d", "--width=16", "--layers=1", "--epochs=1", "--length=16")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    events = data.simulate_events(np.random.default_rng(5), users=80, items=8)
    path = tmp_path_factory.mktemp("log") / "events.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("user", "item", "timestamp", "price"))
        for user, item, time in zip(*events[:3], strict=True):
            names = events.user_names[user], events.item_names[item]
            writer.writerow((*names, f"{time:.3f}", 1))
    return path


def start(log, workdir, *options):
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    given = (f"--events={log}", f"--workdir={workdir}", cache, *OWN, *options)
    return helpers.start("-m", "experiments.recurrent_intensity", *given)


def ask(log, workdir, *options):
    return helpers.finish(start(log, workdir, *options), timeout=240)


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_audiences_of_own_items(log, tmp_path):
    out, _ = ask(log, tmp_path, "--task=audience", "--items=i1,i3", "--top=5")
    rows = rows_of(tmp_path / "audience.csv")
    assert [row["item"] for row in rows] == ["i1"] * 5 + ["i3"] * 5
    values = [float(row["expected"]) for row in rows[:5]]
    assert values == sorted(values, reverse=True) and values[0] > 0
    assert len({row["user"] for row in rows[:5]}) == 5
    totals = rows_of(tmp_path / "items.csv")
    assert float(totals[0]["expected"]) == pytest.approx(sum(values), rel=1e-4)
    assert str(tmp_path / "audience.csv") in out
    assert (tmp_path / "figures" / "audience.png").stat().st_size > 5000


def test_a_later_process_uses_the_model_of_an_earlier_run(log, tmp_path):
    given = ("--task=audience", "--top=7", "--exclude_train")
    out, _ = ask(log, tmp_path / "first", *given)
    model = tmp_path / "first" / "model.npz"
    assert str(model) in out
    again = (f"--events={log}", f"--workdir={tmp_path / 'again'}", f"--model={model}")
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    words = ("-m", "experiments.recurrent_intensity", cache, *again)
    helpers.finish(helpers.start(*words, "--task=audience", "--top=7"), timeout=240)
    for name in ("audience.csv", "items.csv"):
        first, later = ((tmp_path / x / name) for x in ("first", "again"))
        assert first.read_bytes() == later.read_bytes()
    assert not (tmp_path / "again" / "training").exists()


def test_campaign_keeps_to_budgets_and_contacts(log, tmp_path):
    budgets = tmp_path / "budgets.csv"
    budgets.write_text("item,users\ni1,3\ni4,7\ni0,2\n")
    given = (f"--budgets={budgets}", "--task=campaign", "--contacts=1")
    ask(log, tmp_path / "run", *given)
    rows = rows_of(tmp_path / "run" / "plan.csv")
    users = [row["user"] for row in rows]
    assert len(users) == len(set(users))
    told = {row["item"]: row for row in rows_of(tmp_path / "run" / "prices.csv")}
    assert list(told) == ["i1", "i4", "i0"]
    for item, most in (("i1", 3), ("i4", 7), ("i0", 2)):
        count = sum(row["item"] == item for row in rows)
        assert 0 < count <= most and int(told[item]["told"]) == count
        assert float(told[item]["price"]) >= 0
    kept = [f"--{x}={tmp_path / 'run' / y}" for x, y in PRICES.items()]
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    words = (f"--events={log}", f"--workdir={tmp_path / 'later'}", *kept, cache)
    later = ("-m", "experiments.recurrent_intensity", "--task=campaign", *words)
    helpers.finish(helpers.start(*later), timeout=240)
    again = rows_of(tmp_path / "later" / "plan.csv")
    assert not (tmp_path / "later" / "training").exists()
    assert len({row["user"] for row in again}) == len(again)
    pairs = {(row["user"], row["item"]) for row in again}
    same = sum((row["user"], row["item"]) in pairs for row in rows)
    assert same >= 0.9 * len(rows)  # all but those whose price is a rounded tie


def test_recommendations_to_own_users(log, tmp_path):
    users = rows_of(log)[0]["user"]
    ask(log, tmp_path, "--task=recommend", "--top=2", f"--users={users}")
    rows = rows_of(tmp_path / "recommend.csv")
    assert [(row["user"], row["rank"]) for row in rows] == [(users, "1"), (users, "2")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("thing,users\na,1\n", "a header with the column item"),
        (
            "item,users\na,-1\n",
            "line 2, column users: expected a whole number of users",
        ),
        ("item,users\na,1\na,2\n", "line 3: item 'a' has a line already"),
        ("item,users\n", "expected at least one item"),
    ],
)
def test_bad_budgets_are_explained(tmp_path, text, words):
    path = tmp_path / "budgets.csv"
    path.write_text(text)
    with pytest.raises(errors.InputError, match=words):
        tables.read_budgets(path)


def test_bad_requests_are_answered_before_training(log, tmp_path):
    cases = {
        "--variant=rnn_pp": "Did you mean 'rnn_pop' or 'rnn_hp'",
        "--horizon=7x": "expected a horizon above 0",
        "--task=campaign": "needs --budgets",
        "--split=user": "--horizon is for --split=temporal",
        "--k=1000": "expected --k of 1 to 8 items",
    }
    asked = [start(log, tmp_path / str(i), case) for i, case in enumerate(cases)]
    for i, (process, words) in enumerate(zip(asked, cases.values(), strict=True)):
        _, err = helpers.finish(process, expect=1)
        assert words in err and "Traceback" not in err
        assert not (tmp_path / str(i) / "training").exists()
