"""How far codes separate factors: MIG, MIR, SAP, FactorVAE score and DCI.

Codes are float `[n, d]`, factors whole numbers `[n, f]` of values; each score is 1 where
every code belongs to one factor and nearly 0 where they are mixed. Constant codes count as
absent, constant factors are left out.
"""

from typing import NamedTuple

import numpy as np

from iclr22 import errors, metrics, numeric

BINS = 20
EXTRA = "pip install 'iclr22[peers]'"


def information(codes, factors, *, bins: int = BINS) -> np.ndarray:
    """Mutual information `[d, f]` of codes and factors, in nats.

    Codes are put into `bins` of equal width between their smallest and largest value.

    Raises:
      errors.InputError: other shapes, NaN, fractions.
    """
    codes, factors = _checked(codes, factors)
    place = np.stack([_binned(x, bins) for x in codes.T], axis=1)
    return np.array([[_shared(a, b) for b in factors.T] for a in place.T])


def mig(codes, factors, *, bins: int = BINS) -> float:
    """Mutual information gap (Chen et al., NeurIPS 2018): of each factor the information in
    the best code less that in the second best, as a share of its entropy; the mean."""
    codes, factors = _checked(codes, factors)
    found = np.sort(information(codes, factors, bins=bins), axis=0)
    second = found[-2] if len(found) > 1 else np.zeros(found.shape[1])
    entropy = np.array([_entropy(x) for x in factors.T])
    kept = entropy > 0
    return float(np.mean((found[-1] - second)[kept] / entropy[kept]))


def mir(codes, factors, *, bins: int = BINS) -> float:
    """Mutual information ratio (Whittington et al., ICLR 2023, "modularity"): of each code
    the share of its information that is about one factor, from 1/f rescaled to 0; the mean
    over codes that know anything."""
    codes, factors = _checked(codes, factors)
    factors = factors[:, _varying(factors)]
    found = information(codes, factors, bins=bins)
    total = found.sum(axis=1)
    kept = total > 1e-9
    f = factors.shape[1]
    if not kept.any() or f < 2:
        return float("nan")
    ratio = np.mean(found[kept].max(axis=1) / total[kept])
    return float((ratio - 1 / f) / (1 - 1 / f))


def sap(codes, factors, *, categorical=()) -> float:
    """Separated attribute predictability (Kumar et al., ICLR 2018): of each factor the share
    of its variance that the best single code explains along a line, less the second best.

    Args:
      categorical: numbers of factors without an order; there it is the share of the code's
        variance between values.
    """
    codes, factors = _checked(codes, factors)
    table = np.stack(
        [
            _between(codes, x) if j in set(categorical) else _line(codes, x)
            for j, x in enumerate(factors.T)
        ],
        axis=1,
    )
    table = np.sort(table[:, _varying(factors)], axis=0)
    second = table[-2] if len(table) > 1 else np.zeros(table.shape[1])
    return float(np.mean(table[-1] - second))


