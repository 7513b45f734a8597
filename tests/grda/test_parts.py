"""GRDA without training: pairs, players' gradients, theory, embeddings, selection."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import assert_trees_close
from scipy import special

from iclr22 import errors, graph, metrics, parallel
from iclr22.data import domains
from iclr22.data.domains import climate, published, simulated
from iclr22.grda import (
    adversarial,
    adversaries,
    embedding,
    networks,
    pairs,
    selection,
)

pytestmark = pytest.mark.eight_devices

DG15 = published.load_dg15()
TPT48 = climate.load_tpt48("tpt48_east_west")
KNOWN = {10.397208: DG15, 33.271065: TPT48, 41.588831: simulated.load_dg60_drawn()}
LINKED = domains.adjacency(DG15.graph) > 0
PLAYED = tuple(adversaries.ADVERSARIES)
KEY = jax.random.key(0)
LOSS, AUC = map(jax.jit, (pairs.discriminator_loss, pairs.edge_auc))


def random_graph(rng, n, share, weighted=False):
    """Symmetric adjacency `[n, n]` float32 without loops."""
    matrix = np.triu(rng.random((n, n)) < share, 1)
    matrix = matrix * (rng.uniform(0.05, 1, matrix.shape) if weighted else 1)
    return np.float32(matrix + matrix.T)


def chain(n):
    return graph.build(np.zeros((n, 0)), np.arange(n - 1), np.arange(1, n))


def size(module, *widths):
    """Parameters of a module whose inputs have these widths; nothing is computed."""
    given = [jax.ShapeDtypeStruct((1, width), jnp.float32) for width in widths]
    return networks.count(jax.eval_shape(module.init, KEY, *given))


def test_parameter_counts_are_those_of_the_released_code():
    config, square = adversarial.Config(hidden=512), 512 * 513
    modules = {x: adversarial.players(config._replace(adversary=x), 15) for x in PLAYED}
    assert size(modules["graph"]["encoder"], 2, 2) == 3_939_328
    assert size(modules["graph"]["predictor"], 512) == 526_338
    assert size(modules["graph"]["discriminator"], 512) == 1_314_306
    assert size(modules["dann"]["discriminator"], 512) == 5 * square + 513 * 15
    assert size(modules["adda"]["discriminator"], 512) == 5 * square + 513
    joined = 3 * 512 + square + 512 * 512  # the condition, and where it comes in
    found = size(modules["cdann"]["discriminator"], 512, 2)
    assert found == 5 * square + 513 * 15 + joined


def reference(d, adjacency, vertices=None):
    """L_D word for word: loops, float64."""
    vertices = range(len(adjacency)) if vertices is None else vertices
    values = []
    for said in np.float64(d):
        kinds = {True: [], False: []}
        for i, j in itertools.combinations(vertices, 2):
            s, a = said[i] @ said[j], float(adjacency[i, j])
            kinds[a > 0].append(a * np.logaddexp(0, -s) + (1 - a) * np.logaddexp(0, s))
        means = [np.mean(kind) for kind in kinds.values() if kind]
        values.append(len(adjacency) / 2 * sum(means))
    return np.array(values)


@pytest.mark.parametrize("value", KNOWN)
def test_knowing_nothing_costs_ln2_per_domain(value):
    adjacency = domains.adjacency(KNOWN[value].graph)
    np.testing.assert_array_equal(pairs.dense(KNOWN[value].graph), adjacency)
    silent = np.zeros((2, len(adjacency), 2))
    np.testing.assert_allclose(LOSS(silent, adjacency), value, rtol=1e-6)
    some = np.append(np.flatnonzero(adjacency[0] == 0)[:4], adjacency[0].argmax())
    np.testing.assert_allclose(LOSS(silent, adjacency, some), value, rtol=1e-6)


def test_loss_of_a_chain_by_hand():
    d, links = np.array([[[1.0, 0], [1, 0], [0, 1]]]), domains.adjacency(chain(3))
    assert LOSS(d, links)[0] == pytest.approx(1.794527, abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_loss_equals_double_loops(weighted):
    """Also where one kind of pair is missing: no edge at all, or a clique."""
    rng, (i, j) = np.random.default_rng(weighted), np.triu_indices(9, 1)
    slope = jax.jit(jax.grad(lambda *a: pairs.discriminator_loss(*a).sum()))
    for share in (0, 0.3, 0.6, 1):
        adjacency = random_graph(rng, 9, share, weighted)
        d = rng.normal(size=(4, 9, 3)).astype(np.float32)
        order, whole = rng.permutation(9), LOSS(d, adjacency)
        np.testing.assert_allclose(whole, reference(d, adjacency), rtol=1e-5)
        found = LOSS(d[:, order], adjacency[order][:, order])
        np.testing.assert_allclose(found, whole, rtol=1e-5)
        some = LOSS(d, adjacency, order[:5]), reference(d, adjacency, order[:5])
        np.testing.assert_allclose(*some, rtol=1e-5)
        assert np.isfinite(slope(d, adjacency)).all()
        expected, linked = 0.5, adjacency[i, j] > 0
        if 0 < share < 1:
            expected = [metrics.auc((x[i] * x[j]).sum(1), linked) for x in d]
        np.testing.assert_allclose(AUC(d, adjacency), expected, rtol=1e-5)


def setting(adversary, **changes):
    """Configuration, parameters without zeros, and a batch whose last slot is padding."""
    (config, batch), rng = adversarial.example(6), np.random.default_rng(1)
    plain = {"pairing": "independent", "sample_vertices": 0, "agree_weight": 0.3}
    config = config._replace(adversary=adversary, hidden=6, **(plain | changes))
    init = functools.partial(adversarial.init, config)
    shapes = jax.eval_shape(init, KEY, batch).params
    params = jax.tree.map(lambda x: np.float32(rng.normal(0, 0.6, x.shape)), shapes)
    batch["weight"][-1] = 0
    return config, params, jax.tree.map(jnp.asarray, batch)


def against(config, params, e, outputs, batch):
    """`(loss of the adversary, what the encoder raises)` `[slots]`, without reversal."""
    (name,) = set(params) - {"encoder", "predictor"}
    module = adversarial.players(config, e.shape[1])[name]
    given = (jax.nn.sigmoid(outputs),) if config.adversary == "cdann" else ()
    said = module.apply({"params": params[name]}, e, *given)
    source = batch["sources"] / batch["sources"].sum()
    target = (1 - batch["sources"]) / (1 - batch["sources"]).sum()
    if config.adversary == "graph":
        own = pairs.discriminator_loss(said, pairs.dense(batch["graph"]))
    elif config.adversary == "mdd":
        guess = jax.nn.one_hot(outputs.argmax(-1), config.outputs)
        p = (jax.nn.softmax(said) * guess).sum(-1)
        agree = -jnp.log(p + config.floor) @ source
        disagree = -jnp.log(1 - p + config.floor) @ target
        a, b = config.agree_weight, config.disagree_weight
        own = (a * agree + b * disagree) / (a + b)
    elif config.adversary == "adda":
        p = jax.nn.sigmoid(said[..., 0])
        own = -jnp.log(p) @ source - jnp.log(1 - p) @ target
        return own, jnp.log(p) @ target
    else:
        own = -jnp.einsum("bnn->bn", jax.nn.log_softmax(said)).mean(1)
    return own, own


def objectives(config, params, batch, strength):
    """`(sum, adversary's loss)`: all players' objectives, each with the others held."""
    hold, weight = jax.lax.stop_gradient, batch["weight"]
    z = jnp.broadcast_to(batch["graph"].nodes, batch["x"].shape)
    inputs = {"x": batch["x"], "z": z}
    e, outputs = (
        f(config, params, inputs) for f in (adversarial.encode, adversarial.apply)
    )
    share = jax.nn.softmax(outputs) * jax.nn.one_hot(batch["y"], config.outputs)
    cost = -jnp.log(share.sum(-1) + config.floor)[:, [0, 2]].mean(1)  # of sources
    own = weight @ against(config, params, hold(e), hold(outputs), batch)[0]
    raised = weight @ against(config, hold(params), e, hold(outputs), batch)[1]
    return weight @ cost + own - strength * raised, own


