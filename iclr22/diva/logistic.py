"""Logistic regression by which each example is predicted without it, for few columns."""

import numpy as np

L2_GRID = (10.0, 1.0, 0.1, 0.01)  # at rows of mean squared norm 1; each starts the next
FOLDS = 5
STEPS = 100  # of L-BFGS, for each penalty and fold


def cross_validated(features, labels, classes: int) -> np.ndarray:
    """Probabilities `[n, classes]` by models that have not seen an example.

    Multinomial logistic regression in float64, in five folds that have each class in equal
    parts; the penalty is the one with the best likelihood. A linear one has classes between
    two others, which ridge regression on one-hot targets cannot have, and costs
    n x columns x classes, so it is for hundreds of columns.

    Args:
      features: `[n, m]` of mean squared norm about 1, with a constant; labels: `[n]`.
    """
    z, targets = np.asarray(features, np.float64), np.eye(classes)[labels]
    mixed = np.random.default_rng(0).random(len(z))
    fold = np.empty(len(z), int)
    fold[np.lexsort((mixed, labels))] = np.arange(len(z)) % FOLDS
    found = np.zeros((len(L2_GRID), *targets.shape))
    for i in range(FOLDS):
        seen, weights = fold != i, np.zeros((z.shape[1], classes))
        for j, l2 in enumerate(L2_GRID):
            weights = _fit(z[seen], targets[seen], l2, weights)
            found[j, ~seen] = softmax(z[~seen] @ weights)
    return found[np.argmin([log_loss(p, labels) for p in found])]


def log_loss(probabilities, labels) -> float:
    """Mean negative logarithm of the probabilities of the labels."""
    own = probabilities[np.arange(len(labels)), labels]
    return float(-np.mean(np.log(np.maximum(own, 1e-12))))


def softmax(outputs) -> np.ndarray:
    """Probabilities `[n, k]` of outputs `[n, k]`."""
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def calibrated_loss(outputs, labels) -> float:
    """`log_loss` of the softmax of outputs `[n, k]` at the temperature where it is least."""
    rates = np.logspace(0, 2, 21)
    return min(log_loss(softmax(rate * outputs), labels) for rate in rates)


def _fit(z, targets, l2, start):
    """Weights `[m, k]` of the penalised maximum of the likelihood."""
    from scipy import optimize  # takes a second

    def loss(flat):
        weights = flat.reshape(start.shape)
        outputs = z @ weights
        outputs -= outputs.max(axis=1, keepdims=True)
        powers = np.exp(outputs)
        total = powers.sum(axis=1, keepdims=True)
        value = np.sum(np.log(total)) - np.sum(targets * outputs)
        gradient = z.T @ (powers / total - targets) + l2 * weights
        return value + l2 / 2 * np.sum(weights**2), gradient.ravel()

    options = {"maxiter": STEPS, "gtol": 1e-3}
    found = optimize.minimize(
        loss, start.ravel(), jac=True, method="L-BFGS-B", options=options
    )
    return found.x.reshape(start.shape)
