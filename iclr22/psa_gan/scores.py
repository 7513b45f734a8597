"""Context-FID beside what it must be seen with: a floor, controls, several encoders."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

from iclr22 import errors
from iclr22.psa_gan import controls, fid, frechet

FLOOR, SHUFFLED = "real", "shuffled"


class Row(NamedTuple):
    """The score of one generator, as means over encoders.

    Attributes:
      name: of the generator; `real` is a second sample of real windows, the floor.
      score: Context-FID, as published.
      ratio: that, over the score of the windows shuffled in time, under the same encoder.
      ratio_spread: standard deviation over encoders.
      whitened: the ratio of distances between whitened vectors (`frechet.whitened`), on
        which encoders of other seeds agree more.
      whitened_spread: standard deviation over encoders.
      limit: the whitened ratio that infinitely many windows would have
        (`frechet.extrapolated`).
    """

    name: str
    score: float
    ratio: float
    ratio_spread: float
    whitened: float
    whitened_spread: float
    limit: float


def score(
    encoders: Iterable[fid.FittedEncoder],
    real,
    other_real,
    synthetic: Mapping[str, np.ndarray],
    *,
    seed: int = 0,
) -> list[Row]:
    """Rows of all synthetic samples between floor and controls.

    A ratio near the floor's is as good as real; one of 1 is no better than values in any
    order. Ratios compare between encoders and data, scores do not.

    Args:
      encoders: of several seeds, so that their spread is seen.
      real: windows `[n, t]` that all are compared with.
      other_real: other real windows, which the controls are made from; as many as there
        are synthetic ones, as the distance of few windows is larger.
      synthetic: windows `[m, t]` by name of their generator.
      seed: of the controls.

    Raises:
      errors.InputError: windows that do not fit, a name that a control has, no encoder, or
        an encoder that has collapsed.
    """
    encoders = list(encoders)
    made = {
        FLOOR: np.asarray(other_real),
        SHUFFLED: controls.shuffled(other_real, seed),
        "noise": controls.moment_noise(other_real, seed),
        "constant": controls.constant(other_real),
    }
    taken = sorted(set(made) & set(synthetic))
    if taken or not encoders:
        raise errors.InputError(
            "expected an encoder at least, and generators with names other than "
            f"{', '.join(made)}; found {len(encoders)} encoders and {taken}"
        )
    samples = {FLOOR: made.pop(FLOOR), **synthetic, **made}
    found = [_one(encoder, real, samples) for encoder in encoders]
    table = {
        key: np.array([x[key] for x in found]) for key in found[0]
    }  # [seeds, names]
    shuffled = list(samples).index(SHUFFLED)
    rows = []
    for i, name in enumerate(samples):
        ratios = {k: x[:, i] / x[:, shuffled] for k, x in table.items()}
        rows.append(
            Row(
                name,
                float(table["plain"][:, i].mean()),
                *_mean_and_spread(ratios["plain"]),
                *_mean_and_spread(ratios["whitened"]),
                float(ratios["limit"].mean()),
            )
        )
    return rows


def agreement(
    rows: Iterable[Row],
    others: Iterable[Row],
    *,
    by: Literal["ratio", "whitened"] = "whitened",
) -> float:
    """Spearman correlation of the ratios that two kinds of encoders give to the same
    generators, the floor left out.

    Args:
      by: which of the ratios.

    Raises:
      errors.InputError: fewer than three generators in both.
    """
    one, two = ({x.name: getattr(x, by) for x in given} for given in (rows, others))
    names = [x for x in one if x in two and x != FLOOR]
    if len(names) < 3:
        raise errors.InputError(
            f"expected three generators at least in both tables; found {names}"
        )
    ranks = (stats.rankdata([x[name] for name in names]) for x in (one, two))
    return float(np.corrcoef(*ranks)[0, 1])


def _one(fitted, real, samples) -> dict[str, list[float]]:
    """Distances of all samples from the real one, by form, under one encoder."""
    vectors = fid.embed(fitted, real)
    fid.check_spread(vectors)
    found = {"plain": [], "whitened": [], "limit": []}
    for sample in samples.values():
        others = fid.embed(fitted, sample)
        found["plain"].append(frechet.frechet_distance(vectors, others))
        both = frechet.whitened(vectors, others)
        found["whitened"].append(frechet.frechet_distance(*both))
        found["limit"].append(frechet.extrapolated(*both))
    return found


def _mean_and_spread(x) -> tuple[float, float]:
    return float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else 0.0
