"""GRDA without training: pairs, players' gradients, theory, embeddings, batches, choice."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import assert_trees_close
from scipy import special

from iclr22 import errors, graph, metrics, parallel
from iclr22.data import climate, domains
from iclr22.grda import (
    adversaries,
    batches,
    embedding,
    game,
    networks,
    pairs,
    selection,
)

DG15 = domains.load_dg15()
CHAIN3 = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)


def random_graph(rng, n, share=0.5, weighted=False):
    """Symmetric adjacency `[n, n]` float32 without loops."""
    matrix = np.triu(rng.random((n, n)) < share, 1)
    if weighted:
        matrix = matrix * rng.uniform(0.05, 1, matrix.shape)
    return (matrix + matrix.T).astype(np.float32)


def chain(n):
    return graph.build(np.zeros((n, 0)), np.arange(n - 1), np.arange(1, n))


# Networks


def size(module, *widths):
    """Parameters of a module whose inputs have these widths; nothing is computed."""
    given = [jax.ShapeDtypeStruct((1, width), jnp.float32) for width in widths]
    return networks.count(jax.eval_shape(module.init, jax.random.key(0), *given))


def test_parameter_counts_are_those_of_the_released_code():
    config, square = game.Config(hidden=512), 512 * 513
    modules = {x: game.players(config._replace(adversary=x), 15) for x in PLAYED}
    assert size(modules["graph"]["encoder"], 2, 2) == 3_939_328
    assert size(modules["graph"]["predictor"], 512) == 526_338
    assert size(modules["graph"]["discriminator"], 512) == 1_314_306
    assert size(modules["dann"]["discriminator"], 512) == 5 * square + 513 * 15
    assert size(modules["adda"]["discriminator"], 512) == 5 * square + 513
    assert size(modules["mdd"]["second"], 512) == 526_338
    condition = 3 * 512 + square + 512 * 512  # the last: wider by 512 where it joins
    found = size(modules["cdann"]["discriminator"], 512, 2)
    assert found == 5 * square + 513 * 15 + condition


@pytest.mark.parametrize("start", ["uniform", "normal"])
def test_weights_start_as_they_say_and_last_layers_are_linear(start):
    module = networks.Encoder(32, start)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(20, 2)))
    params = jax.jit(module.init)(jax.random.key(0), x, x)["params"]
    for path, leaf in jax.tree.leaves_with_path(params):
        if "bias" in str(path[-1]):
            assert not leaf.any()
        elif start == "uniform":
            limit = len(leaf) ** -0.5
            assert 0.8 * limit < np.abs(leaf).max() <= limit
        elif leaf.size > 1000:
            assert np.std(leaf) == pytest.approx(0.01, rel=0.1)
    assert (module.apply({"params": params}, x, x) < 0).any()


# Pairs


def reference(d, adjacency, vertices=None):
    """L_D word for word: loops, float64."""
    vertices = list(range(len(adjacency)) if vertices is None else vertices)
    values = []
    for said in np.float64(d):
        kinds = {True: [], False: []}
        for place, i in enumerate(vertices):
            for j in vertices[place + 1 :]:
                s, a = said[i] @ said[j], float(adjacency[i, j])
                cost = a * np.log1p(np.exp(-s)) + (1 - a) * np.log1p(np.exp(s))
                kinds[a > 0].append(cost)
        means = [np.mean(kind) for kind in kinds.values() if kind]
        values.append(len(adjacency) / 2 * sum(means))
    return np.array(values)


@pytest.mark.parametrize(
    "load, value",
    [
        (domains.load_dg15, 10.397208),
        (functools.partial(climate.load_tpt48, "tpt48_east_west"), 33.271065),
        (domains.load_dg60_drawn, 41.588831),
    ],
)
def test_knowing_nothing_costs_ln2_per_domain(load, value):
    links = load().graph
    adjacency = domains.adjacency(links)
    np.testing.assert_array_equal(pairs.dense(links), adjacency)
    silent = jnp.zeros((2, len(adjacency), 2))
    found = pairs.discriminator_loss(silent, adjacency)
    np.testing.assert_allclose(found, value, rtol=1e-7)
    near = np.flatnonzero(adjacency[0])[:1]
    far = np.flatnonzero(adjacency[0] == 0)[:4]  # domain 0 itself is the first
    some = pairs.discriminator_loss(silent, adjacency, np.append(near, far))
    np.testing.assert_allclose(some, value, rtol=1e-7)


def test_loss_of_a_chain_by_hand():
    d = jnp.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    assert pairs.discriminator_loss(d, CHAIN3)[0] == pytest.approx(1.794527, abs=1e-6)
    halved = pairs.discriminator_loss(d, CHAIN3 / 2)  # soft: softplus(-1) + 1 / 2
    cost = ((np.log1p(np.exp(-1)) + 0.5) + np.log(2)) / 2
    assert halved[0] == pytest.approx(1.5 * (cost + np.log(2)), abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_loss_equals_double_loops(weighted):
    rng = np.random.default_rng(weighted)
    loss = jax.jit(pairs.discriminator_loss)
    for _ in range(3):
        adjacency = random_graph(rng, 9, rng.uniform(0.3, 0.7), weighted)
        d = rng.normal(size=(4, 9, 3)).astype(np.float32)
        expected = reference(d, adjacency)
        np.testing.assert_allclose(loss(d, adjacency), expected, rtol=1e-5)
        some = rng.permutation(9)[:5]
        expected = reference(d, adjacency, some)
        np.testing.assert_allclose(loss(d, adjacency, some), expected, rtol=1e-5)
        order = rng.permutation(9)
        found = loss(d[:, order], adjacency[order][:, order])
        np.testing.assert_allclose(found, loss(d, adjacency), rtol=1e-5)


@pytest.mark.parametrize("filled", [0, 1])
def test_one_kind_of_pair_may_be_missing(filled):
    adjacency = (filled * (1 - np.eye(5))).astype(np.float32)
    d = np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float32)
    found = pairs.discriminator_loss(d, adjacency)
    np.testing.assert_allclose(found, reference(d, adjacency), rtol=1e-5)
    slope = jax.grad(lambda d: pairs.discriminator_loss(d, adjacency).sum())(d)
    assert np.isfinite(slope).all() and np.abs(slope).max() > 0
    np.testing.assert_array_equal(pairs.edge_auc(d, adjacency), 0.5)


def test_edge_auc_is_that_of_the_metrics():
    rng = np.random.default_rng(0)
    adjacency = random_graph(rng, 9, weighted=True)
    d = rng.normal(size=(5, 9, 3)).astype(np.float32)
    i, j = np.triu_indices(9, 1)
    linked = adjacency[i, j] > 0
    expected = [metrics.auc(np.sum(x[i] * x[j], 1), linked) for x in d]
    np.testing.assert_allclose(pairs.edge_auc(d, adjacency), expected, rtol=1e-5)


# Gradients of the players

PLAYED = tuple(adversaries.ADVERSARIES)


def setting(adversary, **changes):
    """Configuration, parameters without zeros, and a batch whose last slot is padding."""
    config, batch = game.example(6)
    plain = {"pairing": "independent", "sample_vertices": 0, "agree_weight": 0.3}
    config = config._replace(adversary=adversary, hidden=6, **(plain | changes))
    rng = np.random.default_rng(1)
    init = functools.partial(game.init, config)
    shapes = jax.eval_shape(init, jax.random.key(0), batch).params
    draw = lambda x: jnp.float32(rng.normal(0, 0.6, x.shape))  # noqa: E731
    batch["weight"][-1] = 0
    return config, jax.tree.map(draw, shapes), batch


def against(config, params, e, outputs, batch):
    """`(loss of the adversary, what the encoder seeks to raise)`, as the sheet has them:
    no reversal, sums over slots."""
    name = "second" if config.adversary == "mdd" else "discriminator"
    module = game.players(config, e.shape[1])[name]
    given = (jax.nn.sigmoid(outputs),) if config.adversary == "cdann" else ()
    said = module.apply({"params": params[name]}, e, *given)
    source = batch["sources"] > 0
    if config.adversary == "graph":
        own = pairs.discriminator_loss(said, domains.adjacency(batch["graph"]))
    elif config.adversary == "mdd":
        guess = jax.nn.one_hot(outputs.argmax(-1), config.outputs)
        share = (jax.nn.softmax(said) * guess).sum(-1)
        agree = -jnp.log(share + config.floor)[:, source].mean(1)
        disagree = -jnp.log(1 - share + config.floor)[:, ~source].mean(1)
        a, b = config.agree_weight, config.disagree_weight
        own = (a * agree + b * disagree) / (a + b)
    elif config.adversary == "adda":
        right = jnp.where(source, jax.nn.sigmoid(said[..., 0]), 0)
        own = -jnp.log(right)[:, source].mean(1)
        own -= jnp.log(1 - jax.nn.sigmoid(said[:, ~source, 0])).mean(1)
        fooled = jnp.log(jax.nn.sigmoid(said[:, ~source, 0])).mean(1)
        return batch["weight"] @ own, batch["weight"] @ fooled
    else:
        own = -jnp.einsum("bnn->bn", jax.nn.log_softmax(said)).mean(1)
    return batch["weight"] @ own, batch["weight"] @ own


def expected_gradients(config, params, batch, strength):
    """Each player's gradient of its own objective alone, all others held."""
    z = jnp.broadcast_to(batch["graph"].nodes, batch["x"].shape)
    inputs = {"x": batch["x"], "z": z}

    def fit(params):
        outputs = game.apply(config, params, inputs)
        share = jnp.take_along_axis(
            jax.nn.softmax(outputs), batch["y"][..., None], axis=-1
        )[..., 0]
        cost = -jnp.log(share + config.floor) * batch["sources"]
        return batch["weight"] @ cost.sum(1) / batch["sources"].sum()

    outputs = game.apply(config, params, inputs)
    e = game.encode(config, params, inputs)
    own = jax.grad(lambda p: against(config, p, e, outputs, batch)[0])(params)

    def raised(changed):
        e = game.encode(config, changed, inputs)
        return against(config, params, e, outputs, batch)[1]

    towards, fitted = jax.grad(raised)(params), jax.grad(fit)(params)
    moved = jax.tree.map(lambda f, g: f - strength * g, fitted, towards)
    parts = {"encoder": moved["encoder"], "predictor": fitted["predictor"]}
    return own | parts


