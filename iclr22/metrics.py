"""Metrics that several methods report; NumPy in, float out."""

import numpy as np


def auc(score, positive) -> float:
    """Area under the ROC curve of `score` `[n]` for `positive` `[n]` bool; ties half."""
    from scipy import stats  # takes half a second

    ranks = stats.rankdata(score)
    count = positive.sum()
    total = ranks[positive].sum() - count * (count + 1) / 2
    return float(total / (count * (~positive).sum()))


def student(values) -> tuple[float, float]:
    """Mean of `[n]` and half of its 95 % interval, of Student's t; NaN of a single one."""
    from scipy import special  # scipy.stats takes half a second

    values = np.asarray(values, np.float64)
    n = len(values)
    if n < 2:
        return float(values.mean()), float("nan")
    spread = np.std(values, ddof=1) / np.sqrt(n)
    return float(values.mean()), float(special.stdtrit(n - 1, 0.975) * spread)


def f1(flagged, positive) -> float:
    """Harmonic mean of precision and recall of `flagged` `[n]` bool."""
    return float(2 * np.sum(flagged & positive) / (np.sum(flagged) + np.sum(positive)))


def best_f1(score, positive) -> float:
    """F1 at the best threshold of `score`: compares rankings, cannot be had in use."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(positive[order])
    values = 2 * hits / (np.arange(1, len(hits) + 1) + positive.sum())
    last = np.append(np.diff(score[order]) != 0, True)  # ties fall on the same side
    return float(np.max(values[last]))


def spearman(one, other) -> float:
    """Rank correlation of `[n]` and `[n]`, ties at their mean rank; nan where one is
    constant or there are fewer than two."""
    return float(rank_correlations([one, other])[0, 1])


def rank_correlations(scores) -> np.ndarray:
    """Rank correlations `[k, k]` of all pairs of rows of `scores [k, n]`; see `spearman`."""
    from scipy import stats  # takes half a second

    ranks = stats.rankdata(scores, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.sqrt(np.sum(ranks**2, axis=1))
    length[length == 0] = np.nan
    ranks /= length[:, None]
    return np.clip(ranks @ ranks.T, -1, 1)


def agreement(scores) -> float:
    """Mean rank correlation of all pairs of two or more rows of `scores [k, n]`: how far
    several judges agree. Nan where one gives everything the same score."""
    found = rank_correlations(scores)
    return float(found[np.triu_indices(len(found), 1)].mean())
