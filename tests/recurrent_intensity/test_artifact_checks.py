"""A damaged file of a model is one error that names it, never a traceback later."""

import numpy as np
import pytest
from helpers import damaged, say

from iclr22 import data, errors
from iclr22 import recurrent_intensity as rim

DAY = 86400.0
TINY = rim.Config(width=8, layers=1, length=16, chunk=16, epochs=1, batch=16)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The log, and by variant a file of its model."""
    log = data.simulate_events(np.random.default_rng(3), users=40, items=9)
    log = log._replace(truth=None)
    models = rim.train(rim.split_now(log, 14 * DAY), rim.Options(gru=TINY))
    found = {}
    for variant in ("rnn_hp", "hawkes", "ema"):
        path = tmp_path_factory.mktemp("models") / f"{variant}.npz"
        rim.save(path, models.model(variant))
        found[variant] = path
    return log, found


def put(name, value):
    return lambda about, arrays: arrays.update({f"trees/{name}": value(arrays)})


def cut(name):
    return lambda about, arrays: arrays.update({name: arrays[name][:-1]})


CHANGES = {
    "rnn_hp": [
        cut("trees/token_of"),
        cut("trees/weights"),
        cut("trees/params/embedding/table"),
        cut("trees/params/embedding/bias"),
        put("items", lambda a: np.array([0, 99], np.int32)),
        put("items", lambda a: np.array([-1], np.int32)),
        put("items", lambda a: a["trees/items"].astype(float)),
        put("items", lambda a: a["trees/items"][:0]),
        put("token_of", lambda a: a["trees/token_of"] + 5),
        put("token_of", lambda a: a["trees/token_of"].astype(str)),
        put("theta", lambda a: a["trees/theta"] * np.nan),
        put("weights", lambda a: a["trees/weights"] - 1),
        put("scales", lambda a: 0 * a["trees/scales"]),
        put("params/embedding/table", lambda a: a["trees/params/embedding/table"].T),
        put(
            "params/embedding/table",
            lambda a: np.inf * a["trees/params/embedding/table"],
        ),
        say("about", "config", "width", value=16),
        say("about", "config", "width", value="wide"),
        say("about", "config", "layers", value=10**9),
        say("about", "config", "length", value=0),
        say("about", "config", "network", value="mlp"),
        say("about", "config", "tokens", value=10**12),
        say("about", "config", value=[]),
        say("about", "config", "heads", value=-1),
        say("about", "horizon", value=-1.0),
        say("about", "horizon", value="week"),
        say("about", "exclude_train", value="no"),
        say("about", "time_unit", value=3),
        say("about", "item", value="popularity"),
        say("about", "activity", value=[1]),
        say("about", "activity", value="hawkes"),
        say("about", "activity", "kind", value="pup"),
        say("about", "activity", "horizon", value=None),
        say("bundle", "inputs", value=["a"]),
        say("bundle", "inputs", value=[["a"]] * 9),
        say("bundle", "inputs", value=["a"] * 9),
        say("bundle", "inputs", value=3),
        say("bundle", "trees", value={}),
        say("about", value=None),
    ],
    "hawkes": [
        cut("trees/counts"),
        put("counts", lambda a: 0 * a["trees/counts"]),
        put("counts", lambda a: a["trees/counts"][:, None]),
        cut("trees/ceiling"),
    ],
    "ema": [
        say("about", "activity", "horizon", value=0),
        say("about", "activity", "kind", value="hawkes"),
        say("about", "activity", "kind", value=None),
    ],
}


@pytest.mark.parametrize(
    ("variant", "place"),
    [(variant, i) for variant, changes in CHANGES.items() for i in range(len(changes))],
)
def test_parts_that_make_no_model_are_explained(files, tmp_path, variant, place):
    path = damaged(files[1][variant], tmp_path / "m.npz", CHANGES[variant][place])
    with pytest.raises(
        errors.InputError, match=r"m\.npz: expected a recurrent"
    ) as told:
        rim.load(path)
    assert len(str(told.value)) < 500


def test_bits_and_ends_that_are_lost_are_explained(files, tmp_path):
    log, paths = files
    whole = paths["rnn_hp"].read_bytes()
    expected = rim.predict(rim.load(paths["rnn_hp"]), log).scores
    rng = np.random.default_rng(0)
    for turn in range(40):
        text = bytearray(whole)
        if turn % 4:
            text[rng.integers(len(text))] ^= 1 << rng.integers(8)
        else:
            text = text[: rng.integers(len(text))]
        path = tmp_path / "m.npz"
        path.write_bytes(text)
        try:
            found = rim.predict(rim.load(path), log).scores
        except errors.InputError as error:
            assert str(path) in str(error)
        else:  # a byte that means nothing, as a date in the archive
            np.testing.assert_array_equal(found.rows, expected.rows)
            np.testing.assert_array_equal(found.rate, expected.rate)


def test_a_log_with_one_long_id_costs_no_more_than_its_letters(files):
    log, paths = files
    names = log.item_names.astype(object)
    names[3] = "x" * 200_000
    users = log.user_names.astype(object)
    users[0] = "y" * 200_000
    found = rim.predict(
        rim.load(paths["ema"]), log._replace(item_names=names, user_names=users)
    )
    assert found.users[0] == users[0] and found.users.dtype == object
