"""The last stage of GRDA+: where classes overlap, a target's own class means decide.

A head follows single samples; where classes overlap their means are known better. The
classes of a domain are taken to be normal around means of its own, with one covariance
for all domains, which the labelled samples of the sources show. The means of a target
come from a few rounds of expectation and maximisation (A. P. Dempster, N. M. Laird and
D. B. Rubin, 1977), which start at what its head says: that knows which class is which.

Whether classes are so shaped the sources tell: they are asked as if they were targets,
from what their neighbours say of them, with the covariance of the other sources. Unless
the rounds make these guesses better, or leave them as good, no head is changed. Labels of
targets are never seen.
"""

import functools

import numpy as np
from scipy import special

from iclr22 import gradients
from iclr22.grda import pairs, plus
from iclr22.grda.batches import DomainBatches

RIDGE = 1e-3  # added to variances; inputs are about standardised
ABSENT = -50.0  # logit of a class that a domain does not seem to have


def refine(config: plus.Config, params, source: DomainBatches) -> tuple[dict, bool]:
    """Parameters with refined heads of targets, and whether the sources allowed it.

    A refined head is linear in the samples themselves, `direct [N, inputs, classes]` in
    `params["teacher"]`; its weights of features are 0.

    Args:
      params: of `plus`, host arrays.
      source: the batches it was trained on; labels of targets are not in them.
    """
    labelled = [rows[source.labelled[rows] > 0] for rows in source.rows]
    groups = [(source.x[rows], source.y[rows]) for rows in labelled]
    if not _fits(config, params, source, groups):
        return params, False
    spread = covariance(groups, config.outputs)
    model = params["teacher"]
    known = params["progress"]["known"] > 0
    heads = {
        "weight": np.array(model["weight"]),
        "bias": np.array(model["bias"]),
        "direct": np.zeros((len(known), source.x.shape[1], config.outputs), np.float32),
    }
    for u in np.flatnonzero(known & (source.sources == 0)):
        x = source.x[source.rows[u]]
        first = _said(config, params, x, np.eye(len(known))[u])
        heads["weight"][u] = 0
        heads["direct"][u], heads["bias"][u] = fit(x, first, spread, config.refine)
    return params | {"teacher": model | heads}, True


def covariance(groups, classes: int) -> np.ndarray | None:
    """Covariance within classes `[inputs, inputs]`, pooled over domains; None if no
    class has two samples in a domain.

    The fewer samples for an input, the closer to independent inputs it is drawn.

    Args:
      groups: per domain labelled samples `[n, inputs]` and their classes `[n]`.
    """
    away = []
    for samples, labels in groups:
        for k in range(classes):
            group = samples[labels == k].astype(np.float64)
            if len(group) > 1:
                away.append(group - group.mean(axis=0))
    if not away:
        return None
    count = sum(len(x) - 1 for x in away)
    total = functools.reduce(np.add, (x.T @ x for x in away))
    width = len(total)
    alone = np.diag(np.diag(total)) * width / (width + count)
    return (total * count / (width + count) + alone) / count + RIDGE * np.eye(width)


def fit(x, first, spread, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights `[inputs, classes]` and biases `[classes]` of the logits of a domain.

    Classes are as frequent as found, drawn half-way to equal shares: this keeps one from
    swallowing the other where they overlap.

    Args:
      x: samples `[n, inputs]`; first: probabilities `[n, classes]` to start from.
      spread: covariance within classes `[inputs, inputs]`.
    """
    x = x.astype(np.float64)
    said, classes = first, first.shape[1]
    for _ in range(rounds):
        count = said.sum(axis=0)
        means = (said.T @ x) / np.maximum(count, gradients.SMALLEST)[:, None]
        weight = np.linalg.solve(spread, means.T)
        share = np.log((count / len(x) + 1 / classes) / 2)
        bias = share - 0.5 * np.sum(means.T * weight, axis=0)
        gone = count < 1
        weight[:, gone], bias[gone] = 0, bias.max(initial=0, where=~gone) + ABSENT
        said = special.softmax(x @ weight + bias, axis=1)
    return weight, bias


def _fits(config, params, source, groups):
    """Whether the rounds do the sources no harm, which start at their neighbours' word."""
    shares = plus.shares(config, params["progress"], pairs.dense(source.graph))
    shares = np.asarray(shares)
    before = after = 0
    for u in np.flatnonzero((source.sources > 0) & (shares.sum(axis=1) > 0)):
        x, y = groups[u]
        spread = covariance([*groups[:u], *groups[u + 1 :]], config.outputs)
        if len(y) == 0 or spread is None:
            continue
        first = _said(config, params, x, shares[u])
        weight, bias = fit(x, first, spread, config.refine)
        before += np.sum(first.argmax(axis=1) == y)
        after += np.sum((x @ weight + bias).argmax(axis=1) == y)
    return after > 0 and after >= before


def _said(config, params, x, share):
    """Mean probabilities `[n, classes]` of all heads by their share `[N]`."""
    model = params["teacher"]
    h = np.asarray(plus.features(config, model, x))
    asked = np.flatnonzero(share)
    logits = np.einsum("nh,vhc->nvc", h, model["weight"][asked]) + model["bias"][asked]
    said = special.softmax(logits.astype(np.float64), axis=-1)
    return np.einsum("nvc,v->nc", said, share[asked])
