"""Traces of runs: what is slowest, and what is said when nothing can be."""

import gzip
import json

import helpers
import jax
import jax.numpy as jnp
import pytest
from absl import flags
from toy import Toy

from experiments import profiling
from iclr22 import errors


@pytest.fixture
def toy():
    yield Toy()
    flags.FLAGS.unparse_flags()


def written(folder, *events, name="a"):
    """A trace with these events `(thread, start, duration, operation)`."""
    title = {"name": "thread_name", "ph": "M", "pid": 1, "tid": 9}
    lines = [title | {"args": {"name": "XLA Ops"}}]
    for thread, start, duration, operation in events:
        event = {"ph": "X", "pid": 1, "tid": thread, "ts": start, "dur": duration}
        details = {"hlo_op": operation, "hlo_module": "jit_f"} if thread != 9 else {}
        lines.append(event | {"name": operation, "args": details})
    lines.append(
        {"ph": "X", "pid": 1, "tid": 2, "ts": 0, "dur": 1e6, "name": "Compile"}
    )
    path = folder / "plugins" / f"{name}.trace.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps({"traceEvents": lines}).encode()))
    return path


def test_own_times_of_nested_operations_are_summed(tmp_path):
    written(
        tmp_path,
        *((1, 0, 1000, "while"), (1, 100, 300, "dot"), (1, 400, 500, "dot")),
        *((1, 450, 50, "copy"), (2, 0, 200, "dot"), (9, 0, 40, "all-reduce")),
    )
    found = profiling.slowest(tmp_path)
    expected = {"dot": (0.95, 3), "while": (0.2, 1), "copy": (0.05, 1)}
    by_name = {x.name: (pytest.approx(x.milliseconds), x.calls) for x in found}
    expected = {f"jit_f/{k}": v for k, v in expected.items()}
    assert by_name == expected | {"all-reduce": (0.04, 1)}
    assert sum(x.share for x in found) == pytest.approx(1)
    assert [x.name for x in profiling.slowest(tmp_path, 1)] == ["jit_f/dot"]
    lines = profiling.table(found).splitlines()
    assert lines[1].split() == ["0.95", "3", "76.6%", "jit_f/dot"]


def test_missing_and_empty_traces_say_what_to_do(tmp_path):
    with pytest.raises(errors.InputError, match="found none.*TensorBoard"):
        profiling.slowest(tmp_path)
    path = written(tmp_path)
    with pytest.raises(errors.InputError, match="nothing was computed.*--noresume"):
        profiling.slowest(tmp_path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(errors.InputError, match="expected a trace"):
        profiling.slowest(tmp_path)


def test_trace_ends_after_its_time_and_finds_operations(tmp_path):
    step = jax.jit(lambda x: jax.lax.scan(lambda c, _: (jnp.sin(c @ c), 0), x, None, 5))
    x = jnp.ones((200, 200))
    jax.block_until_ready(step(x))
    with profiling.trace(tmp_path / "a") as folder:
        jax.block_until_ready([step(x) for _ in range(3)])
    found = profiling.slowest(folder)
    assert found[0].milliseconds > 0 and sum(x.calls for x in found) >= 15
    with profiling.trace(tmp_path / "b", seconds=0.01):
        while not list((tmp_path / "b").rglob("*.trace.json.gz")):
            jax.block_until_ready(step(x))
    with pytest.raises(RuntimeError, match="of the study"):  # and another may start
        with profiling.trace(tmp_path / "c"):
            raise RuntimeError("of the study")


def test_flag_writes_the_trace_and_prints_the_table(toy, tmp_path, capsys):
    draw = toy.draw
    toy.draw = lambda run, seed: (
        jax.jit(jnp.tanh)(jnp.ones(9)) is None or draw(run, seed)
    )
    options = ("--profile", "--seeds=1", f"--workdir={tmp_path}")
    toy.launch(*options)
    table, closing = capsys.readouterr().out.rsplit("\n", 2)[:2]
    assert table.startswith("  total ms") and "tanh" in table
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
    helpers.check_outputs(tmp_path, closing, "toy")
    toy.launch(*options)  # everything is there: no operation, no table
    assert len(capsys.readouterr().out.splitlines()) == 1
