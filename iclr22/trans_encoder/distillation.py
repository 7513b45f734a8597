"""Cycles of distillation between bi- and cross-encoders, of one encoder or several.

Liu et al., "Trans-Encoder: Unsupervised sentence-pair modelling through self- and
mutual-distillations", ICLR 2022. A cycle: bi-encoders label the pairs, cross-encoders learn
that and label them anew, bi-encoders learn that. Of several encoders labels are averaged,
cosines and sigmoids (section 2.5 of the paper): mutual distillation. Nothing else is shared,
so encoders may have other widths and vocabularies.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from absl import logging

from iclr22 import checkpoint
from iclr22.nn import body
from iclr22.nn.encoders import Encoder
from iclr22.trans_encoder import (
    batches,
    bi_encoder,
    cross_encoder,
    labels,
    phases,
    plans,
)
from iclr22.trans_encoder.phases import Kept, Lesson, Phase, Probe
from iclr22.trans_encoder.plans import Options, Student
from iclr22.trans_encoder.tasks import Task


class Cycle(NamedTuple):
    """What a cycle did; labels are those that were learned, `[n]`."""

    cross_labels: np.ndarray  # of the bi-encoders before
    cross: Phase
    bi_labels: np.ndarray  # of the cross-encoders
    bi: Phase
    seconds: float


class Result(NamedTuple):
    """All cycles, and of each encoder the best two students of all cycles."""

    cycles: list[Cycle]
    bi: list[Kept]
    cross: list[Kept]


def distil(
    encoders: Sequence[Encoder],
    task: Task,
    options: Options | None = None,
    *,
    plain: Sequence[Encoder] | None = None,
    given: np.ndarray | None = None,
    weights=None,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> Result:
    """Run all cycles.

    Args:
      encoders: one, for self-distillation, or several.
      plain: encoders that cross-encoders begin at; the same if None.
      given: labels `[n]` of the first cycle by another teacher; the encoders' cosines if
        None.
      weights: of encoders, in averages.
      directory: a run with one goes on where it was interrupted.

    Raises:
      errors.InputError: no encoder, no cycle, other labels than one finite number for each
        pair, selection by a labelled set without one, a type that is not computed in here,
        a directory of another run.
    """
    options = Options() if options is None else options
    given = plans.checked(encoders, task, options, given)
    every = plans.students(encoders, task, options.bi.tokens, plain)
    folder = plans.claimed(directory, options, task, seed, given, (every, weights))
    run = Run(every, task, options, weights, seed, mode)
    done: list[Cycle] = []
    for number in range(options.cycles):
        place = folder and folder / f"cycle_{number}"
        done.append(run.cycle(number, given, done[-1] if done else None, place))
    return Result(done, best([x.bi for x in done]), best([x.cross for x in done]))


class Run:
    """What does not change from cycle to cycle."""

    def __init__(self, every, task, options, weights, seed, mode):
        self.every: list[Student] = every
        self.task, self.options, self.weights = task, options, weights
        self.seed, self.mode = seed, mode
        count = min(options.probe, len(task.first))
        random = np.random.default_rng(seed)
        self.probe = np.sort(random.choice(len(task.first), count, replace=False))

    def cycle(self, number, given, last: Cycle | None, folder) -> Cycle:
        """One cycle.

        Args:
          given: labels of the first one; None: by the encoders.
          last: the cycle before.
        """
        began = time.monotonic()
        taught = given if last is None else None
        if taught is None:
            taught = self._kept(folder, "cosines", lambda: self.cosines(self._bi(last)))
        if self.options.shuffle and last is None:
            taught = labels.shuffled(taught, self.seed)
        taught = self._within(taught)
        cross = self.learn_cross(number, taught, last and last.cross, folder)
        again = self._kept(folder, "scores", lambda: self.scores(cross.students))
        bi = self.learn_bi(number, again, last and last.bi, folder)
        return Cycle(taught, cross, again, bi, time.monotonic() - began)

    def _bi(self, last: Cycle | None) -> list[Kept]:
        """Bi-encoders of the cycle before, or those of the beginning."""
        own = plans.beginning([x.encoder for x in self.every], self.options)
        return last.bi.students if last else own

    def _kept(self, folder, name, compute) -> np.ndarray:
        """Labels, read from a file if there is one."""
        if folder is None:
            return compute()
        return checkpoint.cell(folder, name, lambda: {"labels": compute()})["labels"]

    def _within(self, taught):
        if not self.options.clip:
            return taught
        taught, share = labels.clipped(taught)
        if share:
            logging.info("%.1f %% of labels are cut to 0 and 1", 100 * share)
        return taught

    def cosines(self, of: Sequence[Kept]) -> np.ndarray:
        """Labels `[n]` by bi-encoders."""
        return self._averaged(labels.of_bi, of)

    def scores(self, of: Sequence[Kept]) -> np.ndarray:
        """Labels `[n]` by cross-encoders."""
        return self._averaged(labels.of_cross, of)

    def _averaged(self, read, of):
        pairs = self.task.first, self.task.second
        found = [
            read(kept.config, kept.params, student.texts, *pairs)
            for kept, student in zip(of, self.every, strict=True)
        ]
        return labels.averaged(found, self.weights)

    def learn_cross(self, number, taught, before, folder) -> Phase:
        """Cross-encoders of labels, each pair in both orders if the task is symmetric."""
        pairs = self.task.first, self.task.second, taught
        pairs = labels.both_orders(*pairs) if self.task.symmetric else pairs
        given = cross_encoder, self.options.cross, labels.of_cross
        begins = [x.plain for x in self.every]
        return self._learn(number, given, pairs, taught, begins, before, folder)

    def learn_bi(self, number, taught, before, folder) -> Phase:
        """Bi-encoders of labels."""
        pairs = self.task.first, self.task.second, taught
        given = bi_encoder, self.options.bi, labels.of_bi
        begins = [x.encoder.params for x in self.every]
        return self._learn(number, given, pairs, taught, begins, before, folder)

    def _learn(self, number, given, pairs, taught, begins, before, folder) -> Phase:
        stage, config, read = given
        if self.options.begin == "sequential" and before is not None:
            begins = [x.params for x in before.students]
        together, lessons = stage is cross_encoder, []
        for k, (student, begin) in enumerate(zip(self.every, begins, strict=True)):
            own = np.random.SeedSequence((self.seed, number, together, k))
            seed = int(own.generate_state(1)[0] >> 1)
            source = batches.pairs(
                student.texts,
                *pairs,
                together=together,
                size=config.batch,
                limit=config.tokens,
                seed=seed,
                devices=jax.device_count(),
            )
            mine = config._replace(bert=student.encoder.config)
            score = _reader(read, student.texts)
            lessons.append(Lesson(stage, mine, source, body.onto(begin), score, seed))
        kind = "cross" if together else "bi"
        return phases.learn(
            lessons,
            self._probed(taught),
            rule=self.options.rule,
            looks=self.options.looks,
            directory=folder and folder / kind,
            mode=self.mode,
            name=f"cycle {number + 1}, {kind}-encoder",
        )

    def _probed(self, taught) -> Probe:
        rows = self.probe
        pairs = self.task.first[rows], self.task.second[rows]
        return Probe(*pairs, taught[rows], self.task.dev, self.task.gold)


def _reader(read, texts):
    def score(config, params, first, second):
        return read(config, params, texts, first, second)

    return score


def best(of: Sequence[Phase]) -> list[Kept]:
    """Of each encoder the best student of all phases, by what they were chosen by; the
    first of equal ones, the last where nothing was compared."""
    found = []
    for each in zip(*(phase.students for phase in of), strict=True):
        values = np.array([x.criterion for x in each])
        known = np.isfinite(values).all()
        found.append(each[int(values.argmax())] if known else each[-1])
    return found