@pytest.mark.parametrize("adversary", PLAYED)
def test_every_player_follows_its_own_gradient(adversary):
    config, params, batch = setting(adversary)

    def total(params, strength):
        return game.loss(config, params, batch, strength=strength)

    found = jax.jit(jax.grad(total, has_aux=True))
    expected = jax.jit(functools.partial(expected_gradients, config))
    norms = []
    for strength in (0.0, 0.5, 1.0):
        grads, sums = found(params, strength)
        wanted = expected(params, batch, strength)
        assert_trees_close(grads, wanted, rtol=1e-4, atol=1e-5)
        rest = {k: v for k, v in grads.items() if k not in ("encoder", "predictor")}
        norms.append(float(optax.global_norm(rest)))
    assert norms[0] > 0.01 and max(norms) - min(norms) < 1e-6 * norms[0]
    z = jnp.broadcast_to(batch["graph"].nodes, batch["x"].shape)
    e = game.encode(config, params, {"x": batch["x"], "z": z})
    outputs = game.apply(config, params, {"x": batch["x"], "z": z})
    value = against(config, params, e, outputs, batch)[0]
    assert float(sums["adversary"]) == pytest.approx(float(value), rel=1e-5)
    assert float(sums["weight"]) == 5


def test_matched_slots_and_sub_graphs_keep_the_players_apart():
    """The adversary's gradient ignores lambda, the encoder's is linear in it."""
    config, params, batch = setting("graph", pairing="pseudo_label", sample_vertices=3)

    @jax.jit
    def gradients(strength):
        return jax.grad(
            lambda p: game.loss(
                config, p, batch, key=jax.random.key(3), strength=strength
            )[0]
        )(params)

    none, half, full = map(gradients, (0.0, 0.5, 1.0))
    for name in ("discriminator", "predictor"):
        assert_trees_close(none[name], full[name], rtol=1e-6, atol=1e-7)
    middle = jax.tree.map(lambda a, b: (a + b) / 2, none, full)
    assert_trees_close(half, middle, rtol=1e-4, atol=1e-5)
    change = jax.tree.map(jnp.subtract, none["encoder"], full["encoder"])
    assert optax.global_norm(change) > 0.01