def factor_vae(
    codes, factors, *, votes: int = 800, batch: int = 64, seed: int = 0
) -> float:
    """FactorVAE score (Kim and Mnih, ICML 2018): a factor is fixed in a batch; the code that
    varies least there, in units of its overall variance, votes for it. The share of votes
    that a code's most frequent factor predicts, on votes drawn afresh.

    Args:
      votes: of either part.
      batch: images of a vote.
    """
    codes, factors = _checked(codes, factors)
    scale = codes.var(axis=0)
    codes, scale = codes[:, scale > 0], scale[scale > 0]
    varying = np.flatnonzero(_varying(factors))
    if not len(scale):
        return 1 / len(varying)
    random = np.random.default_rng(seed)
    order = {j: np.argsort(factors[:, j], kind="stable") for j in varying}
    table = np.zeros((2, len(scale), factors.shape[1]), np.int64)
    for vote in range(2 * votes):
        j = varying[random.integers(len(varying))]
        value = factors[random.integers(len(factors)), j]
        ranks = factors[order[j], j]
        low, high = np.searchsorted(ranks, [value, value + 1])
        rows = order[j][random.integers(low, high, batch)]
        least = np.argmin(codes[rows].var(axis=0) / scale)
        table[vote // votes, least, j] += 1
    winner = table[0].argmax(axis=1)
    return float(table[1][np.arange(len(winner)), winner].sum() / votes)


class Dci(NamedTuple):
    """Disentanglement, completeness and informativeness (Eastwood and Williams, ICLR 2018).

    Attributes:
      disentanglement: 1 where every code matters for one factor, weighted by importance.
      completeness: 1 where every factor is read from one code.
      informativeness: R2 of the prediction on held-out images (names: accuracy), mean.
    """

    disentanglement: float
    completeness: float
    informativeness: float


def dci(codes, factors, *, categorical=(), share: float = 0.5, seed: int = 0) -> Dci:
    """DCI from gradient-boosted trees of codes to each factor, by scikit-learn.

    Args:
      categorical: numbers of factors without an order.
      share: of images that trees are grown from; the others judge.

    Raises:
      errors.InputError: as of `information`; scikit-learn is not installed.
    """
    codes, factors = _checked(codes, factors)
    classifier, regressor = _trees()
    random = np.random.default_rng(seed)
    rows = random.permutation(len(codes))
    cut = max(1, int(share * len(rows)))
    grown, judged = rows[:cut], rows[cut:]
    columns, scores = [], []
    for j, factor in enumerate(factors.T):
        if len(np.unique(factor[grown])) < 2:
            continue
        kind = classifier if j in set(categorical) else regressor
        model = kind(random_state=seed).fit(codes[grown], factor[grown])
        columns.append(model.feature_importances_)
        scores.append(model.score(codes[judged], factor[judged]))
    return dci_of(np.stack(columns, axis=1), float(np.mean(scores)))


def dci_of(importance, informativeness: float = float("nan")) -> Dci:
    """DCI of the importance `[d, f]` of codes for factors; nan where all are 0."""
    importance = np.abs(numeric.real(importance, "importance", ndim=2))
    if not importance.sum():
        return Dci(float("nan"), float("nan"), informativeness)
    return Dci(_purity(importance), _purity(importance.T), informativeness)


def relation(scores, r_squared) -> float:
    """Spearman correlation of a disentanglement score and R2 over models, `[n]` each."""
    return metrics.spearman(np.asarray(scores), np.asarray(r_squared))


def _purity(table) -> float:
    """`sum_i rho_i (1 - H(row i))`, entropies to the base of the number of columns."""
    total = table.sum(axis=1)
    share = table / np.where(total > 0, total, 1)[:, None]
    logs = np.log(np.where(share > 0, share, 1))
    entropy = -(share * logs).sum(axis=1) / np.log(max(table.shape[1], 2))
    return float(np.sum(total / total.sum() * (1 - entropy)))


def _trees():
    try:
        from sklearn import ensemble
    except ImportError as error:
        raise errors.InputError(
            f"expected scikit-learn, which grows the trees of DCI; found: {error}. {EXTRA}"
        ) from error
    return ensemble.GradientBoostingClassifier, ensemble.GradientBoostingRegressor


def _binned(code, bins):
    low, high = code.min(), code.max()
    if high <= low:
        return np.zeros(len(code), np.int64)
    return np.minimum((bins * ((code - low) / (high - low))).astype(np.int64), bins - 1)


def _shared(a, b) -> float:
    """Mutual information of whole numbers `[n]` and `[n]`."""
    table = np.bincount(a * (b.max() + 1) + b, minlength=(a.max() + 1) * (b.max() + 1))
    joint = table.reshape(a.max() + 1, b.max() + 1) / len(a)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    used = joint > 0
    return max(float(np.sum(joint[used] * np.log(joint[used] / apart[used]))), 0.0)


def _entropy(x) -> float:
    share = np.bincount(x) / len(x)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def _line(codes, factor):
    """Squared correlation `[d]`; 0 of what is constant."""
    x, y = codes - codes.mean(axis=0), factor - factor.mean()
    scale = (x**2).sum(axis=0) * (y**2).sum()
    return np.where(scale > 0, (x.T @ y) ** 2 / np.where(scale > 0, scale, 1), 0.0)


def _between(codes, factor):
    """Share `[d]` of the codes' variance that lies between values of a factor."""
    x = codes - codes.mean(axis=0)
    count = np.bincount(factor)
    sums = np.stack([np.bincount(factor, column) for column in x.T])
    inner = np.sum(sums**2 / np.maximum(count, 1), axis=1)
    total = (x**2).sum(axis=0)
    return np.where(total > 0, inner / np.where(total > 0, total, 1), 0.0)


def _checked(codes, factors):
    codes = numeric.real(codes, "codes", ndim=2, dtype=np.float64)
    factors = numeric.whole(factors, "factors", ndim=2, low=0)
    if len(codes) != len(factors) or not len(codes):
        raise errors.InputError(
            f"expected codes and factors of the same images; found {len(codes)} and "
            f"{len(factors)} rows"
        )
    if not _varying(factors).any():
        raise errors.InputError("factors: expected one that varies; found none")
    return codes, factors


def _varying(factors):
    return (factors != factors[:1]).any(axis=0)
