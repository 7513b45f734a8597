"""One phase: K students learn the same labels, each by itself, and one state of each is kept.

A student is looked at a few times; its parameters at each look are files until all students
have learned and `selection` says which to keep. With a directory a phase that ended is read,
one that was interrupted goes on.
"""

import functools
import math
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from iclr22 import bundle, errors, loop, metrics, parallel
from iclr22.trans_encoder import selection
from iclr22.trans_encoder.batches import Batches
from iclr22.trans_encoder.selection import Look

KIND, VERSION = "trans_encoder student", 1
SAVES = 4  # checkpoints from one look to the next


class Lesson(NamedTuple):
    """What one student learns, and how it is looked at."""

    stage: Any  # module with the seven names
    config: Any  # its configuration; `steps` is filled in
    source: Batches
    begin: Any  # parameters, or a function of fresh ones
    score: Callable  # (config, params, first, second) -> scores [n]
    seed: int = 0


class Probe(NamedTuple):
    """Pairs that students are looked at on, rows of texts."""

    first: np.ndarray  # [m] without scores
    second: np.ndarray  # [m]
    labels: np.ndarray  # [m], what students learn of them
    dev: tuple[np.ndarray, np.ndarray] | None = None  # pairs that have scores
    gold: np.ndarray | None = None  # [d], these scores


class Kept(NamedTuple):
    """A student as it is kept."""

    config: Any
    params: Any  # on the host
    step: int
    dev: float  # rank correlation with a labelled set; nan without one
    criterion: float  # the quantity that it was chosen by; nan if none was compared


class Phase(NamedTuple):
    """All students of a phase, and the table of all looks."""

    students: list[Kept]
    looks: list[dict[str, float]]


def learn(
    lessons: Sequence[Lesson],
    probe: Probe,
    *,
    rule: selection.Rule = "auto",
    looks: int = 8,
    directory=None,
    mode: str = "jit",
    name: str = "student",
) -> Phase:
    """Train the students, one after the other, and choose a state of each.

    Args:
      lessons: one for each student.
      rule: see `selection.choose`.
      looks: at each student.
      directory: of checkpoints and of what is kept.
      name: of the phase, for progress.

    Raises:
      errors.InputError: `dev` without scores; a directory of another training.
    """
    rule = selection.rule_of(rule, probe.gold is not None)
    if directory is None:
        with tempfile.TemporaryDirectory() as folder:
            return _learn(lessons, probe, rule, looks, folder, mode, name, own=True)
    return _learn(lessons, probe, rule, looks, directory, mode, name, own=False)


