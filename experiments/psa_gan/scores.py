"""What is measured of windows: the same for every generator, trained or not."""

from collections.abc import Mapping

import numpy as np
from absl import logging

from experiments import run as runner
from experiments.psa_gan import paper
from experiments.psa_gan.problem import Problem, Sample, encoders_of, setting_of
from iclr22 import errors
from iclr22.psa_gan import (
    certificate,
    controls,
    discriminative,
    fid,
    quality,
    scores,
)
from iclr22.psa_gan.fid import FittedEncoder

BOOTSTRAPS = ("seasonal_bootstrap", "block_bootstrap")


def encoders(run: runner.Run, problem: Problem, kind: str) -> list[FittedEncoder]:
    """Encoders of real training data, of so many seeds; from checkpoints if they are
    there.

    Args:
      kind: `encoder`, which the paper has, or `contrast`.
    """
    return [
        fid.fit_encoder(
            problem.scaled,
            encoders_of(run)[kind],
            directory=run.path("training") / f"{kind}-{seed}",
            seed=seed,
            mode=run.mode,
        )
        for seed in range(run.options.encoders)
    ]


def bootstrap(problem: Problem, of: Sample, name: str, seed: int) -> np.ndarray:
    """Windows of the places of the real ones, made of other parts of their series.

    Raises:
      errors.InputError: a series is too short for that.
    """
    length, series = of.real.shape[1], of.batch["series"]
    try:
        if name == "block_bootstrap":
            return controls.block_bootstrap(problem.scaled, series, length, seed=seed)
        return controls.seasonal_bootstrap(
            problem.scaled,
            series,
            of.batch["first"],
            length,
            season=problem.season,
            seed=seed,
        )
    except errors.InputError as error:
        raise errors.InputError(f"{name}: {error}") from error


def bootstraps(
    run: runner.Run, problem: Problem, of: Sample, seed: int
) -> dict[str, np.ndarray]:
    """Both of them by name; what series are too short for is left out, and told."""
    found = {}
    for name in BOOTSTRAPS:
        try:
            found[name] = bootstrap(problem, of, name, seed)
        except errors.InputError as error:
            logging.warning("left out: %s", error)
            run.facts[name] = f"left out: {error}"
    return found


def control(of: Sample, name: str, seed: int) -> np.ndarray:
    """A control of `scores.score`, made as there."""
    if name == "real":
        return of.other
    make = {"shuffled": controls.shuffled, "noise": controls.moment_noise}
    return make[name](of.other, seed) if name in make else controls.constant(of.other)


def distances(
    run: runner.Run, problem: Problem, of: Sample, made: Mapping, seed: int
) -> dict:
    """Rows of Context-FID of generators, windows by name, between floor and controls.

    `context_fid` and its ratio to the shuffled windows are the published form.
    `context_fid/whitened` is the mean of the whitened ratios under one encoder of each
    kind, on which pairs of other seeds agree. Spreads over seeds are relative.
    """
    first, second = (
        [
            scores.score([one], of.real, of.other, made, seed=seed)
            for one in encoders(run, problem, kind)
        ]
        for kind in ("encoder", "contrast")
    )
    values = {x.name: _values(i, first, second) for i, x in enumerate(first[0])}
    values["all"] = _of_encoders(values, first, second)
    rows = [rows_of(run, name, seed, found) for name, found in values.items()]
    return {"rows": sum(rows, [])}


def _values(i: int, first, second) -> dict[str, float]:
    """Numbers by metric of the generator in row i of the tables of both kinds."""
    published = np.array([rows[i].ratio for rows in first])
    pairs = [[x[i], y[i]] for x, y in zip(first, second, strict=True)]
    whitened = np.array([(x.whitened + y.whitened) / 2 for x, y in pairs])
    found = {
        "": np.mean([rows[i].score for rows in first]),
        "/ratio": published.mean(),
        "/whitened": whitened.mean(),
        "/limit": np.mean([(x.limit + y.limit) / 2 for x, y in pairs]),
    }
    if len(pairs) > 1 and first[0][i].name != scores.SHUFFLED:
        found["/spread"] = _spread(published)
        found["/whitened_spread"] = _spread(whitened)
    return {f"context_fid{k}": float(x) for k, x in found.items()}


def _of_encoders(values, first, second) -> dict[str, float]:
    """How far encoders agree, by metric; spreads are means of generators, the floor
    aside."""
    alone = [scores.agreement(*x, by="ratio") for x in zip(first, second, strict=True)]
    means = [_means(tables) for tables in (first, second)]
    found = {
        "agreement": np.mean(alone),
        "agreement_of_means": scores.agreement(*means, by="ratio"),
    }
    for name in ("spread", "whitened_spread"):
        each = [x.get(f"context_fid/{name}") for k, x in values.items() if k != "real"]
        each = [x for x in each if x is not None]
        found |= {name: np.mean(each)} if each else {}
    return {f"encoders/{k}": float(x) for k, x in found.items()}


def _means(tables):
    """Rows whose ratios are means over encoders."""
    means = np.mean([[x.ratio for x in rows] for rows in tables], axis=0)
    return [x._replace(ratio=y) for x, y in zip(tables[0], means, strict=True)]


def _spread(x) -> float:
    return x.std(ddof=1) / x.mean()


def rows_of(run: runner.Run, variant: str, seed: int, values: Mapping) -> list[tuple]:
    """Rows of results.csv, beside what is published."""
    setting, data = setting_of(run), run.dataset_name
    if run.options.task == "encoders":
        setting = f"{setting}, known"
    return [
        (
            variant,
            setting,
            seed,
            k,
            float(x),
            paper.published(data, variant, setting, k),
        )
        for k, x in values.items()
        if np.isfinite(x)
    ]


def qualities(
    problem: Problem,
    of: Sample,
    synthetic,
    seed: int,
    judge: discriminative.Config,
    *,
    matched: bool = True,
) -> dict[str, float]:
    """Other numbers of a generator by metric.

    Args:
      matched: its windows are of the places of the real ones, in this order.
    """
    found = {
        "discriminative": discriminative.discriminative_score(
            of.other, synthetic, seed=seed, config=judge
        ),
        "tstr/nrmse": quality.synthetic_for_real(synthetic, of.other),
        "autocorrelation": quality.autocorrelation_distance(of.real, synthetic),
        "spectrum": quality.spectrum_distance(of.real, synthetic),
        "marginal": quality.marginal_distance(of.real, synthetic),
        "period/correlation": quality.period_correlation(synthetic, problem.season),
        "spread/ratio": quality.spread_ratio(of.real, synthetic),
    }
    if matched:
        found["profile/correlation"] = _profiles(problem, of, synthetic)
    if len(of.held) >= certificate.FEWEST:
        given = certificate.certify(of.real, of.held, synthetic, seed=seed)
        found["membership/auc"] = given.auc
    return found


def _profiles(problem: Problem, of: Sample, synthetic) -> float:
    """Correlation of the profiles over a season, of windows less their means."""
    phase = of.batch["first"] % problem.season

    def level(x):
        return x - x.mean(axis=1, keepdims=True)

    return quality.profile_correlation(
        level(of.real), level(synthetic), phase, phase, problem.season
    )
