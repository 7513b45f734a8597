"""Policies are searched, looked at, and classifiers trained with them and without."""

import functools

import numpy as np

from experiments import run as runner
from experiments.deep_autoaugment import kept, outputs, problem
from experiments.deep_autoaugment.problem import Problem
from iclr22 import progress
from iclr22.data import download
from iclr22.deep_autoaugment import (
    baselines,
    files,
    health,
    pipeline,
    searching,
    training,
)

DEFAULTS = ("crop", "resized_crop", "flip", "cutout")  # what others add by hand
PUBLISHED_FILE = "images/deepaa_published_policies.json"
OURS, PUBLISHED = "deep_autoaugment", "published"
VARIANTS = (OURS, *baselines.BASELINES, PUBLISHED)
POLICIES = {"learned": OURS, "uniform": "uniform", "identity": "none"}  # as rows say


def learn(run: runner.Run) -> None:
    """Every seed: a search, unless a policy is given, and all variants."""
    pool = problem.load(run)
    searches = run.options.task == "search"
    first = Learned(run, problem.make(run, pool, run.seeds[0]), run.seeds[0])
    count = len(first.data.y), len(first.data.y_test)
    run.facts["images"] = "{} to learn from, {} to test on".format(*count)
    for seed in progress.track(run.seeds, "seeds"):
        again = seed != run.seeds[0]
        of = Learned(run, problem.make(run, pool, seed), seed) if again else first
        of.tell()
        if searches:
            run.cell(f"search-{seed}", of.search)
            run.cell(f"health-{seed}", of.health)
        for variant in run.options.variant:
            run.cell(f"{variant}-{seed}", functools.partial(of.classifier, variant))
    outputs.write(run, first, searches)


class Learned:
    """What is trained on the images of one seed."""

    def __init__(self, run: runner.Run, data: Problem, seed: int):
        self.run, self.data, self.seed = run, data, seed
        self.folder = run.path("training") / str(seed)
        self.told = {"seed": seed, "mode": run.mode}

    @functools.cached_property
    def prepared(self) -> searching.Prepared:
        """The data of the search, in parts."""
        options = self.data.models.search
        return searching.prepare(
            *self.data.train, options, seed=self.seed, names=self.data.names
        )

    @functools.cached_property
    def found(self) -> searching.Found:
        """The search, done or continued."""
        return searching.run(
            self.prepared, directory=self.folder / "search", **self.told
        )

    def tell(self) -> None:
        """What is trained, but with a policy that is not known yet."""
        run, found = self.run, {}
        if run.options.task == "search":
            found |= searching.planned(self.prepared)
        for variant in run.options.variant:
            if variant != OURS or run.options.task == "train":
                found[variant] = self.planned(variant)
        run.trains({f"{name}-{self.seed}": config for name, config in found.items()})

    def planned(self, variant: str):
        """The configuration of a classifier."""
        return pipeline.planned(self.data.train, self.data.models, self.policy(variant))

    def policy(self, variant: str):
        """The policy of a variant."""
        run = self.run
        if variant == PUBLISHED:
            path = download.data_root(run.data_dir) / PUBLISHED_FILE
            return files.load_published(path, "cifar_2")
        if variant != OURS:
            return self._baseline(variant)
        given = run.options.policy if run.options.task == "train" else ""
        return files.load_policy(kept.path_of(given) or self.path)

    def _baseline(self, variant: str):
        """A policy of others; what is in pixels as large a part of the image as in theirs."""
        make = baselines.BASELINES[variant]
        if variant == "none":
            return make()
        side = min(self.data.x.shape[1:3])
        cutout = 0 if variant == "flip_crop" else side // 2
        return make(pad=max(1, side // 8), cutout=cutout)

    @property
    def path(self):
        """Where the policy of this seed is kept."""
        return self.run.path("policies") / f"policy-{self.seed}.json"

    def search(self) -> dict:
        """Rows of the layers; the policy is kept."""
        found = self.found
        self.path.parent.mkdir(parents=True, exist_ok=True)
        files.save_policy(
            self.path,
            found.policy,
            image_size=self.data.x.shape[1:3],
            meta={"seed": self.seed, "images": len(self.data.y)},
        )
        chosen, shares = searching.without_control(
            found.transformations, found.probabilities
        )
        accuracy = training.accuracy(
            found.config, found.params, self.data.x_test, self.data.y_test
        )
        rows = [
            self._row(OURS, "search/layers", len(shares)),
            self._row(OURS, "search/network_accuracy", accuracy),
            self._row(
                OURS, "search/flip_share", 100 * _mass(chosen, shares, ("flip",)).max()
            ),
            self._row("uniform", "search/flip_share", 100 / len(chosen)),
        ]
        if len(shares) > 1:
            late = _mass(chosen, shares[1:4], DEFAULTS) / (1 - shares[1:4, 0])
            chance = _mass(chosen, np.ones((1, len(chosen))), DEFAULTS) / (
                len(chosen) - 1
            )
            rows += [
                self._row(OURS, "search/default_share", 100 * late.mean()),
                self._row("uniform", "search/default_share", 100 * chance.mean()),
            ]
        return {
            "rows": rows,
            "operations": [x.op for x in found.transformations],
            "values": [x.value for x in found.transformations],
            "probabilities": found.probabilities,
            "curves": found.curves,
        }

    def health(self) -> dict:
        """Rows of held-out cosines, and the verdict."""
        found = health.check(self.prepared, self.found, seed=self.seed)
        rows = []
        for name, values in found.cosines.items():
            rows.append(
                self._row(POLICIES.get(name, name), "search/cosine", values.mean())
            )
        gain = found.cosines["learned"] - found.cosines["identity"]
        rows.append(self._row(OURS, "search/cosine_gain", gain.mean()))
        if np.isfinite(found.control):
            rows += [
                self._row(OURS, "search/control_share", 100 * found.control),
                self._row("uniform", "search/control_share", 100 * found.chance),
            ]
        return {
            "rows": rows,
            "cosines": {name: x.tolist() for name, x in found.cosines.items()},
            "use": found.use,
            "reason": found.reason,
            "held": found.held,
        }

    def classifier(self, variant: str) -> dict:
        """Test accuracy of a classifier trained with a policy."""
        name = f"{variant}-{self.seed}"
        if name not in self.run.trained:
            self.run.trains({name: self.planned(variant)})
        config, params = training.fit(
            self.run.trained[name],
            *self.data.train,
            directory=self.folder / variant,
            **self.told,
        )
        accuracy = training.accuracy(config, params, self.data.x_test, self.data.y_test)
        setting = f"{len(self.data.y)} images, {config.steps} x {config.batch}"
        return {"rows": [(variant, setting, self.seed, "test/accuracy", accuracy, "")]}

    def _row(self, variant: str, metric: str, value):
        search_ = self.data.models.search
        config = search_.matching
        setting = f"{len(self.data.y)} images, {config.steps} x {config.groups} groups"
        return variant, setting, self.seed, metric, float(value), ""


def _mass(transformations, shares, names) -> np.ndarray:
    """Probability `[layers]` of operations of these names."""
    return shares[:, [x.op in names for x in transformations]].sum(axis=1)