def _learn(lessons, probe, rule, looks, directory, mode, name, own) -> Phase:
    """`own`: the directory is this process's and will be gone; else of all of them."""
    directory = pathlib.Path(directory)
    done = directory / "phase.npz"
    configs = [_planned(lesson) for lesson in lessons]
    if parallel.any_of_all(done.exists()):
        return _read(done, configs)
    seen = []
    for k, (lesson, config) in enumerate(zip(lessons, configs, strict=True)):
        folder = directory / f"student_{k}"
        writes = own or parallel.is_main()
        given = lesson, config, probe, rule, folder / "looks" if writes else None
        watcher = _Watcher(*given)
        every = math.ceil(config.steps / looks)
        loop.fit(
            lesson.stage,
            config,
            lesson.source,
            loop.Schedule(
                config.steps, evaluate_every=every, save_every=-(-every // SAVES)
            ),
            seed=lesson.seed,
            mode=mode,
            directory=None if own else folder,
            begin=lesson.begin,
            measure=watcher.measure,
            review=watcher.review,
            name=f"{name} {k}",
        )
        seen.append(_looks(folder / "looks"))
    return _chosen(configs, seen, probe, rule, directory, own)


def _planned(lesson):
    steps = lesson.config.epochs * lesson.source.per_epoch
    return lesson.config._replace(steps=lesson.config.steps or steps)


class _Watcher:
    """Looks at a student, and keeps files of what it saw."""

    def __init__(self, lesson, config, probe, rule, folder):
        self._score = functools.partial(lesson.score, config)
        self._probe, self._rule, self._folder = probe, rule, folder
        self._seen: tuple[float, np.ndarray] = (math.nan, np.zeros(0))

    def measure(self, params) -> dict[str, float]:
        """The student's scores; only a labelled set makes them a number."""
        probe, dev = self._probe, math.nan
        scores = self._score(params, probe.first, probe.second)
        if probe.dev is not None:
            dev = metrics.spearman(self._score(params, *probe.dev), probe.gold)
        self._seen = dev, scores
        teacher = metrics.spearman(scores, probe.labels)
        found = {"dev/spearman": dev, "probe/spearman": teacher}
        return {k: 100 * x for k, x in found.items() if math.isfinite(x)}

    def review(self, state, means):
        """The same state, written down."""
        del means
        dev, scores = self._seen
        if self._folder:
            params = jax.tree.map(_on_host, state.params)
            about = {"step": int(_on_host(state.step)), "dev": repr(dev)}
            path = self._folder / f"{about['step']:08d}.npz"
            trees = {"params": params, "scores": scores}
            bundle.save(path, KIND, VERSION, about=about, trees=trees)
            self._forget(path)
        parallel.barrier("look")
        return state

    def _forget(self, newest):
        """Leave the files that are still needed: all, or the best one, or the newest;
        of the others what they saw."""
        if self._rule == "agreement":
            return
        best, value = newest, -math.inf
        for path in sorted(self._folder.glob("*.npz")):
            dev = _look(path).dev
            if self._rule == "dev" and dev > value:  # never of nan
                best, value = path, dev
        for path in self._folder.glob("*.npz"):
            if path != best:
                _strip(path)


def _looks(folder) -> list[Look]:
    """All looks so far, in order."""
    return [_look(path) for path in sorted(folder.glob("*.npz"))]


def _on_host(x) -> np.ndarray:
    return np.asarray(x.addressable_data(0))


def _look(path) -> Look:
    def build(found):
        about = found.about
        return Look(about["step"], float(about["dev"]), found.trees["scores"])

    return bundle.load(path, KIND, VERSION, build)


def _strip(path) -> None:
    """Take the parameters out of a file of a look."""
    about, trees = bundle.load(path, KIND, VERSION, lambda x: (x.about, x.trees))
    if "params" in trees:
        trees = {"scores": trees["scores"]}
        bundle.save(path, KIND, VERSION, about=about, trees=trees)


def _chosen(configs, seen, probe, rule, directory, own) -> Phase:
    """Read what is kept, write it together, remove the rest."""
    places = selection.choose(rule, seen, probe.labels)
    values = selection.criteria(rule, seen, probe.labels)
    students = []
    for k, (config, place) in enumerate(zip(configs, places, strict=True)):
        look = seen[k][place]
        path = directory / f"student_{k}" / "looks" / f"{look.step:08d}.npz"
        params = bundle.load(path, KIND, VERSION, lambda x: x.trees["params"])
        compared = rule == "dev" or (rule == "agreement" and len(seen) > 1)
        value = float(values[k][place]) if compared else math.nan
        students.append(Kept(config, params, look.step, look.dev, value))
    phase = Phase(students, selection.table(seen, probe.labels))
    if own:
        return phase
    if parallel.is_main():
        _write(directory / "phase.npz", phase)
    parallel.barrier("phase")  # all have read what goes now
    if parallel.is_main():
        for k in range(len(students)):
            for part in ("looks", "checkpoints"):
                shutil.rmtree(directory / f"student_{k}" / part, ignore_errors=True)
    return phase


def _write(path, phase: Phase) -> None:
    about = {
        "looks": [{k: repr(x) for k, x in row.items()} for row in phase.looks],
        "students": [
            {"step": x.step, "dev": repr(x.dev), "criterion": repr(x.criterion)}
            for x in phase.students
        ],
        "configs": [repr(x.config) for x in phase.students],
    }
    trees = {str(k): x.params for k, x in enumerate(phase.students)}
    bundle.save(path, "trans_encoder phase", VERSION, about=about, trees=trees)


def _read(path, configs) -> Phase:
    """A phase that ended.

    Raises:
      errors.InputError: it is one of other configurations.
    """
    about, trees = bundle.load(
        path, "trans_encoder phase", VERSION, lambda x: (x.about, x.trees)
    )
    if about["configs"] != [repr(x) for x in configs]:
        raise errors.InputError(
            f"{path} is of students with other configurations. Choose another directory "
            "(--workdir)."
        )
    students = [
        Kept(config, trees[str(k)], x["step"], float(x["dev"]), float(x["criterion"]))
        for k, (config, x) in enumerate(zip(configs, about["students"], strict=True))
    ]
    looks = [{k: float(x) for k, x in row.items()} for row in about["looks"]]
    return Phase(students, looks)
