"""The certificate: bands, where they hold, files and the gate of a build."""

import json
import math

import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.factors import Factor, Grid
from iclr22.in_domain import bands, certificate, certificate_files, splits, trust

GRID = Grid(
    (
        Factor("shape", ("square", "ellipse", "heart"), "categorical"),
        Factor("scale", (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
        Factor("x", tuple(round(2 * i / 31, 6) for i in range(32))),
        Factor("y", tuple(i**2 for i in range(32))),
    )
)
TOP = np.array(GRID.sizes) - 1
NOISE = np.array([0.05, 0.03, 0.013, 0.013])


def measured(kind, split, seed=0, count=12_000, **options):
    """Certificate of a made-up model, and numbers that training has of each factor."""
    random = np.random.default_rng(seed)
    train, _ = splits.make_split("mini_dsprites", split)
    held = splits.held_out(GRID, train)
    numbers, inside = certificate.audit(GRID, train, count, seed=seed)
    if kind == "holes":
        numbers = np.rint(numbers)
        inside = np.isin(GRID.flat(numbers.astype(int)), train)
    target = numbers / TOP
    known = [np.flatnonzero(~x) for x in held]
    low, high = (np.array([x[i] for x in known]) / TOP for i in (0, -1))
    clipped = np.clip(target, low, high)
    noise = random.normal(size=target.shape) * NOISE
    missing = np.stack(
        [x[np.rint(v).astype(int)] for x, v in zip(held, numbers.T, strict=True)], 1
    )
    found = {
        "good": target + noise,
        "clamp": clipped + noise,
        "ends": clipped + noise * (0.5 + 1.5 * abs(2 * clipped - 1)),
        "spoilt": target
        + noise
        + ~inside[:, None] * random.normal(size=target.shape) * 0.3,
        "holes": target + noise + 0.3 * missing,
    }[kind]
    codes = certificate.parts(inside, seed=seed)
    return certificate.certify(found, numbers, GRID, codes, held, **options), known


@pytest.mark.parametrize("kind", ["clamp", "ends"])
def test_the_range_of_a_model_that_stays_in_its_training_range_is_found(kind):
    found, known = measured(kind, "extrapolation")
    for band, numbers in zip(found.bands, known, strict=True):
        assert 0.88 <= band.coverage <= 0.92
        assert band.trusted and not band.where
        assert abs(band.inside.numbers[-1] - numbers[-1]) <= 1
        assert band.inside.numbers[0] == numbers[0]
    x = found.bands[2]
    assert x.inside.exceptions == () and not x.inside.complete
    assert x.training == (0.0, pytest.approx(42 / 31, abs=1e-5))
    assert x.verdict == f"trust x inside {x.inside.text} only"
    assert x.by_value[31] == 0 and x.errors[31] == pytest.approx(-10 / 31, abs=0.01)
    assert (x.by_value[5] or 0) > 0.7 and abs(x.errors[5] or 0) < 0.01
    assert x.half_width_units == pytest.approx(2 * x.half_width, rel=1e-4)
    assert x.half_width_steps == pytest.approx(31 * x.half_width)
    assert found.bands[3].half_width_units is None  # not equally spaced


@pytest.mark.parametrize("split", ["random", "interpolation", "extrapolation"])
def test_a_good_model_is_trusted_everywhere(split):
    found, _ = measured("good", split, seed=1)
    assert found.passed
    for band in found.bands:
        assert band.inside.complete and 0.88 <= band.coverage <= 0.92
        assert band.interval[0] < band.coverage < band.interval[1]
        assert band.verdict == f"trust {band.factor} everywhere"
        expected = 1.645 * NOISE[GRID.names.index(band.factor)]
        assert band.half_width == pytest.approx(expected, rel=0.05)


def test_where_combinations_fail_the_box_shrinks_to_a_corner():
    found, _ = measured("spoilt", "composition", count=30_000)
    for band in found.bands:
        assert 0.87 <= band.coverage <= 0.93 and band.trusted
        used = {x.factor: x.numbers for x in (band.inside, *band.where)}
        tops = [used.get(name, (31,))[-1] for name in ("scale", "x", "y")]
        low = [top <= limit + 2 for top, limit in zip(tops, (1, 11, 11), strict=True)]
        assert sum(low) == 2  # of three factors at most one may be high


def test_values_in_between_that_fail_are_exceptions():
    found, known = measured("holes", "interpolation")
    for band, numbers in zip(found.bands[1:], known[1:], strict=True):
        assert band.inside.numbers == tuple(numbers)
        assert band.inside.ends == (
            GRID.factors[GRID.names.index(band.factor)].values[0],
            GRID.factors[GRID.names.index(band.factor)].values[-1],
        )
        assert 0.88 <= band.coverage <= 0.92
    assert found.bands[1].inside.text == "[0.5, 1] but 0.6, 0.9"


def test_a_model_that_reads_nothing_is_trusted_nowhere():
    random = np.random.default_rng(0)
    train, _ = splits.make_split("mini_dsprites", "extrapolation")
    numbers, inside = certificate.audit(GRID, train, 4000)
    guess = 0.5 + 0.01 * random.normal(size=numbers.shape)
    codes, held = certificate.parts(inside), splits.held_out(GRID, train)
    found = certificate.certify(guess, numbers, GRID, codes, held)
    assert not found.passed and not any(x.trusted for x in found.bands)
    assert "too wide" in found.bands[2].verdict
    assert certificate.gate(found) == tuple(x.verdict for x in found.bands)


def test_half_width_is_the_quantile_of_split_conformal_prediction():
    distances = np.random.default_rng(0).permutation(np.arange(1, 100))
    assert trust.half_width(distances, 0.1) == 90  # ceil(100 * .9)
    assert trust.half_width(distances[:9], 0.1) == max(distances[:9])
    assert math.isinf(trust.half_width(distances[:8], 0.1))
    random = np.random.default_rng(1)
    covered = []
    for _ in range(400):
        x = random.exponential(size=60)
        covered.append(x[-1] <= trust.half_width(x[:-1], 0.1))
    assert np.mean(covered) == pytest.approx(0.9, abs=0.045)


def test_limits_are_those_of_the_binomial():
    low, high = trust.limits([0, 3, 8, 0], [8, 8, 8, 0])

    def tail(p, k, upper):
        terms = [math.comb(8, i) * p**i * (1 - p) ** (8 - i) for i in range(9)]
        return sum(terms[k:] if upper else terms[: k + 1])

    assert low[0] == 0 and high[2] == 1 and (low[3], high[3]) == (0, 1)
    assert tail(low[1], 3, True) == pytest.approx(0.025)
    assert tail(high[1], 3, False) == pytest.approx(0.025)
    assert tail(high[0], 0, False) == pytest.approx(0.025)


def test_neighbours_with_few_images_share_a_slice():
    numbers = np.repeat(np.arange(6), [20, 5, 15, 30, 10, 3])
    assert trust.slices(numbers, 6, True).tolist() == [0, 1, 1, 2, 2, 2]
    assert trust.slices(numbers, 6, False).tolist() == [0, 1, 2, 3, 4, 5]
    assert trust.slices(numbers[:3], 6, True).tolist() == [0] * 6


def test_the_span_ends_where_others_outnumber():
    flags = np.array([1, 1, 0, 1, 0, 0, 1, 0], bool)
    all_known = np.ones(8, bool)
    assert trust.span(flags, np.arange(8) < 2) == (0, 1)
    assert trust.span(flags, all_known) == (0, 3)
    assert trust.span(np.arange(8) == 5, all_known) == (5, 5)


def test_a_certificate_comes_back_from_its_file(tmp_path):
    found, _ = measured("clamp", "extrapolation", count=4000)
    place = tmp_path / "certificate.json"
    found.write(place)
    np.testing.assert_equal(certificate.read(place)._asdict(), found._asdict())
    about = json.loads(place.read_text())
    assert about["passed"] is True and sum(about["images"].values()) == 4000
    assert about["factors"][1]["inside"]["text"] == "[0.5, 0.8]"
    nothing = found.bands[0]._replace(coverage=math.nan, half_width=math.inf)
    found._replace(bands=(nothing,)).write(place)
    assert math.isnan(certificate.read(place).bands[0].coverage)
    for text, message in (
        ("{", "found none"),
        ("[]", "format"),
        ('{"format": 3}', "format"),
        (json.dumps({"format": certificate_files.FORMAT}), "keys of a certificate"),
        (json.dumps(about | {"factors": [{"factor": "x"}]}), "keys of a certificate"),
    ):
        place.write_text(text)
        with pytest.raises(errors.InputError, match=message):
            certificate.read(place)
    with pytest.raises(errors.InputError):
        certificate.read(tmp_path / "none.json")


def test_a_build_is_stopped_for_what_is_not_trusted():
    found, _ = measured("clamp", "extrapolation")
    assert certificate.gate(found) == ()
    assert certificate.gate(found, require={"scale": (0.5, 0.8)}) == ()
    assert certificate.gate(found, require={"shape": ("heart",)}) == ()
    (reason,) = certificate.gate(found, require={"scale": (0.5, 1.0)})
    assert "scale" in reason and "[0.5, 0.8]" in reason
    (reason,) = certificate.gate(found, widest={"x": 0.01, "y": 2})
    assert reason.startswith("x: the band may be +-0.01")
    holes, _ = measured("holes", "interpolation")
    assert len(certificate.gate(holes, require={"scale": (0.5, 0.7)})) == 1
    assert certificate.gate(holes, require={"scale": (0.7, 0.8)}) == ()
    with pytest.raises(errors.InputError, match="scale"):
        certificate.gate(found, require={"scales": (0, 1)})


def test_audit_points_are_new_and_every_value_comes_as_often():
    train, _ = splits.make_split("mini_dsprites", "extrapolation")
    numbers, inside = certificate.audit(GRID, train, 20_000)
    assert (numbers[:, 0] == np.rint(numbers[:, 0])).all()
    assert (numbers >= 0).all() and (numbers <= TOP).all()
    count = np.bincount(np.rint(numbers[:, 1]).astype(int))
    np.testing.assert_allclose(count / 20_000, 1 / 6, atol=0.012)
    assert (numbers[inside] <= [2, 3, 21, 21]).all()
    assert 0.2 < inside.mean() < 0.32
    points, inside = certificate.audit(GRID, train, 5000, between=False)
    index = GRID.flat(points)
    assert len(np.unique(index)) == 5000
    np.testing.assert_array_equal(inside, np.isin(index, train))
    left = certificate.without(GRID, train, points)
    assert len(left) == len(train) - inside.sum() and not np.isin(index, left).any()
    with pytest.raises(errors.InputError, match="at most 18432"):
        certificate.audit(GRID, train, 18_433, between=False)


def test_parts_keep_a_share_of_both_kinds():
    inside = np.arange(1000) < 300
    codes = certificate.parts(inside, verify=0.4, seed=2)
    assert np.bincount(codes).tolist() == [180, 420, 400]
    assert (codes[inside] != certificate.SEARCH).all()
    assert np.bincount(codes[inside]).tolist() == [180, 0, 120]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"predictions": np.zeros((200, 3))}, r"expected shape \[200, 4\]"),
        ({"codes": np.zeros(200)}, "that verify; found 0"),
        ({"codes": np.full(200, 2)}, "that calibrate; found 0"),
        ({"codes": np.zeros(20)}, "one for each of 200"),
        ({"codes": np.full(200, 3)}, "to 2"),
        ({"alpha": 1.0}, "alpha"),
        ({"predictions": np.full((200, 4), np.nan)}, "non-finite"),
    ],
)
def test_what_cannot_be_certified_is_told(change, message):
    given = {
        "predictions": np.zeros((200, 4)),
        "numbers": np.zeros((200, 4)),
        "grid": GRID,
        "codes": np.arange(200) % 3,
        "held": tuple(np.zeros(x, bool) for x in GRID.sizes),
    }
    with pytest.raises(errors.InputError, match=message):
        certificate.certify(**(given | change))


@pytest.mark.slow
def test_coverage_stays_within_two_points_over_many_seeds():
    for kind, split in (("clamp", "extrapolation"), ("good", "any_low")):
        found = [measured(kind, split, seed, 20_000)[0] for seed in range(20)]
        coverage = np.array([x.coverage for one in found for x in one.bands])
        assert np.mean(abs(coverage - 0.9) <= 0.02) > 0.97
        assert coverage.mean() == pytest.approx(0.9, abs=0.004)
        assert all(isinstance(x, bands.Band) and x.trusted for x in found[0].bands)
