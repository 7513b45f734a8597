"""Every model on every split: how well it reads factors, and where it can be trusted."""

import functools
import importlib.util
from typing import Any

import numpy as np

from experiments import run as runner
from experiments.in_domain import outputs, problem
from iclr22 import errors, progress
from iclr22.data.factors import FactorImages, renderers
from iclr22.in_domain import (
    analyses,
    artifact,
    certificate,
    disentanglement,
    evaluating,
    models,
    pipeline,
    shift_scores,
    splits,
)

ORACLES = ("clamp_oracle", "train_mean")
SEEN = 2000  # training images whose features the score of a shift is compared with


def compare(run: runner.Run) -> None:
    """All seeds, splits and models; figures and the certificate at the end."""
    images = problem.load(run)
    tell(run, [Part(run, images, x, s) for x in run.options.split for s in run.seeds])
    for seed in progress.track(run.seeds, "seeds"):
        for split in run.options.split:
            part = Part(run, images, split, seed)
            run.cell(f"oracles-{split}-{seed}", part.oracles)
            for model in run.options.model:
                name = f"{model}-{split}-{seed}"
                run.cell(name, functools.partial(part.model, model))
    outputs.write(run, images)


def tell(run: runner.Run, parts) -> None:
    """What is trained, before anything is; all splits are possible here."""
    images = parts[0].images
    names = images.grid.names
    for factor in outputs.required(run.options.require):
        if factor not in names:
            raise errors.nearest(factor, names, "factor")
    for model in run.options.model:
        found = pipeline.planned(model, images, run.options.models)
        run.trains({f"{model}.{stage}": config for stage, config in found.items()})
    for part in parts:
        part.check()
    sizes = {x.split: f"{len(x.train)} + {len(x.test)}" for x in parts}
    run.facts["images (train + test)"] = ", ".join(f"{k} {v}" for k, v in sizes.items())
    held = {x.split: len(x.apart) for x in parts if len(x.apart)}
    if held:
        run.facts["held out of training, for bands"] = ", ".join(
            f"{k} {v}" for k, v in held.items()
        )


def _held(share: float, images: int, split: str) -> int:
    """How many training images of a user are held out: this share of them, and enough for
    a certificate.

    Raises:
      errors.InputError: that would be more than half of them.
    """
    if images < 2 * certificate.HELD:
        raise errors.InputError(
            f"--split={split}: expected {2 * certificate.HELD} training images or more, "
            f"half of which show where bands hold; found {images}. Bring more images, or "
            "leave this split out of --split"
        )
    return max(round(share * images), certificate.HELD)


