"""A generator trained to its end (sheet of the paper's claims): order of scores, daily
profile, the hour decides, noise matters. A few minutes."""

import numpy as np
import pytest

from iclr22.data.series import layouts, simulated, windows
from iclr22.psa_gan import fid, gan, generation, pipeline, quality, scores

pytestmark = pytest.mark.slow
LENGTH, COUNT, DAY = 32, 512, 24
MOVED = 5  # hours: from a peak to between the two


@pytest.fixture(scope="module")
def loads():
    return windows.scale(simulated.loads(days=120), cyclic=True)


@pytest.fixture(scope="module")
def model():
    config = gan.Config(length=LENGTH, calendar="cyclic", moment="score", steps=3000)
    panel = simulated.loads(days=120)
    return pipeline.train(panel, pipeline.Options(gan=config))


@pytest.fixture(scope="module")
def real(loads):
    """Windows whose places are told."""
    of = windows.make(loads, LENGTH, size=2 * COUNT)
    series, first = of.places(0)
    return series, first, of.at(series, first)["values"]


def made(model, loads, series, first, *, later=0, seed=0):
    """Windows of a generator that is told the features of `later` hours."""
    random = np.random.default_rng(seed)
    batch = {
        "series": series,
        "features": layouts.features(model.layout, series, first + later, LENGTH),
        "noise": random.standard_normal((len(series), LENGTH), np.float32),
        "context": np.zeros((len(series), 0), np.float32),
    }
    return generation.windows_of(model, batch)


def test_trained_is_between_floor_and_controls(model, loads, real):
    series, first, values = real
    ours = made(model, loads, series[:COUNT], first[:COUNT])
    encoder = fid.fit_encoder(loads, seed=0)
    rows = scores.score([encoder], values[:COUNT], values[COUNT:], {"ours": ours})
    found = {x.name: x.score for x in rows}
    assert found["real"] < found["ours"] < min(found["shuffled"], found["noise"])


def test_the_hour_decides(model, loads, real):
    series, first, values = real
    ours = made(model, loads, series, first)
    turned = made(model, loads, series, first, later=MOVED)

    def agree(x, moved):
        """Of the profiles over a day; each window less its mean, as series differ."""
        flat, other = (y - y.mean(axis=1, keepdims=True) for y in (values, x))
        phases = first % DAY, (first + moved) % DAY
        return quality.profile_correlation(flat, other, *phases, DAY)

    assert agree(ours, 0) > 0.8 and agree(turned, MOVED) > 0.8
    assert agree(turned, 0) < 0.2


def test_noise_matters_and_a_generator_without_it_is_found(model, loads, real):
    series, first = real[0][:64], real[1][:64]
    samples = [made(model, loads, series, first, seed=seed) for seed in range(16)]
    spread = np.ones(64) * real[2].std()
    assert quality.diversity(np.stack(samples), spread) > 0.05
    assert quality.diversity(np.stack([samples[0]] * 16), spread) < 1e-6


def test_windows_are_no_copies(model, loads, real):
    series, first, values = real
    ours = made(model, loads, series[:COUNT], first[:COUNT])

    def nearest(x, to):
        return np.min(np.linalg.norm(x[:, None] - to, axis=2), axis=1)

    apart = np.median(nearest(ours, values[:COUNT]))
    between = np.median(nearest(values[COUNT:], values[:COUNT]))
    assert apart > 0.5 * between
