"""The search of layers, and what its health report says."""

import json

import jax
import numpy as np
import pytest

from iclr22 import errors, metrics
from iclr22.deep_autoaugment import (
    health,
    matching,
    pipeline,
    presets,
    searching,
    space,
)
from iclr22.deep_autoaugment.classifier import Config as Classifier


def images(each=24, seed=0):
    """Three classes: blobs on the left, in the middle, on the right."""
    random = np.random.default_rng(seed)
    y = np.arange(3 * each) % 3
    x = 30 * random.random((len(y), 8, 8, 1))
    for k, label in enumerate(y):
        x[k, 2:6, 1 + 2 * label : 3 + 2 * label] += 180
    return x.astype(np.uint8), y


def options(**changes):
    """A search of seconds."""
    config = matching.Config(
        layers=3,
        steps=6,
        groups=2,
        validation=6,
        copies=1,
        paths=1,
        learning_rate=0.3,
    )
    network = Classifier(depth=4, steps=30, batch=24, learning_rate=0.2)
    found = presets.Options(
        matching=config._replace(**changes), pretrain=network, levels=2
    )
    return found._replace(allow=("flip", "invert", "translate_x"))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """`(prepared, found, directory)` of one search."""
    folder = tmp_path_factory.mktemp("search")
    prepared = searching.prepare(*images(), options())
    return prepared, searching.run(prepared, directory=folder), folder


def test_the_policy_is_what_was_learned_without_the_control(found):
    prepared, done, _ = found
    assert prepared.transformations[-1].op == space.NOISE
    np.testing.assert_allclose(done.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert len(done.policy.layers) == len(done.probabilities) == len(done.curves)
    kept = done.probabilities[:, :-1] / (1 - done.probabilities[:, -1:])
    for layer, shares in zip(done.policy.layers, kept, strict=True):
        by = {(x.op, x.value): x.prob for x in layer}
        for one, share in zip(prepared.transformations, shares, strict=False):
            assert by.get((one.op, one.value), 0) == pytest.approx(share, abs=2e-4)
    assert all(np.isfinite(x).all() for x in done.curves)


def test_a_search_that_goes_on_ends_with_the_same_numbers(found, tmp_path):
    prepared, done, _ = found
    again = searching.run(prepared, directory=tmp_path)
    np.testing.assert_array_equal(again.probabilities, done.probabilities)
    once_more = searching.run(prepared, directory=tmp_path)  # nothing is left to do
    np.testing.assert_array_equal(once_more.probabilities, done.probabilities)
    assert again.policy == once_more.policy


def test_a_layer_of_identity_is_the_end(found):
    prepared, done, folder = found
    strict = prepared._replace(options=prepared.options._replace(identity=0.0))
    ended = searching.run(strict, directory=folder)
    assert len(ended.policy.layers) == 1  # the first layer always stays
    assert ended.dropped is not None and ended.dropped.sum() == pytest.approx(
        1, rel=1e-5
    )
    np.testing.assert_array_equal(ended.probabilities[0], done.probabilities[0])


def test_what_is_planned_is_what_trains(found):
    prepared, _, folder = found
    planned = searching.planned(prepared)
    for name, config in planned.items():
        path = folder / name / "training.json"
        if path.exists():
            about = json.loads(path.read_text())
            assert about["config"]["steps"] == str(config.steps)
    assert planned["layer-1"].first and not planned["layer-2"].first
    assert planned["pretrain"].classes == 3


def test_images_of_an_update_are_those_that_are_counted():
    config = matching.Config()
    config = config._replace(transformations=space.space())
    assert searching.images_of(config) == (3248, 2224)  # sheet, section 2.5
    assert searching.images_of(config._replace(first=False)) == (9920, 35584)


def test_presets_are_options_and_paper_is_as_published():
    paper = presets.preset("paper")
    assert paper.matching == matching.Config() and paper.levels == 13
    assert (paper.pretrain.depth, paper.pretrain.widen) == (40, 2)
    assert presets.preset("tiny").matching.steps < paper.matching.steps
    with pytest.raises(errors.InputError, match="tiny"):
        presets.preset("tyni")


def test_bad_input_is_one_error():
    x, y = images()
    with pytest.raises(errors.InputError, match="at least 65 images of each class"):
        searching.search(x, y)
    with pytest.raises(errors.InputError, match="identity"):
        searching.search(x, y, options()._replace(allow=("flip",), deny=("flip",)))
    with pytest.raises(errors.InputError, match="flop"):
        searching.search(x, y, options()._replace(deny=("flop",)))


def test_health_compares_equal_groups_and_judges(found):
    prepared, done, _ = found
    told = health.check(prepared, done, count=6)
    assert {"learned", "uniform", "identity"} <= set(told.cosines)
    assert all(x.shape == (6,) for x in told.cosines.values())
    again = health.check(prepared, done, count=6)
    np.testing.assert_array_equal(again.cosines["learned"], told.cosines["learned"])
    assert told.chance == 1 / len(prepared.transformations)
    assert told.control == pytest.approx(done.probabilities[0, -1])


def test_identity_is_the_gradient_of_single_images(found):
    """A policy without augmentation, by hand."""
    prepared, done, _ = found
    chosen, _ = searching.without_control(done.transformations, done.probabilities)
    config = prepared.options.matching._replace(
        transformations=chosen, network=done.config
    )
    source = searching.source(prepared, 0, held=True)
    layers = np.eye(1, len(chosen))
    values = health.cosines(config, done.params, layers, source, count=2)
    batch = source(0)
    exact = config._replace(first=True)
    params = {
        "logits": 200 * np.eye(1, len(chosen))[0].astype(np.float32),
        "before": matching.nothing(config.layers, len(chosen)),
        "network": done.params,
    }
    wanted = matching.matched(exact, params, batch, jax.random.key(9)).cosine
    np.testing.assert_allclose(values, wanted[:2], rtol=1e-4)


def test_verdicts():
    random = np.random.default_rng(0)
    base = random.normal(0.5, 0.05, 20)
    good = {"identity": base, "uniform": base + 0.05, "learned": base + 0.1}
    good = {k: x + 0.001 * random.normal(size=20) for k, x in good.items()}
    assert health.verdict(good, 0.01, 0.02)[0]
    use, reason = health.verdict(good, 0.03, 0.02)
    assert not use and "noise" in reason
    use, reason = health.verdict(good | {"learned": good["identity"] - 0.1}, 0.0, 0.02)
    assert not use and "worse than no augmentation" in reason
    noisy = good | {"learned": base + random.normal(0, 1, 20)}
    assert "cannot be told apart" in health.verdict(noisy, 0.0, 0.02)[1]
    mean, half = metrics.student(good["learned"] - good["identity"])
    assert mean - half > 0


def test_pipeline_searches_and_trains_with_what_it_found(tmp_path):
    chosen = pipeline.Options(
        search=options(layers=1, steps=2),
        train=Classifier(depth=4, steps=3, batch=12),
    )
    fitted = pipeline.train(images(), chosen, directory=tmp_path)
    assert fitted.found and fitted.policy == fitted.found.policy
    sides = {x.value for x in fitted.config.policy.layers[0] if x.op == "translate_x"}
    assert all(-x in sides for x in sides)  # mirrored
    given = pipeline.train(
        images(), chosen._replace(mirror=False), policy=fitted.policy
    )
    assert given.found is None and given.config.policy == fitted.policy