class Part:
    """Images of one split and seed."""

    def __init__(self, run: runner.Run, images: FactorImages, split: str, seed: int):
        self.run, self.images, self.split, self.seed = run, images, split, seed
        self.train, self.test = splits.make_split(images, split, seed=seed)
        options, random = run.options, np.random.default_rng((seed, 11))
        self.apart = np.empty(0, np.int64)  # training points that nothing is trained on
        if not images.renderer:
            count = _held(options.hold, len(self.train), split)
            chosen = random.permutation(len(self.train))
            self.apart = np.sort(self.train[chosen[:count]])
            self.train = np.sort(self.train[chosen[count:]])
        if options.test_size and options.test_size < len(self.test):
            self.test = np.sort(random.permutation(self.test)[: options.test_size])
        self.held = splits.held_out(images, self.train)

    def check(self) -> None:
        """Refuse what a certificate would refuse after the training."""
        if self.images.renderer:
            like = self._points()[1].sum()
            if like < certificate.HELD:
                raise errors.InputError(
                    f"--audit={self.run.options.audit}: expected {certificate.HELD} images "
                    f"or more like those of training; {self.split} finds {like}. Ask for "
                    "more"
                )

    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        """Where a certificate looks between the points of the grid: numbers, inside."""
        count = self.run.options.audit
        return certificate.audit(self.images.grid, self.train, count, seed=self.seed)

    @functools.cached_property
    def shown(self) -> np.ndarray:
        """Test images, float32."""
        return self.images.images(evaluating.rows_of(self.images, self.test))

    @functools.cached_property
    def audited(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`(images, numbers [n, f], inside [n])` that the certificate is found on: drawn
        between the points of the grid, or images that are held out and those of the test."""
        grid = self.images.grid
        if self.images.renderer:
            numbers, inside = self._points()
            return self._drawn(numbers), numbers, inside
        points = np.concatenate([self.apart, self.test])
        x = self.images.images(evaluating.rows_of(self.images, points))
        return x, grid.numbers(points), np.arange(len(points)) < len(self.apart)

    def _drawn(self, numbers):
        return renderers.draw(self.images.renderer, self.images.side, numbers)

    def oracles(self) -> dict:
        """Rows of answers that know the truth, clipped to what training has, and its mean."""
        nothing = np.full(
            (len(self.test), len(self.images.grid.names)), 0.5, np.float32
        )
        report = self._report(nothing)
        rows = []
        for name, values in zip(
            ORACLES, (report.clamp, report.train_mean), strict=True
        ):
            rows += self._scores(name, "test/r_squared", values)
        return {"rows": rows, "histogram": report.histogram}

    def _report(self, predictions):
        return evaluating.analysed(
            predictions, self.images.grid, self.train, self.test, split=self.split
        )

    def model(self, name: str) -> dict:
        """Train a model; rows, predictions of test images, and its certificate."""
        fitted = self._trained(name)
        predictions = fitted.predict(self.shown)
        report = self._report(predictions)
        rows = self._scores(name, "test/r_squared", report.r_squared)
        for metric, values in (
            ("id", report.modularity.id),
            ("ood", report.modularity.ood),
        ):
            if np.isfinite(values).any():
                rows += self._scores(name, f"{metric}/r_squared", values)
        bias = [x.bias for x in report.curves if np.isfinite(x.bias)]
        if bias:
            rows.append(self._row(name, "ood/bias", np.mean(bias)))
        found: dict[str, Any] = {"predictions": predictions, "index": self.test}
        rows += self._certified(name, fitted)
        rows += self._between(name, fitted)
        if fitted.coder:
            rows += self._disentangled(name, fitted)
        return found | {"rows": rows}

    def _trained(self, name: str) -> pipeline.Fitted:
        run = self.run
        fitted = pipeline.train(
            name,
            self.images,
            self.train,
            run.options.models,
            directory=run.path("training") / f"{name}-{self.split}-{self.seed}",
            seed=self.seed,
            mode=run.mode,
            weights=run.options.weights,
        )
        kept = run.path("models") / f"{name}-{self.split}-{self.seed}.npz"
        artifact.save(kept, artifact.of(fitted, self.images))
        return fitted

    def _certified(self, name: str, fitted: pipeline.Fitted) -> list:
        """Rows of the certificate and of a score that tells what is out of range."""
        x, numbers, inside = self.audited
        grid = self.images.grid
        codes = certificate.parts(inside, seed=self.seed)
        found = certificate.certify(fitted.predict(x), numbers, grid, codes, self.held)
        place = self.run.path("certificates") / f"{name}-{self.split}-{self.seed}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        found.write(place)
        covered = [x.coverage for x in found.bands if x.trusted]
        rows = [self._row(name, "bands/trusted", len(covered) / len(found.bands))]
        if covered:
            rows.append(self._row(name, "bands/coverage", 100 * np.mean(covered)))
        out = analyses.outside(numbers, grid, self.held).any(axis=1)
        if out.any() and (~out).any():
            random = np.random.default_rng((self.seed, 5))
            seen = random.permutation(self.train)[:SEEN]
            known = self.images.images(evaluating.rows_of(self.images, seen))
            score = shift_scores.mahalanobis(fitted.features(x), fitted.features(known))
            rows.append(self._row(name, "ood/auroc", shift_scores.auroc(score, out)))
        return rows

    def _between(self, name: str, fitted: pipeline.Fitted) -> list:
        """R2 at values that no grid has: a true interpolation."""
        options = self.run.options
        if not self.images.renderer or not options.between:
            return []
        numbers = splits.between(self.images, self.split, options.between, self.seed)
        found = analyses.between_r_squared(
            fitted.predict, self.images.renderer, self.images.side, numbers
        )
        return self._scores(name, "between/r_squared", found)

    def _disentangled(self, name: str, fitted: pipeline.Fitted) -> list:
        """Rows of how far each code of test images is about one factor."""
        codes = fitted.codes(self.shown)
        numbers = self.images.grid.numbers(self.test)
        factors = self.images.grid.factors
        named = [j for j, x in enumerate(factors) if x.kind == "categorical"]
        found = {
            "mig": disentanglement.mig(codes, numbers),
            "mir": disentanglement.mir(codes, numbers),
            "sap": disentanglement.sap(codes, numbers, categorical=named),
            "factor_vae": disentanglement.factor_vae(codes, numbers, seed=self.seed),
        }
        if importlib.util.find_spec("sklearn"):
            parts = disentanglement.dci(codes, numbers, categorical=named)
            found["dci"] = parts.disentanglement
        return [
            self._row(name, f"codes/{metric}", value)
            for metric, value in found.items()
            if np.isfinite(value)
        ]

    def _scores(self, variant: str, metric: str, values) -> list:
        rows = [self._row(variant, metric, np.nanmean(values))]
        for factor, value in zip(self.images.grid.names, values, strict=True):
            if np.isfinite(value):
                rows.append(self._row(variant, f"{metric}_{factor}", value))
        return rows

    def _row(self, variant: str, metric: str, value):
        change = self.run.options.models.regressor.augmentation
        if change != "none" and variant in models.MODELS:
            variant = f"{variant}, {change}"
        return variant, self.split, self.seed, metric, float(value), ""


def check(options) -> None:
    """Refuse splits that are not known, and ranges that cannot be read."""
    outputs.required(options.require)
    for name in options.split:
        if name not in splits.KINDS:
            raise errors.nearest(name, splits.KINDS, "split")