@pytest.mark.parametrize("adversary", PLAYED)
def test_every_player_follows_its_own_gradient(adversary):
    config, params, batch = setting(adversary)

    @jax.jit
    def both(params, strength):
        def total(params):
            return adversarial.loss(config, params, batch, strength=strength)

        def wanted(params):
            return objectives(config, params, batch, strength)

        return [jax.grad(f, has_aux=True)(params) for f in (total, wanted)]

    norms = []
    for strength in (0.0, 0.5, 1.0):
        (grads, sums), (wanted, own) = both(params, strength)
        assert_trees_close(grads, wanted, rtol=1e-4, atol=1e-5)
        found = sums["adversary"], sums["weight"]
        np.testing.assert_allclose(found, (own, 5), rtol=1e-5)
        rest = [g for name, g in grads.items() if name != "encoder"]
        norms.append([float(optax.tree.norm(g)) for g in rest])
    assert np.min(norms) > 0.01 and len(norms[0]) == 2
    np.testing.assert_allclose(norms, [norms[0]] * 3, rtol=1e-6)


def test_matched_slots_and_sub_graphs_keep_the_players_apart():
    config, params, batch = setting("graph", pairing="pseudo_label", sample_vertices=3)
    total = functools.partial(
        adversarial.loss, config, batch=batch, key=jax.random.key(3)
    )
    slope = jax.jit(jax.grad(lambda p, s: total(p, strength=s)[0]))
    none, half, full = (slope(params, strength) for strength in (0.0, 0.5, 1.0))
    for name in ("discriminator", "predictor"):
        assert_trees_close(none[name], full[name], rtol=1e-6, atol=1e-7)
    gap = jax.tree.map(jnp.subtract, full, none)
    assert optax.tree.norm(gap["encoder"]) > 0.01
    middle = jax.tree.map(lambda a, b: a + b / 2, none, gap)
    assert_trees_close(half, middle, rtol=1e-4, atol=1e-5)


