"""The table of scores: floor and controls, ratios under each encoder, their spread."""

import functools

import numpy as np
import pytest

from iclr22 import errors
from iclr22.psa_gan import controls, encoder, fid, frechet, scores

CONFIG = encoder.example(8)[0]._replace(steps=20)
SERIES = [np.sin(np.arange(90) / (2 + i)) for i in range(3)]
WINDOWS = np.random.default_rng(0).random((4, 50, 16)).astype(np.float32).cumsum(2)
REAL, OTHER, MADE, NOISE = WINDOWS


@functools.cache
def encoders():
    return [fid.fit_encoder(SERIES, CONFIG, seed=s) for s in (0, 1)]


def test_rows_have_ratios_to_the_shuffled_windows():
    rows = {
        x.name: x
        for x in scores.score(encoders(), REAL, OTHER, {"a": MADE, "b": 3 * NOISE})
    }
    assert list(rows) == ["real", "a", "b", "shuffled", "noise", "constant"]
    assert rows["shuffled"].ratio == 1 and rows["shuffled"].ratio_spread == 0
    assert rows["real"].ratio < 0.5 < rows["b"].ratio
    scores_, ratios, limits, plain = [], [], [], []
    for fitted in encoders():
        real, made_, mixed = (
            fid.embed(fitted, x) for x in (REAL, MADE, controls.shuffled(OTHER, 0))
        )
        both = frechet.whitened(real, made_), frechet.whitened(real, mixed)
        ratios.append(
            frechet.frechet_distance(*both[0]) / frechet.frechet_distance(*both[1])
        )
        beyond = [frechet.extrapolated(*x) for x in both]
        limits.append(beyond[0] / beyond[1])
        scores_.append(frechet.frechet_distance(real, made_))
        plain.append(scores_[-1] / frechet.frechet_distance(real, mixed))
    row = rows["a"]
    assert row.score == pytest.approx(np.mean(scores_))
    assert row.ratio == pytest.approx(np.mean(plain))
    assert row.ratio_spread == pytest.approx(np.std(plain, ddof=1))
    assert row.whitened == pytest.approx(np.mean(ratios))
    assert row.whitened_spread == pytest.approx(np.std(ratios, ddof=1))
    assert row.limit == pytest.approx(np.mean(limits))


def test_agreement_is_of_ranks():
    def rows(**ratios):
        return [scores.Row(k, 0, -x, 0, x, 0, 0) for k, x in ratios.items()]

    one, two = {"a": 0.1, "b": 0.2, "c": 5}, {"a": 1, "b": 30, "c": 31, "other": 0}
    assert scores.agreement(rows(**one), rows(**two)) == pytest.approx(1)
    two["c"] = 2  # the second and the third change places
    found = scores.agreement(rows(real=9, **one), rows(real=0, **two))
    assert found == pytest.approx(0.5)
    with pytest.raises(errors.InputError, match=r"three generators.*\['a', 'b'\]"):
        scores.agreement(rows(a=1, b=2, c=3), rows(a=1, b=2))


def test_one_encoder_has_no_spread_and_names_of_controls_are_taken():
    rows = scores.score(encoders()[:1], REAL, OTHER, {"a": MADE})
    assert all(x.ratio_spread == x.whitened_spread == 0 for x in rows)
    with pytest.raises(errors.InputError, match=r"2 encoders and \['shuffled'\]"):
        scores.score(encoders(), REAL, OTHER, {"shuffled": MADE})
    with pytest.raises(errors.InputError, match="found 0 encoders"):
        scores.score([], REAL, OTHER, {})
    with pytest.raises(errors.InputError, match=r"\[n, length\]"):
        scores.score(encoders(), REAL, OTHER, {"a": MADE[0]})
