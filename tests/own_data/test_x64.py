"""JAX_ENABLE_X64 in the environment of a user: the same numbers, no error."""

import helpers
import jax
import numpy as np
import pytest

import iclr22
from experiments import paper
from iclr22 import loop, record, types
from iclr22.data import batching

STAGES = {
    name: stage
    for method in iclr22.available()
    for name, stage in iclr22.stages(method).items()
    if name in iclr22.trained()
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_every_stage_trains(name):
    stage = STAGES[name]
    config, batch = stage.example(size=16)
    plan = loop.Schedule(4, scan=2)
    source = batching.Whole(batch, types.batch_axes(stage))
    with jax.enable_x64(True):
        wide = jax.device_get(loop.fit(stage, config, source, plan).params)
    narrow = jax.device_get(loop.fit(stage, config, source, plan).params)
    for a, b in zip(jax.tree.leaves(wide), jax.tree.leaves(narrow), strict=True):
        assert a.shape == b.shape and np.all(np.isfinite(a) == np.isfinite(b))


@pytest.mark.slow
@pytest.mark.parametrize("name", paper.there())
def test_experiments_give_the_same_numbers(name, tmp_path):
    rows = {}
    for word in ("0", "1"):
        folder = tmp_path / word
        words = ["--quick", "--seeds=1", f"--workdir={folder}"]
        environment = {"env": helpers.environment() | {"JAX_ENABLE_X64": word}}
        process = helpers.start("-m", f"experiments.{name}", *words, **environment)
        helpers.finish(process, timeout=300)
        found = record.read_results(folder / "results.csv")
        rows[word] = [row for row in found if "seconds" not in row.metric]
        rows[word] = [(*row[:6], row.value) for row in rows[word]]
    assert rows["0"] == rows["1"]