def entropy(p):
    return special.entr(p) + special.entr(1 - p)


def game_value(density, adjacency):
    """`(H(mean alpha) - optimal L_d, alpha, p(u|e))` of `p(e|u) [N, M]`, uniform p(u)."""
    density = density / density.sum(1, keepdims=True)
    mass, posterior = density.mean(0), (density / density.sum(0)).T
    alpha = posterior @ adjacency @ posterior.T
    assert mass @ alpha @ mass == pytest.approx(adjacency.mean(), rel=1e-6)
    return entropy(adjacency.mean()) - mass @ entropy(alpha) @ mass, alpha, posterior


@pytest.mark.parametrize("n", [2, 5, 15])
def test_encoder_gains_nothing_beyond_constant_alpha(n):
    rng = np.random.default_rng(n)
    for share in [1] + [0.6] * 20:  # the clique, others
        adjacency = np.float64(random_graph(rng, n, share))
        adjacency[0, 1] = adjacency[1, 0] = 1
        gap, alpha, _ = game_value(rng.random((n, 7)), adjacency)
        assert np.ptp(alpha) > 1e-4 and gap > 1e-6
        gap, alpha, posterior = game_value(np.tile(rng.random(7), (n, 1)), adjacency)
        assert np.ptp(alpha) < 1e-12 and abs(gap) < 1e-12
        np.testing.assert_allclose(posterior, 1 / n)


@pytest.mark.parametrize("n", [3, 6])
def test_star_and_chain_bind_the_centre_only(n):
    rng, star = np.random.default_rng(n), np.zeros((n, n))
    star[1, np.arange(n) != 1] = 1  # with 3 domains this is the chain 0 - 1 - 2
    star += star.T
    density = rng.dirichlet(np.ones(7), n)
    assert game_value(density, star)[0] > 1e-3
    density[1] = np.delete(density, 1, axis=0).mean(0)
    gap, alpha, posterior = game_value(density, star)
    np.testing.assert_allclose(posterior[:, 1], 1 / n, rtol=1e-12)
    assert np.ptp(posterior[:, 0]) > 0.1  # leaves differ
    expected = 4 / 9 if n == 3 else 2 * (n - 1) / n**2
    np.testing.assert_allclose(alpha, expected, rtol=1e-12)
    assert abs(gap) < 1e-12


