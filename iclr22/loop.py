"""The only training loop: resumes by itself, never waits for the device in between."""

import functools
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import jax
import numpy as np
from absl import logging

from iclr22 import checkpoint, parallel, progress, record


class Schedule(NamedTuple):
    """How long to train and how often to do what, all in steps."""

    steps: int
    log_every: int = 100
    save_every: int = 500
    evaluate_every: int = 0  # 0: only after the last step
    scan: int = 1  # updates per call of the compiled step


class NonFiniteLoss(FloatingPointError):
    """The loss became NaN or infinite; the message names the step."""


def fit(
    method,
    config,
    batches: Callable[[int], dict],
    schedule: Schedule,
    *,
    seed: int = 0,
    mode: str = "jit",
    directory=None,
    valid: Callable[[], Iterable[dict]] | None = None,
    name: str = "training",
):
    """Train a method to the end of its schedule and return its last state.

    Args:
      method: a module with the seven names of `types.Method`.
      config: its configuration.
      batches: `step -> batch`, pure, so that a resumed run sees what it would have seen
        (`data.batching.make`). This process's slice of the global batch.
      schedule: length and intervals.
      seed: of initialisation and of everything random in the steps.
      mode: `jit` or `pmap`; the numbers are the same.
      directory: where checkpoints and metrics live; with one, a run continues from the
        newest checkpoint, and an interrupted run ends with the same numbers.
      valid: `() -> batches` for evaluation.

    Raises:
      NonFiniteLoss: checked before every save, so the newest checkpoint is good.
    """
    on = parallel.devices(mode, getattr(method, "BATCH_AXES", 0))
    init = functools.partial(method.init, config)
    state = parallel.place(on, init, jax.random.key(seed), batches(0))
    saved = checkpoint.Checkpoints(f"{directory}/checkpoints") if directory else None
    start = parallel.agree(saved.latest() or 0) if saved else 0
    if start:
        state = saved.restore(start, state)
        logging.info("%s: resumed at step %d of %d", name, start, schedule.steps)
    writer = record.Writer(directory, resume_at=start) if directory else None
    run = _Run(method, config, on, schedule, writer, saved, valid)
    try:
        return run.advance(state, start, batches, name)
    finally:
        if saved:
            saved.close()
        if writer:
            writer.close()


class _Run:
    """One call of `fit`: what does not change from step to step."""

    def __init__(self, method, config, on, schedule, writer, saved, valid):
        self.on, self.schedule, self.writer, self.saved = on, schedule, writer, saved
        self.valid = valid
        self.step = functools.partial(method.train_step, config)
        self.evaluate = parallel.compile_evaluate(
            on, functools.partial(method.evaluate, config)
        )
        self.compiled = {}
        self.pending = []  # (step after it, device metrics), not yet looked at

    def advance(self, state, step, batches, name):
        plan = self.schedule
        bar = progress.Bar(plan.steps, name, start=step)
        while step < plan.steps:
            count = self._count(step)
            batch = _stack([batches(step + i) for i in range(count)])
            batch = parallel.shard(self.on, batch, stacked=count > 1)
            state, metrics = self._compiled(count)(state, batch)
            step += count
            self.pending.append((step, count, metrics))
            last = step == plan.steps
            if last or _crossed(step, count, plan.log_every):
                bar.update(step, self.flush())
            if last or _crossed(step, count, plan.evaluate_every):
                self._evaluate(state, step)
            if last or _crossed(step, count, plan.save_every):
                self._save(state, step)
        bar.close()
        return state

    def _count(self, step: int) -> int:
        """Updates in the next call; scans stay aligned so that a resume repeats them."""
        return min(self.schedule.scan, self.schedule.steps - step)

    def _compiled(self, count):
        if count not in self.compiled:
            self.compiled[count] = parallel.compile_step(
                self.on, self.step, steps=count
            )
        return self.compiled[count]

    def flush(self) -> dict[str, float]:
        """Bring pending metrics to the host, check them, log their means."""
        totals, last = {}, 0
        for step, count, metrics in jax.device_get(self.pending):
            values = {k: np.reshape(v, (count, -1))[:, 0] for k, v in metrics.items()}
            bad = np.flatnonzero(~np.isfinite(values["loss"]))
            if len(bad):
                raise NonFiniteLoss(
                    f"the loss is {values['loss'][bad[0]]} at step "
                    f"{step - count + 1 + bad[0]}. The last good checkpoint is kept; "
                    "try a smaller learning rate or look for extreme inputs."
                )
            for key, value in values.items():
                totals.setdefault(key, []).extend(value.tolist())
            last = step
        self.pending = []
        means = {f"train/{k}": math.fsum(v) / len(v) for k, v in totals.items()}
        if self.writer and means:
            self.writer.write(last, **means)
        return means

    def _evaluate(self, state, step):
        if self.valid is None or not self.writer:
            return
        sums = evaluate(self.evaluate, self.on, state.params, self.valid())
        self.writer.write(step, **{f"valid/{k}": v for k, v in sums.items()})

    def _save(self, state, step):
        if self.saved:
            self.flush()
            self.saved.save(step, parallel.as_global(self.on, state))


def evaluate(compiled, on, params, batches: Iterable[dict]) -> dict[str, float]:
    """Means over all examples of `batches`, from a `parallel.compile_evaluate`."""
    total: dict[str, float] = {}
    for batch in batches:
        sums = jax.device_get(compiled(params, parallel.shard(on, batch)))
        total = {k: total.get(k, 0.0) + float(v) for k, v in sums.items()}
    weight = total.pop("weight")
    return {k: v / weight for k, v in total.items()}


def score(method, config, params, batches, *, mode="jit") -> dict[str, float]:
    """Compile and run a method's `evaluate` over host batches; means per example."""
    on = parallel.devices(mode, getattr(method, "BATCH_AXES", 0))
    compiled = parallel.compile_evaluate(on, functools.partial(method.evaluate, config))
    return evaluate(compiled, on, params, batches)


def _crossed(step: int, count: int, every: int) -> bool:
    return every > 0 and step // every != (step - count) // every


def _stack(batches):
    if len(batches) == 1:
        return batches[0]
    return jax.tree.map(lambda *x: np.stack(x), *batches)
