"""Convolution over histories: its dense formula, padding, what it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from count_helpers import walks
from helpers import assert_trees_close

from iclr22 import errors
from iclr22.data.events import sort_events
from iclr22.recurrent_intensity import bipartite, graph_conv, requests, scores, splits


def log_of():
    """Three users; the second has no event before time 5."""
    return sort_events(
        ["a", "a", "a", "a", "b", "c", "c"],
        [0, 1, 2, 0, 3, 3, 1],
        [1.0, 2.0, 3.0, 6.0, 7.0, 4.0, 4.8],
    )


def model_of(length=3, d=2):
    config = graph_conv.Config(items=4, factors=d, length=length)
    state = graph_conv.init(config, jax.random.key(0), None)
    params = jax.tree.map(
        lambda x: jnp.cos(jnp.arange(x.size) + x.ravel()).reshape(x.shape), state.params
    )
    return graph_conv.Model(config, jax.device_get(params), 1.0, np.ones(4, bool))


def test_aggregation_equals_its_dense_formula():
    log, model = log_of(), model_of()
    given = requests.make_requests(log, [0, 1, 2], 5.0, 1.0)
    p = model.params
    members = np.zeros((3, 5))  # tokens: 0 starts a history, items from 1 on
    members[0, [1, 2, 3]] = 1  # three events fill the length
    members[1, 0] = 1
    members[2, [0, 4, 2]] = 1
    hidden = members @ p["items"] @ p["kernel"] + p["bias"]
    centred = hidden - hidden.mean(axis=1, keepdims=True)
    normal = centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + 1e-5)
    vectors, biases = graph_conv.encode(model, log, given)
    expected = normal * p["norm_scale"] + p["norm_bias"]
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)
    # 2 horizons ago: below 3; no event: the last; 0.2 ago: below 0.3
    np.testing.assert_allclose(biases, p["recency"][[3, 5, 1]])


def test_padded_edges_and_chunks_change_nothing(monkeypatch):
    log, model = log_of(), model_of()
    given = requests.make_requests(log, [0, 1, 2, 0, 2], [5, 5, 5, 2.5, 9], 1.0)
    whole = graph_conv.encode(model, log, given)
    graph = bipartite.build_graph(log, given, 1.0, items=4, length=3)
    assert len(graph.edges) == 16 and graph.edges.sum() == graph.n_edge[0] < 16
    noisy = graph._replace(senders=np.where(graph.edges > 0, graph.senders, 4))
    found = graph_conv.apply(model.config, model.params, {"graph": noisy})
    assert_trees_close(whole, found, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(graph_conv, "ROWS", 2)
    assert_trees_close(
        whole, graph_conv.encode(model, log, given), rtol=1e-5, atol=1e-6
    )


def test_requests_without_time_or_none_are_errors():
    log, model = log_of(), model_of()
    for users, times, text in (
        ([0, 1], [5, np.inf], "request 1"),
        ([], 1.0, "found none"),
    ):
        given = requests.make_requests(log, users, times, 1.0)
        with pytest.raises(errors.InputError, match=text):
            graph_conv.encode(model, log, given)


def test_graph_conv_learns_what_follows_a_history():
    log = walks()
    split = splits.user_split(log, extra=1)
    config = graph_conv.Config(factors=4, negatives=4, epochs=20, learning_rate=0.3)
    model = graph_conv.fit_graph_conv(split, config, extra=True)
    assert model.config.items == 12
    found = graph_conv.score(model, log, split.test, split.test_items)
    scores.check(found)
    s = scores.dense(found)
    names = log.item_names.astype(int)[split.test_items]
    inside = split.test.user[:, None] % 2 == names % 2
    assert np.mean(s[inside][:, None] > s[~inside]) > 0.95


def test_graph_conv_scores_unknown_items_zero():
    log, model = log_of(), model_of()
    model = model._replace(known=np.array([True, True, False, True]))
    given = requests.make_requests(log, [0], 5.0, 1.0)
    s = scores.dense(graph_conv.score(model, log, given, [2, 0]))
    assert s[0, 0] == 0 and s[0, 1] > 0