def test_prediction_losses_by_hand():
    config = game.Config()
    sure = game.prediction_loss(config, jnp.array([[50.0, -50.0]]), jnp.array([0]))
    assert sure[0] == pytest.approx(-1e-4, rel=1e-3)
    even = game.prediction_loss(config, jnp.zeros((1, 2)), jnp.array([-1]))
    assert even[0] == pytest.approx(-np.log(0.5001), rel=1e-5)
    config = config._replace(regression=True)
    found = game.prediction_loss(config, jnp.array([[1.0, 2.0]]), jnp.array([[0, 5.0]]))
    assert found[0] == pytest.approx(5)


# Theory: E[H(alpha(e, e'))] <= H(mean alpha), tabular


def entropy(p):
    return special.entr(p) + special.entr(1 - p)


def game_value(density, adjacency):
    """`(optimal L_d, H(mean alpha), alpha, p(u|e))` of `p(e|u) [N, M]`, uniform p(u)."""
    density = density / density.sum(1, keepdims=True)
    mass = density.mean(0)
    posterior = (density / density.sum(0)).T
    alpha = posterior @ adjacency @ posterior.T
    mean = adjacency.mean()
    assert mass @ alpha @ mass == pytest.approx(mean, rel=1e-6)
    return mass @ entropy(alpha) @ mass, entropy(mean), alpha, posterior


