"""Variants and growth: configurations, parameters from depth to depth, interruptions."""

import types

import helpers
import jax
import numpy as np
import pytest

from iclr22 import errors, loop
from iclr22.data.series import simulated, windows
from iclr22.psa_gan import gan, networks, pipeline, timegan
from iclr22.psa_gan.pipeline import Options

PANEL = simulated.loads(3, series=3, days=14)
SMALL = gan.Config(length=16, width=4, embedding=2, batch=16, steps=44)


def config_of(variant, **changed):
    options = Options(variant=variant, gan=gan.Config()._replace(**changed))
    return pipeline.config_of(options, PANEL)


def test_configurations_of_all_variants():
    ours = config_of("psa_gan")
    assert (ours.series, ours.depth, ours.length, ours.context) == (3, 2, 32, 0)
    assert ours == gan.Config(series=3, depth=2)
    assert config_of("psa_gan", context=9).context == 0  # of psa_gan_c alone
    assert config_of("psa_gan_c") == ours._replace(context=16)
    assert config_of("psa_gan_c", context=9).context == 9
    assert config_of("no_fade") == ours._replace(fade=0.0)
    assert config_of("no_moment") == ours._replace(moment_weight=0.0)
    assert config_of("no_attention") == ours._replace(attention=False)
    plain = {"grow": False, "attention": False, "moment_weight": 0.0}
    assert config_of("plain_gan") == ours._replace(**plain)
    other = config_of("timegan", length=64)
    told = timegan.Config(series=3, length=64)
    assert other == told._replace(conditional=False)  # as published
    assert config_of("timegan_c", length=64) == told._replace(conditional=True)
    assert {type(config_of(x)) for x in pipeline.VARIANTS} == {type(ours), type(told)}


@pytest.mark.parametrize("length", [0, 4, 12, 48, 100])
def test_lengths_that_growth_cannot_reach_are_refused(length):
    with pytest.raises(
        errors.InputError, match=f"power of two from 8 on; found {length}"
    ):
        config_of("psa_gan", length=length)


def test_unknown_variants_are_refused():
    with pytest.raises(errors.InputError, match="Did you mean 'psa_gan_c'"):
        config_of("psa_gan_d")


@pytest.mark.parametrize("steps", [7, 45, 5000])
@pytest.mark.parametrize("grow", [True, False])
def test_updates_of_all_depths_are_the_steps(steps, grow):
    config = config_of("psa_gan", steps=steps, grow=grow, length=64)
    depths = range(networks.depth_of(64) + 1) if grow else [config.depth]
    each = [gan.updates(config._replace(depth=x)) for x in depths]
    assert sum(each) == steps and max(each) - min(each) < len(each)


def test_batches_are_windows_with_noise_of_their_own():
    config = pipeline.config_of(Options("psa_gan_c", SMALL), PANEL)
    data = windows.scale(PANEL)
    batches = pipeline.games(data, config, seed=2)
    one, again = batches(5), pipeline.games(data, config, seed=2)(5)
    helpers.assert_trees_close(one, again, rtol=0, atol=0)
    shapes = {name: x.shape for name, x in one.items()}
    assert shapes["noise"] == shapes["values"] == (16, 16)
    assert shapes["context"] == (16, 8) and shapes["share"] == (16,)
    assert one["share"].min() >= 0 and one["share"].max() < 1
    helpers.assert_trees_close(
        {k: x for k, x in one.items() if k not in ("noise", "share", "again")},
        batches.windows(5),
        rtol=0,
        atol=0,
    )
    for name in ("noise", "values", "share", "again"):
        others = (batches(6)[name], pipeline.games(data, config, 3)(5)[name])
        assert not any(np.array_equal(one[name], x) for x in others)
    parts = [
        batches._replace(windows=batches.windows._replace(part=(i, 2)))(5)
        for i in range(2)
    ]
    for name, whole in one.items():
        both = np.concatenate([x[name] for x in parts])
        np.testing.assert_array_equal(both, whole, err_msg=name)


def test_what_batches_are_made_of_has_a_digest():
    config = pipeline.config_of(Options("psa_gan", SMALL), PANEL)
    data = windows.scale(PANEL)
    found = {pipeline.games(data, config, 2).content()}
    assert pipeline.games(data, config, 2).content() in found
    found.add(pipeline.games(data, config, 3).content())
    found.add(pipeline.games(data, config._replace(length=32), 2).content())
    found.add(pipeline.games(data, config._replace(context=1), 2).content())
    other = data._replace(values=data.values + 1)
    found.add(pipeline.games(other, config, 2).content())
    assert len(found) == 5


def fitted_by(monkeypatch, variant, steps=45, **changed):
    """Calls that reach the loop, in place of a training: `(stage, config, options)`."""
    calls = []

    def fit(stage, config, batches, plan, **options):
        calls.append((stage, config, plan, options))
        made = {"generator": {"params": np.full(1, len(calls)), "spectral": {}}}
        if stage is timegan:
            made = {name: np.zeros(1) for name in (*timegan.GENERATING, "judge")}
        elif config.average:
            made["average"] = {"params": np.full(1, -len(calls)), "spectral": {}}
        return types.SimpleNamespace(params=made)

    monkeypatch.setattr(loop, "fit", fit)
    options = Options(variant, SMALL._replace(steps=steps, length=32, **changed))
    return pipeline.train(PANEL, options, seed=7), calls


def test_growth_continues_the_parameters(monkeypatch):
    model, calls = fitted_by(monkeypatch, "psa_gan")
    assert [config.depth for _, config, _, _ in calls] == [0, 1, 2]
    assert [plan.steps for _, _, plan, _ in calls] == [15, 15, 15]
    assert calls[0][3]["begin"] is None
    for i in (1, 2):
        assert calls[i][3]["begin"]["generator"]["params"] == i
    assert model.config.depth == 2 and model.params["generator"]["params"] == -3
    assert model.layout.ids == PANEL.ids and not model.layout.cyclic
    model, _ = fitted_by(monkeypatch, "psa_gan", calendar="cyclic")
    assert model.layout.cyclic  # generation tells the calendar as training did


def test_what_does_not_grow_is_trained_at_once(monkeypatch):
    _, calls = fitted_by(monkeypatch, "plain_gan")
    assert [(c.depth, plan.steps) for _, c, plan, _ in calls] == [(2, 45)]
    model, calls = fitted_by(monkeypatch, "timegan")
    assert [stage for stage, *_ in calls] == [timegan]
    assert set(model.params) == set(timegan.GENERATING)


def test_an_interrupted_training_goes_on_in_the_depth_it_was_in(tmp_path, monkeypatch):
    options = Options("psa_gan", SMALL)

    def train(name):
        return pipeline.train(PANEL, options, directory=tmp_path / name, seed=1)

    whole, crossed, asked = train("whole"), loop._crossed, []

    def cut(step, count, every):
        asked.append(step)
        if len(asked) > 4 and step >= 20:
            raise KeyboardInterrupt
        return crossed(step, count, every)

    monkeypatch.setattr(loop, "_crossed", cut)
    with pytest.raises(KeyboardInterrupt):
        train("cut")
    monkeypatch.undo()
    assert {x.name for x in (tmp_path / "cut").iterdir()} <= {"depth_0", "depth_1"}
    found = train("cut")
    helpers.assert_trees_close(found.params, whole.params, rtol=0, atol=0)
    again = pipeline.train(PANEL, options, seed=1)  # nothing is kept
    helpers.assert_trees_close(again.params, whole.params, rtol=0, atol=0)
    leaves = jax.tree.leaves(whole.params)
    assert all(np.isfinite(x).all() for x in leaves)
