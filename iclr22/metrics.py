"""Metrics that several methods report; NumPy in, float out."""

import numpy as np


def auc(score, positive) -> float:
    """Area under the ROC curve of `score` `[n]` for `positive` `[n]` bool; ties half."""
    from scipy import stats  # takes half a second

    ranks = stats.rankdata(score)
    count = positive.sum()
    total = ranks[positive].sum() - count * (count + 1) / 2
    return float(total / (count * (~positive).sum()))


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
