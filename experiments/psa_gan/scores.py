"""What is measured of windows: one function for every generator, trained or not."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments import run as runner
from experiments.psa_gan.problem import Problem, Sample, encoder_of
from iclr22.psa_gan import certificate, context_fid, controls, discriminative, quality
from iclr22.psa_gan.context_fid import FittedEncoder


class Controls(NamedTuple):
    """What every generator is compared with.

    Attributes:
      windows: by name, of the same places as the real ones.
      shuffled: Context-FID of the shuffled ones by encoder `[e]`.
    """

    windows: dict[str, np.ndarray]
    shuffled: np.ndarray


CONTROLS = (
    "real",
    "seasonal_bootstrap",
    "block_bootstrap",
    "shuffled",
    "noise",
    "constant",
)


def encoders(run: runner.Run, problem: Problem) -> list[FittedEncoder]:
    """Encoders of real training data, of so many seeds; from checkpoints if they are
    there."""
    return [
        context_fid.fit_encoder(
            problem.scaled,
            encoder_of(run),
            directory=run.path("training") / f"encoder-{seed}",
            seed=seed,
            mode=run.mode,
        )
        for seed in range(run.options.encoders)
    ]


def controls_of(
    problem: Problem, of: Sample, judges: Sequence[FittedEncoder], seed: int
) -> Controls:
    """Windows that need no training, of the places of the real ones."""
    length = of.real.shape[1]
    series, first = of.batch["series"], of.batch["first"]
    found = {
        "real": of.other,
        "seasonal_bootstrap": controls.seasonal_bootstrap(
            problem.scaled, series, first, length, season=problem.season, seed=seed
        ),
        "block_bootstrap": controls.block_bootstrap(
            problem.scaled, series, length, seed=seed
        ),
        "shuffled": controls.shuffled(of.real, seed),
        "noise": controls.moment_noise(of.real, seed),
        "constant": controls.constant(of.real),
    }
    return Controls(found, distances(judges, of.real, found["shuffled"]))


def distances(judges: Sequence[FittedEncoder], real, synthetic) -> np.ndarray:
    """Context-FID by encoder `[e]`."""
    return np.array([context_fid.context_fid(x, real, synthetic) for x in judges])


def measure(
    run: runner.Run,
    problem: Problem,
    of: Sample,
    judges: Sequence[FittedEncoder],
    against: Controls,
    synthetic,
    seed: int,
    *,
    matched: bool = True,
) -> dict[str, float]:
    """Numbers of a generator by metric.

    Args:
      matched: its windows are of the places of the real ones, in this order.

    `context_fid/ratio` is over the shuffled control under the same encoder, the mean over
    encoders; `context_fid/spread` is the deviation of that over encoders, relative.
    """
    apart = distances(judges, of.real, synthetic)
    ratio = apart / against.shuffled
    found = {
        "context_fid": apart.mean(),
        "context_fid/ratio": ratio.mean(),
        "discriminative": discriminative.discriminative_score(
            of.other, synthetic, seed=seed
        ),
        "tstr/nrmse": quality.synthetic_for_real(synthetic, of.other),
        "autocorrelation": quality.autocorrelation_distance(of.real, synthetic),
        "spectrum": quality.spectrum_distance(of.real, synthetic),
        "marginal": quality.marginal_distance(of.real, synthetic),
    }
    if matched:
        found["profile/correlation"] = _profiles(problem, of, synthetic)
    if len(judges) > 1:
        found["context_fid/spread"] = ratio.std(ddof=1) / ratio.mean()
    if len(of.held) >= certificate.FEWEST:
        given = certificate.certify(of.real, of.held, synthetic, seed=seed)
        found["membership/auc"] = given.auc
    return {name: float(x) for name, x in found.items() if np.isfinite(x)}


def _profiles(problem: Problem, of: Sample, synthetic) -> float:
    """Correlation of the profiles over a season, of windows less their means."""
    phase = of.batch["first"] % problem.season

    def level(x):
        return x - x.mean(axis=1, keepdims=True)

    return quality.profile_correlation(
        level(of.real), level(synthetic), phase, phase, problem.season
    )