@pytest.mark.parametrize("n", [2, 5, 15])
def test_encoder_gains_nothing_beyond_constant_alpha(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        adjacency = np.float64(random_graph(rng, n, 0.6))
        adjacency[0, 1] = adjacency[1, 0] = 1
        optimum, bound, alpha, _ = game_value(rng.random((n, 7)), adjacency)
        assert np.ptp(alpha) > 1e-4 and optimum < bound - 1e-6
        same = np.tile(rng.random(7), (n, 1))
        optimum, bound, alpha, _ = game_value(same, adjacency)
        assert np.ptp(alpha) < 1e-12 and optimum == pytest.approx(bound, abs=1e-12)


def test_clique_asks_for_uniform_alignment():
    rng = np.random.default_rng(0)
    clique, other = 1 - np.eye(6), rng.random((6, 8))
    gaps = []
    for t in (1.0, 0.3, 0.1, 0.0):
        optimum, bound, _, posterior = game_value(t * other + (1 - t), clique)
        gaps.append(bound - optimum)
    assert gaps[0] > gaps[1] > gaps[2] > 1e-7 and abs(gaps[3]) < 1e-12
    np.testing.assert_allclose(posterior, 1 / 6)


@pytest.mark.parametrize("n", [3, 6])
def test_star_and_chain_bind_the_centre_only(n):
    rng = np.random.default_rng(n)
    star = np.zeros((n, n))
    star[1, :] = star[:, 1] = 1  # with 3 domains this is the chain 0 - 1 - 2
    star[1, 1] = 0
    leaves = rng.dirichlet(np.ones(7), n)
    density = leaves.copy()
    density[1] = np.delete(leaves, 1, axis=0).mean(0)
    optimum, bound, alpha, posterior = game_value(density, star)
    np.testing.assert_allclose(posterior[:, 1], 1 / n, rtol=1e-12)
    assert np.ptp(posterior[:, 0]) > 0.1  # leaves differ
    np.testing.assert_allclose(alpha, 2 * (n - 1) / n**2, rtol=1e-12)
    assert optimum == pytest.approx(bound, abs=1e-12)
    if n == 3:
        np.testing.assert_allclose(alpha, 4 / 9)
    optimum, bound, _, _ = game_value(leaves, star)
    assert optimum < bound - 1e-3


def test_discriminator_at_logit_alpha_has_the_optimal_loss():
    """Each pair of encodings is an expected edge: a soft target for the pair loss."""
    rng = np.random.default_rng(0)
    _, _, alpha, posterior = game_value(rng.random((5, 7)), random_graph(rng, 5))
    logits = special.logit(alpha)
    gram = logits - np.diag(np.diag(logits)) + 50 * np.eye(7)  # own pairs do not count
    values, vectors = np.linalg.eigh(gram)
    assert values.min() > 0
    d = jnp.float32(vectors * np.sqrt(values))[None]
    value, slope = jax.value_and_grad(lambda d: 2 * pairs.pair_loss(d, alpha)[0])(d)
    i, j = np.triu_indices(7, 1)
    assert value == pytest.approx(entropy(alpha[i, j]).mean(), rel=1e-5)
    np.testing.assert_allclose(slope, 0, atol=1e-5)
    for shift in (-0.5, 0.5):
        found = optax.sigmoid_binary_cross_entropy(logits + shift, alpha)
        assert (found > entropy(alpha)).all()


# Which domains and which samples are compared


def is_walk(order, linked):
    """Whether every step follows an edge to a new vertex, or had none to follow."""
    free = np.ones(len(linked), bool)
    for here, to in zip(order, order[1:], strict=False):
        free[here] = False
        if (linked[here] & free).any() and not (linked[here] & free)[to]:
            return False
    return True


@pytest.mark.parametrize("links", [DG15.graph, chain(8)], ids=["dg15", "chain"])
def test_walks_follow_edges_until_they_are_stuck(links):
    linked = domains.adjacency(links) > 0
    keys = jax.random.split(jax.random.key(0), 200)
    for count in (1, 5, len(linked)):
        walk = functools.partial(pairs.random_walks, adjacency=linked, size=count)
        orders = np.asarray(jax.jit(jax.vmap(walk))(keys))
        assert orders.shape == (200, count)
        assert all(len(set(order)) == count for order in orders.tolist())
        assert all(is_walk(order, linked) for order in orders)
        starts = np.bincount(orders[:, 0], minlength=len(linked))
        assert starts.min() > 0  # from anywhere
    steps = linked[orders[:, :-1], orders[:, 1:]]
    assert steps.any() and not steps.all()


def test_sub_graphs_are_uniform_or_walks():
    linked = domains.adjacency(chain(30)) > 0
    keys = jax.random.split(jax.random.key(1), 400)
    draw = functools.partial(pairs.sample_subgraph, adjacency=linked, size=4)
    orders = np.asarray(jax.jit(jax.vmap(draw))(keys))
    assert all(len(set(order)) == 4 for order in orders.tolist())
    walked = np.array([is_walk(order, linked) for order in orders])
    assert abs(walked.mean() - 0.5) < 0.1
    expected = 4 * (~walked).sum() / 30
    counts = np.bincount(orders[~walked].ravel(), minlength=30)
    assert ((counts - expected) ** 2 / expected).sum() < 58  # chi-square, 0.1 %
    whole = pairs.sample_subgraph(jax.random.key(0), linked, 30)
    assert sorted(whole.tolist()) == list(range(30))


def to_match(slots=16, padding=2, n=5, seed=0):
    """Labels, weights and d = (class, number of the slot), every domain in its order;
    as many of each class but for the padding, which has labels of its own."""
    rng = np.random.default_rng(seed)
    weight = rng.permutation(np.arange(slots) >= padding).astype(np.float32)
    labels = rng.integers(0, 2, (slots, n))
    half = np.arange(slots - padding) % 2
    labels[weight > 0] = np.stack([rng.permutation(half) for _ in range(n)], 1)
    number = np.broadcast_to(np.arange(slots)[:, None], labels.shape)
    return labels, weight, np.stack([labels, number], -1).astype(np.float32)


@pytest.mark.parametrize("padding", [0, 2])
def test_matched_slots_hold_one_class_and_nothing_is_lost(padding):
    labels, weight, d = to_match(padding=padding)
    match = jax.jit(functools.partial(pairs.match, axis_name=None))
    found, left = map(np.asarray, match(jax.random.key(0), labels, weight, d))
    kept = 16 - padding
    assert np.ptp(labels, axis=1).any()
    assert left.tolist() == [1] * kept + [0] * padding
    assert not np.ptp(found[:kept, :, 0], axis=1).any()
    for u in range(labels.shape[1]):
        rows = found[:, u, 1].astype(int)
        assert sorted(rows) == list(range(16))
        np.testing.assert_array_equal(found[:, u], d[rows, u])
        np.testing.assert_array_equal(weight[rows], left)
    other = np.asarray(match(jax.random.key(1), labels, weight, d)[0])
    assert np.any(other[:kept] != found[:kept])  # other partners of the same class


def test_matching_over_devices_equals_one_device():
    given = to_match()
    key = jax.random.key(0)
    whole = pairs.match(key, *given, None)
    divided = [x.reshape(8, 2, *x.shape[1:]) for x in given]
    match = functools.partial(pairs.match, key, axis_name=parallel.AXIS)
    found = jax.pmap(match, parallel.AXIS)(*divided)
    joined = [np.concatenate(np.asarray(x)) for x in found]
    assert_trees_close(joined, list(whole), rtol=0, atol=0)


# Embeddings


def test_embedding_of_dg15_reconstructs_its_edges():
    z = embedding.fit_embedding(DG15.graph)
    assert z.shape == (15, 2) and z.dtype == np.float32
    found = embedding.quality(DG15.graph, z)
    assert found.cross_entropy <= 0.36 and found.auc > 0.98
    linked = domains.adjacency(DG15.graph) > 0
    i, j = np.triu_indices(15, 1)
    score, target = (np.float64(z) @ z.T)[i, j], linked[i, j]
    cost = np.log1p(np.exp(np.where(target, -score, score))).mean()
    assert found.cross_entropy == pytest.approx(cost, rel=1e-5)
    assert found.auc == pytest.approx(metrics.auc(score, target))
    np.testing.assert_array_equal(embedding.fit_embedding(DG15.graph), z)
    assert np.any(embedding.fit_embedding(DG15.graph, seed=1) != z)
    silent = embedding.quality(DG15.graph, 0 * z)
    assert silent == pytest.approx((np.log(2), 0.5))
    alike = graph.build(np.zeros((3, 0)), [0, 0, 1], [1, 2, 2])
    assert np.isnan(embedding.quality(alike, z[:3]).auc)


def test_new_domain_goes_to_its_neighbors():
    known = graph.build(np.zeros((14, 0)), *np.triu(linked_without(14)).nonzero())
    old = embedding.fit_embedding(known)
    z = embedding.fit_embedding(DG15.graph, fixed=old)
    np.testing.assert_array_equal(z[:14], old)
    near = domains.adjacency(DG15.graph)[14, :14] > 0
    score = old @ z[14]
    assert score[near].mean() > 0 > score[~near].mean()


def linked_without(n):
    """Edges among the first n domains of DG-15, bool `[n, n]`."""
    return domains.adjacency(DG15.graph)[:n, :n] > 0


def test_bad_embeddings_are_refused():
    fit = embedding.fit_embedding
    with pytest.raises(errors.InputError, match="found 1 domains"):
        fit(chain(1))
    with pytest.raises(errors.InputError, match="0 dimensions"):
        fit(chain(3), 0)
    with pytest.raises(errors.InputError, match="at most 3 fixed"):
        fit(chain(3), fixed=np.zeros((4, 2)))
    with pytest.raises(errors.InputError, match="of 2 dimensions; found 3"):
        fit(chain(3), fixed=np.zeros((2, 3)))


# Batches


def numbered(data=DG15):
    """The data with the number of each row as its x."""
    return data._replace(x=np.arange(len(data.x), dtype=np.float32)[:, None])


def rows_of(source, steps):
    """Numbers of the rows in these batches `[slots, N]`."""
    return np.concatenate([source(s)["x"][..., 0] for s in steps]).astype(int)


def make(data, slots=10, **options):
    return batches.make(data, data.graph, slots, **options)


def without(data, *rows):
    """The data without some rows."""
    left = np.delete(np.arange(len(data.x)), rows)
    return data._replace(x=data.x[left], y=data.y[left], domain=data.domain[left])


@pytest.mark.parametrize("shared", [False, True])
def test_every_sample_comes_once_per_epoch(shared):
    order = np.random.default_rng(0).permutation(1500)  # domains mixed in the file
    data = DG15._replace(x=DG15.x[order], y=DG15.y[order], domain=DG15.domain[order])
    data = numbered(data)
    source = make(data, shared=shared, seed=5)
    epochs = [rows_of(source, range(10 * e, 10 * e + 10)) for e in range(2)]
    for rows in epochs:
        assert rows.shape == (100, 15)
        np.testing.assert_array_equal(
            data.domain[rows], np.tile(np.arange(15), (100, 1))
        )
        assert len(np.unique(rows)) == 1500
    assert np.any(epochs[0] != epochs[1])
    again = make(data, shared=shared, seed=5)
    np.testing.assert_array_equal(rows_of(again, [17, 3]), rows_of(source, [17, 3]))
    other = make(data, shared=shared, seed=6)
    assert np.any(rows_of(other, [3]) != rows_of(source, [3]))


def test_domains_are_shuffled_alike_only_where_asked():
    for shared, orders in ((True, 1), (False, 15)):
        rows = rows_of(make(numbered(), shared=shared), range(10)) % 100
        assert len(np.unique(rows, axis=1).T) == orders


def test_shares_of_two_processes_make_the_batch():
    source = make(DG15, 10, devices=8)
    assert source.slots == 16
    for step in (0, 5, 40):  # 6 and 12: across the end of an epoch
        parts = [source._replace(part=(i, 2))(step) for i in range(2)]
        whole = source(step)
        for name in ("x", "y", "labelled", "weight"):
            joined = np.concatenate([part[name] for part in parts])
            np.testing.assert_array_equal(joined, whole[name])
        assert len(parts[0]["x"]) == 8 and whole["weight"].tolist() == [1] * 16


@pytest.mark.parametrize("load", [domains.load_dg15, climate.load_tpt48])
def test_labels_of_targets_are_never_in_a_batch(load):
    data = load() if load is domains.load_dg15 else load("tpt48_east_west")
    target = ~data.sources[data.domain]
    y = data.y.copy()
    y[target] = 1 - y[target]
    unknown = data.y.copy()
    unknown[target] = np.nan if data.regression else -1
    sources = [make(data._replace(y=labels)) for labels in (data.y, y, unknown)]
    for step in (0, 11):
        first, *others = (source(step) for source in sources)
        for other in others:
            assert_trees_close(first, other, rtol=0, atol=0)
        np.testing.assert_array_equal(first["labelled"], np.tile(data.sources, (10, 1)))
        assert (
            first["y"][:, data.sources].any() and not first["y"][:, ~data.sources].any()
        )
        assert first["y"].dtype == data.y.dtype


def test_domains_may_differ_in_size_unless_they_share_an_order():
    data = numbered(without(DG15, *range(1400, 1470)))  # the last domain keeps 30
    rows = rows_of(make(data), range(30))
    for u, count in enumerate([100] * 14 + [30]):
        assert set(np.bincount(rows[:, u])[data.domain == u]) == {300 // count}
    with pytest.raises(errors.InputError, match="30 to 100.*independent"):
        make(data, shared=True)
    with pytest.raises(errors.InputError, match="domain 3: expected samples"):
        make(without(DG15, *range(300, 400)))


def purity(data, shared):
    """Share of pairs of samples in one slot that have the same class, of an epoch."""
    rows = rows_of(make(numbered(data), shared=shared), range(10))
    i, j = np.triu_indices(15, 1)
    labels = data.y[rows]
    return np.mean(labels[:, i] == labels[:, j])


def test_shared_index_leaks_classes_and_shuffled_files_cure_it():
    rng = np.random.default_rng(0)
    order = np.concatenate([100 * u + rng.permutation(100) for u in range(15)])
    shuffled = DG15._replace(x=DG15.x[order], y=DG15.y[order])
    assert purity(DG15, shared=True) == 1
    for data, shared in ((shuffled, True), (DG15, False), (shuffled, False)):
        assert 0.45 < purity(data, shared) < 0.55


# Selection


def test_information_by_hand():
    sure = np.eye(2)[[0, 1, 0, 1]]
    assert selection.mutual_information(np.full((5, 3), 1 / 3)) == pytest.approx(0)
    assert selection.mutual_information(sure) == pytest.approx(np.log(2))
    assert selection.mutual_information(np.eye(2)[[0, 0]]) == pytest.approx(0)
    half = np.array([[0.75, 0.25], [0.25, 0.75]])
    expected = np.log(2) - entropy(0.25)
    assert selection.mutual_information(half) == pytest.approx(expected)


def test_density_is_larger_in_clusters():
    clusters = np.eye(2)[np.arange(20) % 2]
    found = selection.neighborhood_density(clusters)
    assert found == pytest.approx(np.log(9), abs=1e-4)
    share = np.linspace(0, 1, 20)
    spread = np.stack([share, 1 - share], axis=1)
    assert selection.neighborhood_density(spread) < found - 0.1


def test_movement_looks_at_the_last_quarter():
    still = [9.0, 1.0, 5.0] * 4 + [3.0] * 4
    assert selection.movement(still, 15) == 0
    moving = [3.0] * 14 + [3.0 + 15 * np.log(2)] * 2
    assert selection.movement(moving, 15) == pytest.approx(1)
    assert selection.movement([], 15) == selection.movement([2.0], 15) == 0


def test_choice_needs_good_sources_and_an_adversary_at_rest():
    good = selection.Scores(99, 0.05, 0.3, 1.0, 0.8)
    informed = good._replace(information=0.5, agreement=0.7)
    agreeing = good._replace(information=0.35, agreement=0.9)
    poor = good._replace(source=96, information=0.69, agreement=1.0)
    moving = good._replace(movement=0.2, information=0.69, agreement=1.0)
    assert selection.choose([good, poor, informed, moving, agreeing]) == 4
    assert selection.choose([good, poor, informed, moving]) == 2
    assert selection.choose([poor, moving]) == 0  # none is both: all may be chosen
    dense = good._replace(density=2.0)
    assert selection.choose([good, good]) == 0
    assert selection.choose([good, dense]) == 1
