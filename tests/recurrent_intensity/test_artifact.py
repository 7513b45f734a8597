"""A kept model says of any log what it said of its own; new users, unknown items."""

import helpers
import jax
import numpy as np
import pytest

from iclr22 import data, errors
from iclr22 import recurrent_intensity as rim
from iclr22.recurrent_intensity import artifact, requests, scores

DAY = 86400.0
TINY = rim.Config(width=8, layers=1, length=16, chunk=16, epochs=1, batch=16)


@pytest.fixture(scope="module")
def models():
    events = data.simulate_events(np.random.default_rng(3), users=60, items=9)
    events = events._replace(truth=None)
    split = rim.split_now(events, 14 * DAY)
    options = rim.Options(gru=TINY, transformer=TINY, exclude_train=True)
    return rim.train(split, options, directory=None)


def kept(models, variant, tmp_path) -> rim.Model:
    """A variant that was written and read."""
    rim.save(tmp_path / "model.npz", models.model(variant))
    return rim.load(tmp_path / "model.npz")


@pytest.mark.parametrize(
    "variant", ["rnn_hp", "rnn", "transformer_ema", "hawkes", "pop"]
)
def test_a_kept_model_scores_its_log_to_the_bit(models, variant, tmp_path):
    split = models.split
    found = rim.predict(kept(models, variant, tmp_path), split.events)
    expected = models.scores(variant, split.test, split.test_items)
    helpers.assert_trees_close(found.scores, expected, rtol=0, atol=0)
    names = split.events.user_names, split.events.item_names
    np.testing.assert_array_equal(found.users, names[0][split.test.user])
    np.testing.assert_array_equal(found.items, names[1][split.test_items])
    alone = rim.predict(models.model(variant), split.events)
    helpers.assert_trees_close(alone.scores, expected, rtol=0, atol=0)


def test_a_later_log_may_have_other_users_and_other_items(models, tmp_path, caplog):
    model, events = kept(models, "rnn_hp", tmp_path), models.split.events
    own = events.user == 5
    items = events.item_names[events.item[own]].astype("<U9")
    items[0] = "new"
    log = data.events.sort_events(
        np.append(np.full(own.sum(), "somebody"), ["else", "else"]),
        np.append(items, ["new", "newer"]),
        np.append(events.time[own], [events.time.max(), 7.0]),
    )
    found = rim.predict(model, log)
    assert found.users.tolist() == ["else", "somebody"]
    assert "3 of" in caplog.text and "does not know" in caplog.text
    np.testing.assert_array_equal(found.items, model.item_names[model.items])
    values = scores.dense(found.scores)
    assert np.isfinite(values).all() and (values.max(axis=1) > 0).all()
    known = events._replace(item_names=events.item_names.copy())
    first = np.flatnonzero(own)[0]  # the same history with its first item forgotten
    known.item_names[events.item[first]] = "lost"
    given = requests.make_requests(known, [5], log.time.max() + 1, model.horizon)
    rate = rim.intensity(model.activity, given, known)
    whole = rim.predict(model, known, given).scores
    np.testing.assert_allclose(whole.rate, rate, rtol=1e-6)


def test_names_and_not_numbers_say_which_item_it_is(models, tmp_path):
    """The same log with its items numbered the other way round."""
    model, events = kept(models, "rnn_hp", tmp_path), models.split.events
    last = len(events.item_names) - 1
    turned = events._replace(
        item=last - events.item, item_names=events.item_names[::-1]
    )
    one, other = (rim.predict(model, x) for x in (events, turned))
    helpers.assert_trees_close(one.scores, other.scores, rtol=0, atol=0)


def test_asked_user_states_are_scored_alone(models, tmp_path):
    model, events = kept(models, "transformer_ema", tmp_path), models.split.events
    users = requests.find_users(events, events.user_names[[3, 8]])
    given = requests.make_requests(events, users, events.time.max() / 2, 1.0)
    found = rim.predict(model, events, given)
    assert found.users.tolist() == events.user_names[[3, 8]].tolist()
    whole = models.scores("transformer_ema", given, models.split.test_items)
    np.testing.assert_allclose(scores.dense(found.scores), scores.dense(whole), 1e-6)


def test_what_cannot_be_kept_or_read_is_explained(models, tmp_path):
    with pytest.raises(errors.InputError, match="als cannot be kept.*popularity, rnn"):
        models.model("als")
    with pytest.raises(errors.InputError, match="Did you mean 'rnn_hp'"):
        models.model("rnn_h")
    np.savez(tmp_path / "other.npz", x=np.ones(2))
    with pytest.raises(errors.InputError, match="expected a recurrent intensity model"):
        rim.load(tmp_path / "other.npz")
    model = kept(models, "pop", tmp_path)
    other = models.split.events._replace(time_unit="min")
    with pytest.raises(errors.InputError, match="times in s, .*found min"):
        rim.predict(model, other)


def test_a_file_holds_names_of_items_and_the_configuration(models, tmp_path):
    model = kept(models, "rnn_hp", tmp_path)
    assert model.item.config == models.item_model("rnn").config
    assert model.item_names.tolist() == models.split.events.item_names.tolist()
    assert (model.horizon, model.exclude_train) == (14 * DAY, True)
    fitted = models.activity_model("hp")
    for ours, theirs in zip(model.activity, fitted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert artifact.with_unknown(models.item_model("rnn")).token_of[-1] == 0
    assert jax.tree.structure(model.item.params) == jax.tree.structure(
        models.item_model("rnn").params
    )