def test_discriminator_at_logit_alpha_has_the_optimal_loss():
    """Each pair of encodings is an expected edge: a soft target for the pair loss."""
    rng = np.random.default_rng(0)
    _, alpha, _ = game_value(rng.random((5, 7)), random_graph(rng, 5, 0.5))
    logits = special.logit(alpha)
    gram = logits - np.diag(np.diag(logits)) + 50 * np.eye(7)  # own pairs do not count
    values, vectors = np.linalg.eigh(gram)
    alpha = np.float32(alpha)
    loss = jax.jit(jax.value_and_grad(lambda d: 2 * pairs.pair_loss(d, alpha)[0]))
    value, slope = loss(np.float32(vectors * np.sqrt(values))[None])
    above = np.triu_indices(7, 1)
    assert value == pytest.approx(entropy(alpha[above]).mean(), rel=1e-5)
    np.testing.assert_allclose(slope, 0, atol=1e-5)
    assert np.all(loss(np.float32(1.1 * vectors * np.sqrt(values))[None])[0] > value)


def is_walk(order, linked):
    """Whether every step follows an edge to a new vertex, or had none to follow."""
    free = np.ones(len(linked), bool)
    for here, to in zip(order, order[1:], strict=False):
        free[here] = False
        near = linked[here] & free
        if near.any() and not near[to]:
            return False
    return True


@pytest.mark.parametrize("links", [DG15.graph, chain(8)], ids=["dg15", "chain"])
def test_walks_follow_edges_until_they_are_stuck(links):
    adjacency = domains.adjacency(links)
    n, linked, keys = len(adjacency), adjacency > 0, jax.random.split(KEY, 200)
    walk = jax.jit(jax.vmap(pairs.random_walks, (0, None, None)), static_argnums=2)
    for count in (1, n):
        orders = np.asarray(walk(keys, adjacency, count))
        assert orders.shape == (200, count)
        assert all(len(set(order)) == count for order in orders.tolist())
        assert all(is_walk(order, linked) for order in orders)
        assert set(orders[:, 0]) == set(range(n))  # they start anywhere
    steps = linked[orders[:, :-1], orders[:, 1:]]
    assert steps.any() and not steps.all()


def test_sub_graphs_are_uniform_or_walks():
    adjacency = domains.adjacency(chain(30))
    draw = jax.jit(jax.vmap(pairs.sample_subgraph, (0, None, None)), static_argnums=2)
    orders = np.asarray(draw(jax.random.split(KEY, 400), adjacency, 4))
    assert all(len(set(order)) == 4 for order in orders.tolist())
    walked = np.array([is_walk(order, adjacency > 0) for order in orders])
    assert abs(walked.mean() - 0.5) < 0.1
    expected = 4 * (~walked).sum() / 30
    counts = np.bincount(orders[~walked].ravel(), minlength=30)
    assert ((counts - expected) ** 2 / expected).sum() < 58  # chi-square, 0.1 %
    whole = draw(jax.random.split(KEY, 9), adjacency, 30)
    np.testing.assert_array_equal(np.sort(whole), np.tile(np.arange(30), (9, 1)))


@pytest.mark.parametrize("padding", [0, 2])
def test_matched_slots_hold_one_class_and_nothing_is_lost(padding):
    rng, kept = np.random.default_rng(0), 16 - padding
    weight = np.float32(rng.permutation(np.arange(16) >= padding))
    labels = rng.integers(0, 2, (16, 5))
    halves = [rng.permutation(np.arange(kept) % 2) for _ in range(5)]
    labels[weight > 0] = np.stack(halves, axis=1)
    number = np.broadcast_to(np.arange(16)[:, None], labels.shape)
    d = np.stack([labels, number], axis=-1).astype(np.float32)
    match = jax.jit(functools.partial(pairs.match, axis_name=None))
    found, left = map(np.asarray, match(KEY, labels, weight, d))
    assert left.tolist() == [1] * kept + [0] * padding
    assert np.ptp(labels, axis=1).any() and not np.ptp(found[:kept, :, 0], axis=1).any()
    for u in range(5):
        rows = found[:, u, 1].astype(int)
        assert sorted(rows) == list(range(16))
        np.testing.assert_array_equal(found[:, u], d[rows, u])
        np.testing.assert_array_equal(weight[rows], left)
    other = match(jax.random.key(1), labels, weight, d)[0]
    assert np.any(other[:kept] != found[:kept])  # other partners of the same class
    match = functools.partial(pairs.match, KEY, axis_name=parallel.AXIS)
    divided = [x.reshape(8, 2, *x.shape[1:]) for x in (labels, weight, d)]
    parts = jax.pmap(match, parallel.AXIS)(*divided)
    joined = [np.concatenate(part) for part in parts]
    assert_trees_close(joined, [found, left], rtol=0, atol=0)


