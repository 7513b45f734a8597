"""The certificate: a copier fails, an independent sample passes, numbers by brute force."""

import json

import numpy as np
import pytest

from iclr22 import errors
from iclr22.psa_gan import certificate

RANDOM = np.random.default_rng(0)


def sample(n, seed):
    """Noisy sines of any phase, height and level."""
    random = np.random.default_rng(seed)
    phase, level, height = random.random((3, n, 1))
    wave = np.sin(2 * np.pi * (np.arange(16) / 16 + phase))
    return level + height * wave + 0.1 * random.normal(size=(n, 16))


TRAIN, HOLDOUT = sample(500, 1), sample(500, 2)


def test_nearest_equals_brute_force_in_any_chunks(monkeypatch):
    a, b = RANDOM.normal(size=(30, 5)) + 100, RANDOM.normal(size=(20, 5)) + 100
    expected = [min(np.sqrt(np.mean((x - y) ** 2)) for y in b) for x in a]
    for entries in (1 << 22, 50, 1):
        monkeypatch.setattr(certificate, "ENTRIES", entries)
        np.testing.assert_allclose(certificate.nearest(a, b), expected)
    np.testing.assert_array_equal(certificate.nearest(a, a), 0)


def test_auc_counts_pairs():
    a, b = RANDOM.integers(0, 5, 30), RANDOM.integers(1, 6, 40)
    expected = np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b])
    assert certificate.auc(a, b) == pytest.approx(expected)


def test_an_independent_sample_passes(tmp_path):
    found = certificate.certify(TRAIN, HOLDOUT, sample(500, 3), seed=1)
    assert found.passed and found.reasons == ()
    assert found.auc_low < 0.5 < found.auc_high <= 0.55
    assert found.median_ratio == pytest.approx(1, abs=0.1)
    found.write(tmp_path / "certificate.json")
    read = json.loads((tmp_path / "certificate.json").read_text())
    assert read["passed"] is True and read["limits"]["auc"] == 0.55
    assert read["auc"] == found.auc and read["train"] == 500


def test_a_copier_fails():
    copies = TRAIN + 0.01 * RANDOM.normal(size=TRAIN.shape)
    found = certificate.certify(TRAIN, HOLDOUT, copies)
    assert not found.passed and len(found.reasons) == 4
    assert found.auc > 0.95 and found.near_copies > 0.95 and found.median_ratio < 0.2


def test_a_few_copies_fail():
    some = sample(500, 3)
    some[:40] = TRAIN[:40]
    found = certificate.certify(TRAIN, HOLDOUT, some)
    said = [x.split(":")[0] for x in found.reasons]
    assert "share of near copies" in said and "the 5 % quantile of it" in said
    assert found.median_ratio > 0.8


def test_an_interval_covers_chance(monkeypatch):
    """Of equal distributions the interval of 95 % misses one half rarely."""
    monkeypatch.setattr(certificate, "REPEATS", 100)
    missed = 0
    for seed in range(25):
        a, b = np.random.default_rng(seed).normal(size=(2, 60))
        low, high = certificate._interval(a, b, seed)
        missed += not low <= 0.5 <= high
    assert missed <= 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((TRAIN, HOLDOUT[:5], TRAIN), "held-out windows: expected 20 at least"),
        ((TRAIN, HOLDOUT, TRAIN[:, :8]), r"synthetic windows.*\[500, 8\]"),
        (
            (TRAIN, np.full_like(HOLDOUT, np.nan), TRAIN),
            "held-out windows: expected fin",
        ),
        ((TRAIN, TRAIN, TRAIN), "most of them are"),
    ],
)
def test_windows_that_do_not_fit_are_refused(given, said):
    with pytest.raises(errors.InputError, match=said):
        certificate.certify(*given)
