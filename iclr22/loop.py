"""The only training loop: resumes by itself, never waits for the device in between."""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import logging

from iclr22 import gradients, identity, parallel, progress, record, states, types
from iclr22.data import batching, streaming


class Schedule(NamedTuple):
    """How long to train and how often to do what, all in steps."""

    steps: int
    log_every: int = 100
    save_every: int = 500
    evaluate_every: int = 0  # 0: only after the last step
    scan: int = 1  # updates per call of the compiled step
    prefetch: int = 2  # calls whose batches are made ahead by a thread; 0: none


class Times(NamedTuple):
    """Where the wall time of a training went, from its first step to its last."""

    seconds: float  # in all
    waiting: float  # of these, for a batch, all steps done; prefetch 0: to make batches
    calls: int  # of the compiled step

    @property
    def idle(self) -> float:
        """Share of the time in which the step waited for a batch."""
        return self.waiting / max(self.seconds, 1e-9)


class NonFiniteLoss(FloatingPointError):
    """The loss became NaN or infinite; the message names the step."""


def fit(
    method: types.Method,
    config,
    batches: Callable[[int], dict],
    schedule: Schedule,
    *,
    seed: int = 0,
    mode: str = "jit",
    directory=None,
    valid=None,
    review: Callable | None = None,
    measure: Callable[[Any], Mapping[str, float]] | None = None,
    begin=None,
    name: str = "training",
    watch: Callable[[Times], None] | None = None,
) -> Any:
    """Train a method to the end of its schedule and return its last state.

    Args:
      method: a module with the seven names of `types.Method`.
      config: its configuration.
      batches: `step -> batch`, pure, so that a resumed run sees what it would have seen
        (`data.batching.make`, `data.streaming.make`). This process's slice of the global
        batch, in arrays that it does not use again: a thread makes batches ahead
        (`Schedule.prefetch`). A `data.batching.Whole` is brought to the devices once.
      schedule: length and intervals.
      seed: of initialisation and of everything random in the steps.
      mode: `jit` or `pmap`; the numbers are the same.
      directory: where checkpoints and metrics live; with one, a run continues from the
        newest checkpoint, and an interrupted run ends with the same numbers.
      valid: `() -> batches` for evaluation, or a dict of them by name; `Whole` for one
        batch that stays on the devices. Means are logged as `<name>/<quantity>`.
      review: `(state, means) -> state`, pure, after every evaluation and before the save
        of that step: to keep the best state, to cut a rate. Means are by that name.
      measure: `params -> numbers` on the host, at every evaluation, for what is no mean of
        sums (rank correlations, distances of distributions). Its names (`valid/spearman`)
        are logged and reviewed like means; parameters lie on the devices. Of several
        processes each must find the same.
      begin: parameters to start from (pre-trained, grown, of an earlier cycle), a pytree
        like the initial ones, or a function that makes it from them. Not looked at where
        a run continues from a checkpoint.
      watch: gets the `Times` after the last step.

    Raises:
      errors.InputError: `begin` does not fit the initial parameters; the directory holds
        checkpoints of other data or of another configuration.
      NonFiniteLoss: checked before every save, so the newest checkpoint is good.
    """
    on = parallel.devices(mode, _axes(method, batches))
    init = _compiled(parallel.compile_init, on, method.init, config)
    first = batches(0)
    state = init(jax.random.key(seed), first)
    with contextlib.ExitStack() as opened:
        saved = writer = found = None
        if directory:
            saved = states.Checkpoints(f"{directory}/checkpoints")
            opened.callback(saved.close)
            about = identity.describe(method, config, seed, batches, first)
            identity.claim(directory, about, going=bool(saved.steps()))
            found = saved.newest(state)
        start, state = found or (0, state)
        if found:
            logging.info("%s: resumed at step %d of %d", name, start, schedule.steps)
        elif begin is not None:
            state = gradients.begun(on, state, begin)
        if directory:
            writer = record.Writer(directory, resume_at=start)
            opened.callback(writer.close)
        looks = _Looks(valid, review, measure)
        run = _Run(method, config, on, schedule, writer, saved, looks)
        state = run.advance(state, start, batches, name)
    if watch and run.times:
        watch(run.times)
    return state


class _Looks(NamedTuple):
    """What is looked at when a run is evaluated."""

    valid: Any  # batches, or a dict of them by name
    review: Callable | None
    measure: Callable | None