def test_embedding_of_dg15_reconstructs_its_edges():
    z = embedding.fit_embedding(DG15.graph)
    assert z.shape == (15, 2) and z.dtype == np.float32
    found, above = embedding.quality(DG15.graph, z), np.triu_indices(15, 1)
    assert found.cross_entropy <= 0.36 and found.auc > 0.98
    score, target = (np.float64(z) @ z.T)[above], LINKED[above]
    cost = np.log1p(np.exp(np.where(target, -score, score))).mean()
    assert found == pytest.approx((cost, metrics.auc(score, target)), rel=1e-5)
    np.testing.assert_array_equal(embedding.fit_embedding(DG15.graph), z)
    assert np.any(embedding.fit_embedding(DG15.graph, seed=1) != z)
    assert embedding.quality(DG15.graph, 0 * z) == pytest.approx((np.log(2), 0.5))
    assert np.isnan(embedding.quality(chain(2), z[:2]).auc)  # no pair without an edge


def test_new_domain_goes_to_its_neighbors():
    known = graph.build(np.zeros((14, 0)), *np.triu(LINKED[:14, :14]).nonzero())
    old = embedding.fit_embedding(known)
    *first, new = embedding.fit_embedding(DG15.graph, fixed=old)
    np.testing.assert_array_equal(first, old)
    score, near = old @ new, LINKED[14, :14]
    assert score[near].mean() > 0 > score[~near].mean()


def test_bad_embeddings_are_refused():
    for n, dimensions, fixed, message in (
        (1, 2, None, "found 1 domains"),
        (3, 2, np.zeros((4, 2)), "at most 3 fixed"),
        (3, 2, np.zeros((2, 3)), "of 2 dimensions; found 3"),
    ):
        with pytest.raises(errors.InputError, match=message):
            embedding.fit_embedding(chain(n), dimensions, fixed=fixed)


def test_scores_by_hand():
    for rows, expected in (
        (np.full((5, 3), 1 / 3), 0),
        (np.eye(2)[[0, 1, 0, 1]], np.log(2)),
        (np.eye(2)[[0, 0]], 0),
        (np.array([[0.75, 0.25], [0.25, 0.75]]), np.log(2) - entropy(0.25)),
    ):
        assert selection.mutual_information(rows) == pytest.approx(expected)
    found = selection.neighborhood_density(np.eye(2)[np.arange(20) % 2])
    assert found == pytest.approx(np.log(9), abs=1e-4)
    spread = np.stack([np.linspace(0, 1, 20), np.linspace(1, 0, 20)], axis=1)
    assert selection.neighborhood_density(spread) < found - 0.1
    assert selection.movement([9.0, 1.0, 5.0] * 4 + [3.0] * 4, 15) == 0
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
    assert selection.choose([good, poor], tolerance=3.0) == 1
    assert selection.choose([poor, moving]) == 0  # none is both: all may be chosen
    assert selection.choose([good, good._replace(density=2.0)]) == 1


def test_a_silent_discriminator_knows_half_of_the_edges():
    adjacency = domains.adjacency(DG15.graph)
    np.testing.assert_allclose(AUC(np.ones((2, 15, 2)), adjacency), 0.5)
    drawn = pairs.sample_subgraph(jax.random.key(0), adjacency, 4)  # NumPy is fine, too
    assert len(set(np.asarray(drawn).tolist())) == 4


def test_slots_without_labels_do_not_dilute_the_loss():
    config, batch = adversarial.example(8)
    config = config._replace(adversary="none")
    init, evaluate = (
        jax.jit(x, static_argnums=0) for x in (adversarial.init, adversarial.evaluate)
    )
    params = init(config, jax.random.key(0), batch).params
    half = dict(batch, labelled=batch["labelled"].copy())
    half["labelled"][4:] = 0
    kept = {
        k: v[:4] if k in ("x", "y", "labelled", "weight") else v
        for k, v in batch.items()
    }
    whole = evaluate(config, params, half)
    part = evaluate(config, params, kept)
    for name in ("loss", "score"):
        np.testing.assert_allclose(whole[name] / 8, part[name] / 4, rtol=1e-5)
