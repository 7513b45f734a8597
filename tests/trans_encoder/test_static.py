"""Static encoders and nearest texts against dense algebra and sorting."""

import numpy as np
import pair_helpers as tiny
import pytest

from iclr22 import errors, neighbours
from iclr22.nn import tokens
from iclr22.trans_encoder import samples, static

WORDS = tiny.VOCABULARY


def vectors(seed=0, width=6):
    return np.random.default_rng(seed).normal(size=(12, width)).astype(np.float32)


def shares(texts):
    """Dense `[n, v]`: how often each token is in a text, over its length."""
    found = np.zeros((len(texts.lengths), 12))
    for row, (low, high) in enumerate(
        zip(texts.offsets[:-1], texts.offsets[1:], strict=True)
    ):
        for token in texts.tokens[low:high]:
            found[row, token] += 1 / (high - low)
    return found


def test_a_text_is_the_mean_of_its_tokens(monkeypatch):
    texts = tokens.of([[4, 5, 5], [], [11], [6, 7, 8, 9]], 1, 2)
    table = static.mean(vectors(), WORDS)
    expected = shares(texts) @ vectors()
    np.testing.assert_allclose(static.embed(table, texts), expected, atol=1e-6)
    monkeypatch.setattr(static, "CHUNK", 3)
    np.testing.assert_allclose(static.embed(table, texts), expected, atol=1e-6)


def test_frequent_tokens_count_less_and_what_all_have_is_removed():
    texts = samples.texts(50, 1)
    found = static.sif(vectors(), WORDS, texts)
    share = np.bincount(texts.tokens, minlength=12) / len(texts.tokens)
    weighted = vectors() * (1e-3 / (1e-3 + share))[:, None]
    x = shares(texts) @ weighted
    first = np.linalg.svd(x, full_matrices=False)[2][:1]
    expected = x - x @ first.T @ first
    np.testing.assert_allclose(static.embed(found, texts), expected, atol=1e-5)
    assert abs(static.embed(found, texts) @ first.T).max() < 1e-5


def test_ridge_is_that_of_the_normal_equations():
    texts = samples.texts(40, 2)
    design, targets = shares(texts), np.random.default_rng(3).normal(size=(40, 5))
    expected = np.linalg.solve(design.T @ design + 0.1 * np.eye(12), design.T @ targets)
    sparse = static._means(texts, 0, 40, 12)
    found = static.ridge(sparse, targets.astype(np.float32), 0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_static_teacher_is_found_again():
    """Vectors that are means of tokens can be learned, cosines and all."""
    texts, truth = samples.texts(400, 4), vectors(5)
    targets = shares(texts) @ truth
    blank = np.random.default_rng(6).normal(size=(12, 6))
    found = static.distilled(WORDS, blank, texts, targets, width=6, penalty=1e-4)
    pair = np.arange(200), 200 + np.arange(200)
    given = [static.embed(found, texts), targets]
    one, other = (np.einsum("nd,nd->n", *neighbours.unit(x)[[*pair],]) for x in given)
    assert np.corrcoef(one, other)[0, 1] > 0.95
    start = static.distilled(WORDS, truth, texts, targets, width=6, penalty=1e6)
    kept = neighbours.unit(static.embed(start, texts))
    assert np.abs(kept @ kept.T).mean() > 0.1  # not shrunk to nothing: to the tokens


def test_fewer_numbers_keep_the_main_directions():
    texts, truth = samples.texts(300, 4), vectors(5)
    truth[:, 2:] *= 0.01
    found = static.distilled(WORDS, truth, texts, shares(texts) @ truth, width=2)
    x, y = (
        neighbours.unit(z) for z in (static.embed(found, texts), shares(texts) @ truth)
    )
    assert found.table.shape == (12, 2)
    assert np.corrcoef((x @ x.T).ravel(), (y @ y.T).ravel())[0, 1] > 0.8


def test_shapes_that_do_not_fit():
    texts = samples.texts(5)
    with pytest.raises(errors.InputError, match="12 tokens"):
        static.mean(vectors()[:3], WORDS)
    with pytest.raises(errors.InputError, match="5 texts"):
        static.distilled(WORDS, vectors(), texts, np.ones((4, 6)))
    with pytest.raises(errors.InputError, match="penalty above 0"):
        static.distilled(WORDS, vectors(), texts, np.ones((5, 6)), penalty=0)


def test_files(tmp_path):
    made = static.sif(vectors(), WORDS, samples.texts(20))
    static.save(tmp_path / "static.npz", made)
    again = static.load(tmp_path / "static.npz")
    assert again.vocabulary == made.vocabulary
    np.testing.assert_array_equal(again.table, made.table)
    np.testing.assert_array_equal(again.removed, made.removed)
    static.save(tmp_path / "bad.npz", made._replace(vocabulary=WORDS[:3]))
    with pytest.raises(errors.InputError, match="12 vectors, 3 tokens"):
        static.load(tmp_path / "bad.npz")


# Nearest


def by_sorting(x, k):
    """The k best others; of equal cosines the first."""
    near = np.where(np.eye(len(x), dtype=bool), -np.inf, x @ x.T)
    order = np.argsort(-near, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(near, order, axis=1)


@pytest.mark.parametrize("k", [1, 4, 29])
@pytest.mark.parametrize(("rows", "columns"), [(1024, 8192), (7, 5), (30, 1)])
def test_nearest_is_sorting(k, rows, columns):
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    found = neighbours.nearest(x, k, rows=rows, columns=columns)
    order, near = by_sorting(neighbours.unit(x), k)
    np.testing.assert_array_equal(found.rows, order)
    np.testing.assert_allclose(found.cosines, near, atol=1e-6)


@pytest.mark.parametrize("columns", [3, 8, 64])
def test_of_equal_cosines_the_first(columns):
    x = np.eye(3, dtype=np.float32)[np.random.default_rng(1).integers(3, size=40)]
    found = neighbours.nearest(x, 6, rows=9, columns=columns)
    np.testing.assert_array_equal(found.rows, by_sorting(x, 6)[0])


def test_too_many_neighbours():
    with pytest.raises(errors.InputError, match="from 1 to 4"):
        neighbours.nearest(np.eye(5), 5)


def test_pairs_of_single_texts_are_near_and_far():
    x = np.random.default_rng(0).normal(size=(50, 3))
    first, second = neighbours.pairs(x, k=2, strangers=2)
    assert (first < second).all()
    seen = set(zip(first.tolist(), second.tolist(), strict=True))
    assert len(seen) == len(first) and {*first, *second} == set(range(50))
    near = by_sorting(neighbours.unit(x), 2)[0]
    assert all((min(i, j), max(i, j)) in seen for i in range(50) for j in near[i])
    assert len(first) > 120
    two = neighbours.pairs(np.eye(2))
    assert [x.tolist() for x in two] == [[0], [1]]


def test_histogram_spans_the_labels():
    counts, edges = neighbours.histogram([0.05, 0.15, 0.95, 1.0])
    assert counts.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (edges[0], edges[-1]) == (0, 1)
    assert neighbours.histogram([-0.5, 0.2])[1][0] == -0.5