class _Run:
    """One call of `fit`: what does not change from step to step."""

    def __init__(self, method, config, on, schedule, writer, saved, looks):
        self.method, self.config, self.on = method, config, on
        self.schedule, self.writer, self.saved = schedule, writer, saved
        valid = {} if looks.valid is None else looks.valid
        self.valid = valid if isinstance(valid, dict) else {"valid": valid}
        self.review, self.measure = looks.review, looks.measure
        self.placed = {}  # whole batches, by name, on the devices
        self.pending = []  # (step after it, device metrics), not yet looked at
        self.times = None

    def advance(self, state, step, batches, name):
        plan = self.schedule
        places = _places(step, plan)
        if not places:
            return state
        whole = isinstance(batches, batching.Whole)
        make = functools.partial(self._batch, batches)
        began = time.monotonic()
        ahead = streaming.Prefetch(make, iter(places), 0 if whole else plan.prefetch)
        with ahead:
            state = self._steps(state, places, ahead, whole, name)
        seconds = time.monotonic() - began
        self.times = Times(seconds, ahead.waited, len(places))
        if not whole and seconds > progress.QUIET_SECONDS:
            share = 100 * self.times.idle
            logging.info("%s: waited for batches %.1f %% of the time", name, share)
        return state

    def _steps(self, state, places, ahead, whole, name):
        plan = self.schedule
        bar = progress.Bar(plan.steps, name, start=places[0][0])
        for step, count in places:
            batch = ahead.next(before=self._settle)
            state, metrics = self._step(count, not whole)(state, batch)
            step += count
            self.pending.append((step, count, metrics))
            if plan.prefetch and not whole:
                self._settle(plan.prefetch)  # batches of steps to come take memory
            last = step == plan.steps
            if last or _crossed(step, count, plan.log_every):
                bar.update(step, self.flush())
            if last or _crossed(step, count, plan.evaluate_every):
                means = self._evaluate(state, step)
                state = self.review(state, means) if self.review else state
            if last or _crossed(step, count, plan.save_every):
                self._save(state, step)
        bar.close()
        return state

    def _batch(self, batches, place):
        """What the step at this place needs, on the devices."""
        if isinstance(batches, batching.Whole):
            return self._place("", batches)
        step, count = place
        batch = _stack([batches(step + i) for i in range(count)])
        return parallel.shard(self.on, batch, stacked=count > 1)

    def _step(self, count, stacked):
        return _compiled(
            parallel.compile_step,
            self.on,
            self.method.train_step,
            self.config,
            steps=count,
            stacked=stacked,
        )

    def _settle(self, behind: int = 0):
        """Wait until all steps are done but the last so many."""
        if len(self.pending) > behind:
            jax.block_until_ready(self.pending[-1 - behind][-1])

    def _place(self, name, batches):
        if name not in self.placed:
            on = self.on._replace(batch_axes=batches.axes)
            self.placed[name] = parallel.shard(on, batches(0))
        return self.placed[name]

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

    def _evaluate(self, state, step) -> dict[str, float]:
        found = {}
        if not self.writer and not self.review:
            return found
        for name, batches in self.valid.items():
            if isinstance(batches, batching.Whole):
                on = self.on._replace(batch_axes=batches.axes)
                placed = [self._place(name, batches)]
            else:
                on = self.on._replace(batch_axes=_axes(self.method, None))
                placed = (parallel.shard(on, batch) for batch in batches())
            means = _means(on, self.method, self.config, state.params, placed)
            found |= {f"{name}/{key}": value for key, value in means.items()}
        if self.measure:
            found |= {k: float(v) for k, v in self.measure(state.params).items()}
        if self.writer and found:
            self.writer.write(step, **found)
        return found

    def _save(self, state, step):
        if self.saved:
            self.flush()
            self.saved.save(step, parallel.for_checkpoint(self.on, state))


def score(
    method: types.Method, config, params, batches, *, mode="jit"
) -> dict[str, float]:
    """Run a method's `evaluate` over host batches, or a `Whole`; means per example."""
    on = parallel.devices(mode, _axes(method, batches))
    given = [batches(0)] if isinstance(batches, batching.Whole) else batches
    placed = (parallel.shard(on, batch) for batch in given)
    return _means(on, method, config, params, placed)


def _means(on, method, config, params, placed: Iterable) -> dict[str, float]:
    """Sums over all batches, divided once by their weight."""
    evaluate = _compiled(parallel.compile_evaluate, on, method.evaluate, config)
    total: dict[str, float] = {}
    for batch in placed:
        sums = jax.device_get(evaluate(params, batch))
        total = {k: total.get(k, 0.0) + float(v) for k, v in sums.items()}
    weight = total.pop("weight")
    return {k: v / weight for k, v in total.items()}


def _axes(method, batches):
    """Where batches divide over devices."""
    whole = isinstance(batches, batching.Whole)
    return batches.axes if whole else types.batch_axes(method)


def _compiled(compile_: Callable, on, function, config, **options) -> Callable:
    """`function` of a configuration, compiled by one of `parallel`, once for all runs."""
    leaves, structure = jax.tree.flatten(on.batch_axes, is_leaf=lambda x: x is None)
    layout = on.mode, on.mesh, tuple(leaves), structure
    return _kept(compile_, layout, function, config, **options)


@functools.lru_cache(maxsize=192)  # so that the next seed does not compile again
def _kept(compile_, layout, function, config, **options):
    mode, mesh, leaves, structure = layout
    on = parallel.Devices(mode, mesh, structure.unflatten(leaves))
    return compile_(on, functools.partial(function, config), **options)


def forget() -> None:
    """Drop all compiled programs: those of many configurations, one after the other, take
    more memory maps than Linux gives to a process."""
    _kept.cache_clear()
    jax.clear_caches()


def _places(step: int, plan: Schedule) -> list[tuple[int, int]]:
    """`(step, updates)` of every call that is left."""
    starts = range(step, plan.steps, plan.scan)
    return [(start, min(plan.scan, plan.steps - start)) for start in starts]


def _crossed(step: int, count: int, every: int) -> bool:
    return every > 0 and step // every != (step - count) // every


def _stack(batches):
    if len(batches) == 1:
        return batches[0]
    return jax.tree.map(lambda *x: np.stack(x), *batches)
