"""Labels: those of single examples, averages, clipping, both orders; rank correlations."""

import itertools

import jax
import numpy as np
import pair_helpers as tiny
import pytest
from scipy import stats

from iclr22 import errors, metrics
from iclr22.nn import body, tokens
from iclr22.trans_encoder import bi_encoder, cross_encoder, labels

BI = bi_encoder.Config(bert=tiny.CONFIG, pooling="mean", tokens=8)
CROSS = cross_encoder.Config(bert=tiny.CONFIG, tokens=16)


def cross_params(scale=50.0):
    fresh = cross_encoder.init(CROSS, jax.random.key(3), None).params
    params = body.onto(tiny.encoder().params)(fresh)
    params["classifier"] = jax.tree.map(lambda x: scale * x, params["classifier"])
    return params


def test_vectors_do_not_depend_on_what_is_beside_them():
    texts, params = tiny.encoded(tiny.sentences()), tiny.encoder().params
    found = labels.embed(BI, params, texts, chunk=8)
    for row in (0, 7, len(found) - 1):
        alone = tokens.alone(texts, [row], 8)._asdict()
        one = bi_encoder.apply(BI, body.plain(params), alone)[0]
        np.testing.assert_allclose(found[row], one, rtol=1e-4, atol=1e-5)
    few = labels.embed(BI, params, texts, [3, 1])
    np.testing.assert_allclose(few, found[[3, 1]], rtol=1e-4, atol=1e-5)


def test_cosines_of_pairs_are_those_of_all():
    texts, params = tiny.encoded(tiny.sentences()), tiny.encoder().params
    first, second = np.array([0, 3, 3, 5]), np.array([1, 0, 3, 2])
    x = labels.embed(BI, params, texts)
    length = np.linalg.norm(x, axis=1)
    expected = (x @ x.T / np.outer(length, length))[first, second]
    found = labels.of_bi(BI, params, texts, first, second)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found[2] == pytest.approx(1, abs=1e-6) and found.std() > 1e-3


def test_cosines_are_taken_in_parts(monkeypatch):
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    first, second = np.random.default_rng(1).integers(9, size=(2, 25))
    whole = labels.cosines(x, first, second)
    monkeypatch.setattr(labels, "ROWS", 4)
    np.testing.assert_array_equal(labels.cosines(x, first, second), whole)
    assert not labels.cosines(np.zeros((2, 3), np.float32), [0], [1]).any()


def test_scores_of_pairs_are_those_of_single_pairs():
    texts, params = tiny.encoded(tiny.sentences()), cross_params()
    first, second = np.array([0, 4, 1]), np.array([1, 0, 0])
    found = labels.of_cross(CROSS, params, texts, first, second)
    for row in range(3):
        pair = tokens.together(texts, first[[row]], second[[row]], 16)._asdict()
        logit = float(cross_encoder.apply(CROSS, params, pair)[0])
        np.testing.assert_allclose(found[row], 1 / (1 + np.exp(-logit)), rtol=1e-4)
    assert found[0] != found[2]  # the order of a pair counts
    assert ((found > 0) & (found < 1)).all() and found.std() > 1e-3


def test_segments_and_padding_reach_the_cross_encoder():
    texts, params = tiny.encoded(["a b c", "d e"]), cross_params()
    pair = tokens.together(texts, [0], [1], 16)._asdict()
    plain = cross_encoder.apply(CROSS, params, pair)
    one = cross_encoder.apply(CROSS, params, pair | {"first": pair["lengths"]})
    longer = cross_encoder.apply(CROSS, params, pair | {"lengths": pair["lengths"] + 1})
    ids = np.where(np.arange(16) < pair["lengths"][:, None], pair["ids"], 7)
    noise = cross_encoder.apply(CROSS, params, pair | {"ids": ids})
    assert abs(plain - one) > 1e-4 and abs(plain - longer) > 1e-4
    np.testing.assert_allclose(noise, plain, rtol=1e-5)


def test_a_student_of_squared_errors_is_read_as_it_is():
    texts, params = tiny.encoded(tiny.sentences()), cross_params()
    config = CROSS._replace(objective="mse")
    pair = np.arange(8), np.arange(8) + 1
    rows = tokens.together(texts, *pair, 16)._asdict()
    logits = np.asarray(cross_encoder.apply(CROSS, params, rows))
    found = labels.of_cross(config, params, texts, *pair)
    np.testing.assert_allclose(found, np.clip(logits, 0, 1), rtol=1e-4, atol=1e-6)


def test_averages():
    each = np.array([[0.2, 0.4], [0.6, 1.0]])
    np.testing.assert_allclose(labels.averaged(each), [0.4, 0.7])
    np.testing.assert_allclose(labels.averaged(each, [3, 1]), [0.3, 0.55])
    for wrong in ([1.0], [1.0, 0.0]):
        with pytest.raises(errors.InputError, match="2 weights above 0"):
            labels.averaged(each, wrong)


def test_labels_are_cut_to_where_cross_entropy_has_an_optimum():
    found, share = labels.clipped(np.array([-0.16, 0.0, 0.3, 1.0, 1.0001]))
    assert found.min() >= 0 and found.max() <= 1 and share == pytest.approx(0.4)
    np.testing.assert_array_equal(found, [0, 0, 0.3, 1, 1])


def test_both_orders_have_equal_labels():
    first, second, values = labels.both_orders([0, 1, 2], [3, 4, 5], [0.1, 0.2, 0.3])
    seen = dict(zip(zip(first, second, strict=True), values, strict=True))
    assert len(first) == len(seen) == 6
    assert all(seen[b, a] == x for (a, b), x in seen.items())


def test_shuffled_labels_are_those_of_others():
    given = np.arange(50.0)
    found = labels.shuffled(given, 1)
    assert sorted(found) == given.tolist() and abs(metrics.spearman(found, given)) < 0.4
    assert (labels.shuffled(given, 1) == found).all()


# Rank correlations


def test_rank_correlation_with_ties():
    assert metrics.spearman([1, 2, 2, 3], [0.1, 0.4, 0.3, 0.2]) == pytest.approx(
        0.316228
    )
    random = np.random.default_rng(0)
    one, other = random.integers(5, size=(2, 60)), random.normal(size=60)
    for x, y in itertools.product(one, (one[0], other)):
        assert metrics.spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0])


def test_area_with_ties():
    score, positive = np.array([0.1, 0.4, 0.35, 0.35, 0.8]), np.array([0, 1, 1, 0, 1])
    assert metrics.auc(score, positive == 1) == pytest.approx(0.916667, abs=1e-6)


def test_sets_are_ranked_together():
    gold = np.array([1.0, 2, 3, 1, 2, 3])
    found = np.array([1.0, 2, 3, 11, 12, 13])
    each = [metrics.spearman(gold[x], found[x]) for x in (slice(3), slice(3, 6))]
    assert each == pytest.approx([1, 1]) and 0 < metrics.spearman(gold, found) < 1


def test_agreement_is_the_mean_of_all_pairs():
    scores = np.random.default_rng(0).normal(size=(4, 20))
    of = itertools.combinations(scores, 2)
    expected = np.mean([stats.spearmanr(x, y)[0] for x, y in of])
    assert metrics.agreement(scores) == pytest.approx(expected)


def test_what_is_constant_has_no_rank_correlation():
    assert np.isnan(metrics.spearman([1, 1, 1], [1, 2, 3]))
    assert np.isnan(metrics.agreement([[1, 2, 3], [2, 2, 2], [3, 2, 1]]))
