"""Distillation on one set of pairs: the table, the models, files and figures."""

import functools
import time

import numpy as np
from absl import logging

from experiments import run as runner
from experiments.trans_encoder import outputs, problem
from experiments.trans_encoder.problem import Problem
from iclr22 import loop, progress
from iclr22 import trans_encoder as method
from iclr22.trans_encoder import (
    artifact,
    labels,
    pipeline,
    recorded,
    selection,
    static,
    use,
)
from iclr22.trans_encoder.artifact import Model

TRAINED = (*pipeline.VARIANTS, "tsdae")


def distil(run: runner.Run) -> None:
    """All variants of every seed."""
    found = problem.load(run)
    models = run.options.models
    selection.rule_of(models.distillation.rule, found.dev is not None)
    run.trains(recorded.planned(found.data, models, run.options.variant))
    looks, taught = {}, np.zeros(0)
    for seed in progress.track(run.seeds, "seeds"):
        of = Trained(run, found, seed)
        run.cell(f"start-{seed}", of.start)
        for variant in run.options.variant:
            cell = run.cell(f"{variant}-{seed}", functools.partial(of.measure, variant))
            if variant == "mutual" and found.dev is not None:
                told = functools.partial(of.trusted, cell["looks"])
                run.cell(f"agreement-{seed}", told)
            if seed == run.seeds[0] and variant != "tsdae":
                looks[variant] = cell["looks"]
                taught = np.asarray(cell["taught"])
        loop.forget()
    outputs.draw(run, looks, taught)
    if model := kept(run):
        artifact.save(run.output("model.npz"), model)
        outputs.write_scores(run, found, model)
        if run.options.export:
            method.export(run.path("export"), model)
    run.summary = outputs.conclusions(run)


def _path(run, variant: str, seed: int):
    return run.path("models") / f"{variant}-{seed}.npz"


def kept(run: runner.Run) -> Model | None:
    """The model of the first seed: the mutual one if there is one, else the first."""
    order = [x for x in ("mutual", "self", "self_bi") if x in run.options.variant]
    return artifact.load(_path(run, order[0], run.seeds[0])) if order else None


class Trained:
    """Models of one seed; what several variants need is made once."""

    def __init__(self, run: runner.Run, found: Problem, seed: int):
        self.run, self.found, self.seed = run, found, seed
        self.options = run.options.models
        folder = run.path("training") / str(seed)
        self.given = {"seed": seed, "mode": run.mode}
        self.folder = folder

    @functools.cached_property
    def begun(self) -> pipeline.Begun:
        """Where students begin, and the first teacher."""
        folder = self.folder / "start"
        return pipeline.begin(
            self.found.data, self.options, directory=folder, **self.given
        )

    def start(self) -> dict:
        """Rows of the first teacher, with its noise, and of each encoder as it begins."""
        rows, other = [], self.begun.static is not None or self.options.noise
        if other:
            rows += self._rows("start", 0, self._teacher)
        for k, encoder in enumerate(self.begun.encoders):
            model = Model((pipeline.part(self.options, encoder),))
            own = self._rows("start", k, functools.partial(_score, model, "bi", 0))
            setting = problem.setting_of(self.run, self.found.names[k], own=bool(other))
            rows += [("start", setting, *row[2:]) for row in own]
        return {"rows": rows}

    def _teacher(self, first, second):
        """Labels of the first teacher for pairs that are in the pool; elsewhere its
        cosines, with noise of their own."""
        data, task = self.found.data, self.found.data.task
        if self.begun.static is not None:
            scores = _of_static(self.begun.static, first, second)
        else:
            one = pipeline.part(self.options, self.begun.encoders[0])
            scores = _score(Model((one,)), "bi", 0, first, second)
        known = pipeline.first_labels(data, self.options, self.begun, self.seed)
        sentences = np.array(task.sentences, object)
        pairs = zip(sentences[task.first], sentences[task.second], strict=True)
        label = dict(zip(pairs, known.tolist(), strict=True))
        stripped = [(a.strip(), b.strip()) for a, b in zip(first, second, strict=True)]
        drawn = np.random.default_rng((self.seed, 1)).normal(size=len(scores))
        noisy = scores + self.options.noise * drawn
        return np.array(
            [label.get(x, y) for x, y in zip(stripped, noisy.tolist(), strict=True)]
        )

    def _rows(self, variant, k, score):
        return problem.rows_of(self.run, self.found, variant, k, self.seed, score)

    def measure(self, variant: str) -> dict:
        """Train one variant; its rows."""
        if variant == "tsdae":
            folder = self.folder / "tsdae"
            model = pipeline.autoencoded(
                self.found.data, self.options, directory=folder, **self.given
            )
            return {
                "rows": self._rows(
                    "tsdae", 0, functools.partial(_score, model, "bi", 0)
                )
            }
        began = time.process_time()
        fitted = pipeline.train(
            self.found.data,
            self.options._replace(variant=variant),
            begun=self.begun,
            directory=self.folder,
            **self.given,
        )
        model = fitted.model
        if variant == "self":
            model = with_static(model, self.found, self.run.options.static_width)
        path = _path(self.run, variant, self.seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        artifact.save(path, model)
        logging.info("%s: %.0f processor seconds", variant, time.process_time() - began)
        return {
            "rows": self._rows_of(variant, model),
            "looks": fitted.looks,
            "taught": fitted.taught,
        }

    def trusted(self, looks) -> dict:
        """Rows of how far students that agree are right."""
        setting = problem.setting_of(self.run, " and ".join(self.found.names))
        found, name = selection.trust(looks), ("mutual", setting, self.seed)
        rows = [
            (*name, "agreement/correlation", found.correlation, ""),
            (*name, "agreement/cost", 100 * found.cost, ""),
        ]
        return {"rows": [x for x in rows if np.isfinite(x[4])]}

    def _rows_of(self, variant: str, model: Model) -> list:
        """Of a trained variant: which of its parts the table has."""

        def rows(name, by, k=0):
            return self._rows(name, k, functools.partial(_score, model, by, k))

        if variant == "shuffled":
            return rows("shuffled", "cross")
        if variant == "self_bi":
            return rows("self_bi", "bi")
        if variant == "self":
            return [x for y in use.WAYS for x in rows(y, y)]
        found = []
        for k in range(len(model.bi)):
            found += rows("mutual_bi", "bi", k) + rows("mutual_cross", "cross", k)
        return found


def _score(model: Model, by, which, first, second):
    return method.score(model, first, second, by=by, which=which)


def _of_static(one: static.Static, first, second):
    vectors = static.embed(one, static.texts_of(one, [*first, *second]))
    rows = np.arange(len(first))
    return labels.cosines(vectors, rows, len(first) + rows)


def with_static(model: Model, found: Problem, width: int) -> Model:
    """The model with a static encoder of its first bi-encoder, learned from the pairs'
    sentences."""
    sentences = found.data.task.sentences
    return model._replace(static=method.distil(model, sentences, width=width))
