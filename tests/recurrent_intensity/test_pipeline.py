"""Products of item and activity models: what is trained for them, what they score."""

import numpy as np
import pytest

from iclr22 import data, errors
from iclr22 import recurrent_intensity as rim
from iclr22.recurrent_intensity import (
    matching,
    pipeline,
    ranking,
    recommender,
    scores,
    sequence,
)

pytestmark = pytest.mark.eight_devices

DAY = 86400.0
TINY = sequence.Config(width=16, layers=1, length=16, chunk=16, epochs=3, batch=16)


@pytest.fixture(scope="module")
def split():
    events = data.simulate_events(np.random.default_rng(3), users=150, items=12)
    return rim.temporal_split(events, horizon=14 * DAY)


@pytest.fixture(scope="module")
def models(split):
    return rim.train(split, rim.Options(gru=TINY), directory=None)


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
    fitted = models.item_model("rnn")
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
    a, b = (ranking.top_items(s, 3)[1] for s in (plain, product))
    np.testing.assert_array_equal(a, b)
    a, b = (np.asarray(ranking.top_users(s, 5)[1]) for s in (plain, product))
    assert (a != b).any()
    total = scores.dense(product).sum(1) / scores.dense(plain).sum(1)
    np.testing.assert_allclose(total, models.rate("hp", split.test), rtol=1e-4)


def test_true_intensities_are_an_upper_bound(models, split):
    truth = scores.dense(models.scores("true", split.test, split.test_items))
    reached = {}
    for variant in ("pop", "rnn_hp", "true"):
        found = models.scores(variant, split.test, split.test_items)
        rows = np.asarray(ranking.top_users(found, 5)[1])
        reached[variant] = np.take_along_axis(np.asarray(truth).T, rows, 1).mean()
    assert reached["pop"] < reached["rnn_hp"] < reached["true"]


@pytest.mark.parametrize("variant", ["ema", "hawkes", "als", "logistic_mf", "bpr_item"])
def test_every_kind_of_variant_scores(models, split, variant):
    found = models.scores(variant, split.valid, split.test_items[:4])
    assert found.shape == (len(split.valid.user), 4)
    dense = np.asarray(scores.dense(found))
    assert np.isfinite(dense).all() and np.ptp(dense) > 0


def test_excluded_items_are_never_chosen(split):
    models = rim.train(split, rim.Options(exclude_train=True), directory=None)
    found = models.scores("pop", split.test, split.test_items)
    columns = np.asarray(ranking.top_items(found, 3)[1])
    for i, row in enumerate(columns):
        had = split.events.item[split.test.start[i] : split.test.stop[i]]
        assert not np.isin(split.test_items[row[row >= 0]], had).any()


def test_unknown_variant_and_truth_of_a_real_log_are_explained(models, split):
    with pytest.raises(errors.InputError, match="Did you mean 'rnn_pop' or 'rnn_hp'"):
        models.scores("rnn_pp", split.test, split.test_items)
    real = split._replace(events=split.events._replace(truth=None))
    with pytest.raises(errors.InputError, match="needs a simulated log"):
        rim.train(real, directory=None).scores("true", split.test, split.test_items)
    assert set(pipeline.PRODUCTS) & set(pipeline.COUNTS) == set()


def test_trimmed_plan_keeps_the_best_users_of_an_item():
    plan = matching.as_plan([[0], [0], [0], [1]], 2)
    z = np.array([[3.0, 0], [1, 0], [2, 0], [0, 5]])
    found = matching.trim(plan, z, [2, 2]).toarray()
    np.testing.assert_array_equal(found, [[1, 0], [0, 0], [1, 0], [0, 1]])
