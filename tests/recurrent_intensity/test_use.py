"""Recurrent intensity as it is used: products of models, the experiment, own logs."""

import csv

import helpers
import jax
import numpy as np
import pytest

from experiments.recurrent_intensity import use as recurrent_use
from iclr22 import data, errors
from iclr22 import recurrent_intensity as rim
from iclr22.recurrent_intensity import (
    matching,
    pipeline,
    recommender,
    scores,
    sequence,
)

DAY = 86400.0
TINY = sequence.Config(width=16, layers=1, length=16, chunk=16, epochs=3, batch=16)


@pytest.fixture(scope="module")
def split():
    events = data.simulate_events(np.random.default_rng(3), users=150, items=12)
    return rim.temporal_split(events, horizon=14 * DAY)


@pytest.fixture(scope="module")
def models(split):
    return rim.Models(split, rim.Options(gru=TINY))


def test_vocabulary_numbers_items_with_training_events(split):
    token_of = recommender.vocabulary(split)
    known = token_of[token_of > 0]
    np.testing.assert_array_equal(known, np.arange(1, len(known) + 1))
    np.testing.assert_array_equal(np.flatnonzero(token_of), split.test_items)
    two = recommender.vocabulary(split, most=2)
    assert (two > 0).sum() == 2 and set(two) == {0, 1, 2}


def test_training_rows_start_with_the_token_and_keep_the_newest():
    events = data.sort_events([0] * 5 + [1], [0, 1, 2, 3, 4, 2], range(6), None)
    given = rim.make_requests(events, [0, 1], np.inf, 1.0)
    token_of = np.arange(1, 6)
    rows = recommender.training_rows(events, given, token_of, 4)
    np.testing.assert_array_equal(rows["tokens"], [[1, 2, 3, 4, 5], [0, 3, 0, 0, 0]])
    np.testing.assert_array_equal(rows["weight"], [4, 1])
    rows = recommender.training_rows(events, given, token_of, 5)
    np.testing.assert_array_equal(rows["tokens"][0], [0, 1, 2, 3, 4, 5])
    token_of[2] = 0  # unknown: nothing to learn from
    rows = recommender.training_rows(events, given, token_of, 5)
    np.testing.assert_array_equal(rows["weight"], [4])


def test_encoding_equals_the_plain_network_for_any_length(models, split):
    models.item_scores("rnn", split.test, split.test_items)
    fitted = models._item_models["rnn"].args[0]
    z, normaliser = recommender.encode(fitted, split.events, split.test)
    for i in (0, 7, int(np.argmax(split.test.stop - split.test.start))):
        items = split.events.item[split.test.start[i] : split.test.stop[i]]
        tokens = np.append(0, fitted.token_of[items])[-TINY.length :][None]
        outputs = sequence.apply(fitted.config, fitted.params, {"tokens": tokens})
        np.testing.assert_allclose(z[i], outputs[0, -1], rtol=1e-4, atol=1e-5)
        table = fitted.params["embedding"]
        logits = z[i] @ table["table"].T + table["bias"]
        np.testing.assert_allclose(normaliser[i], np.log(np.exp(logits).sum()), 1e-5)


def test_activity_changes_users_for_items_but_not_items_for_users(models, split):
    plain, product = (
        models.scores(v, split.test, split.test_items) for v in ("rnn", "rnn_hp")
    )
    a, b = (scores.top_items(s, 3)[1] for s in (plain, product))
    np.testing.assert_array_equal(a, b)
    a, b = (np.asarray(scores.top_users(s, 5)[1]) for s in (plain, product))
    assert (a != b).any()
    total = scores.dense(product).sum(1) / scores.dense(plain).sum(1)
    np.testing.assert_allclose(total, models.rate("hp", split.test), rtol=1e-4)


def test_true_intensities_are_an_upper_bound(models, split):
    truth = scores.dense(models.scores("true", split.test, split.test_items))
    reached = {}
    for variant in ("pop", "rnn_hp", "true"):
        found = models.scores(variant, split.test, split.test_items)
        rows = np.asarray(scores.top_users(found, 5)[1])
        reached[variant] = np.take_along_axis(np.asarray(truth).T, rows, 1).mean()
    assert reached["pop"] < reached["rnn_hp"] < reached["true"]


@pytest.mark.parametrize("variant", ["ema", "hawkes", "als", "logistic_mf", "bpr_item"])
def test_every_kind_of_variant_scores(models, split, variant):
    found = models.scores(variant, split.valid, split.test_items[:4])
    assert found.shape == (len(split.valid.user), 4)
    dense = np.asarray(scores.dense(found))
    assert np.isfinite(dense).all() and np.ptp(dense) > 0


def test_excluded_items_are_never_chosen(split):
    models = rim.Models(split, rim.Options(exclude=True))
    found = models.scores("pop", split.test, split.test_items)
    columns = np.asarray(scores.top_items(found, 3)[1])
    for i, row in enumerate(columns):
        had = split.events.item[split.test.start[i] : split.test.stop[i]]
        assert not np.isin(split.test_items[row[row >= 0]], had).any()


def test_unknown_variant_and_truth_of_a_real_log_are_explained(models, split):
    with pytest.raises(errors.InputError, match="Did you mean 'rnn_pop' or 'rnn_hp'"):
        models.scores("rnn_pp", split.test, split.test_items)
    real = split._replace(events=split.events._replace(truth=None))
    with pytest.raises(errors.InputError, match="needs a simulated log"):
        rim.Models(real, rim.Options()).scores("true", split.test, split.test_items)
    assert set(pipeline.PRODUCTS) & set(pipeline.COUNTS) == set()


def test_trimmed_plan_keeps_the_best_users_of_an_item():
    plan = matching.as_plan([[0], [0], [0], [1]], 2)
    z = np.array([[3.0, 0], [1, 0], [2, 0], [0, 5]])
    found = matching.trim(plan, z, [2, 2]).toarray()
    np.testing.assert_array_equal(found, [[1, 0], [0, 0], [1, 0], [0, 1]])


# The experiment on a user's own log.

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


def test_recommendations_to_own_users(log, tmp_path):
    users = rows_of(log)[0]["user"]
    ask(log, tmp_path, "--task=recommend", "--top=2", f"--users={users}")
    rows = rows_of(tmp_path / "recommend.csv")
    assert [(row["user"], row["rank"]) for row in rows] == [(users, "1"), (users, "2")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("thing,users\na,1\n", "expected columns item and users"),
        ("item,users\na,-1\n", "line 2: expected a number of users above 0"),
        ("item,users\na,1\na,2\n", "line 3: item 'a' has a line already"),
        ("item,users\n", "expected at least one item"),
    ],
)
def test_bad_budgets_are_explained(tmp_path, text, words):
    path = tmp_path / "budgets.csv"
    path.write_text(text)
    with pytest.raises(errors.InputError, match=words):
        recurrent_use.read_budgets(path)


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
