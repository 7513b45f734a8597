"""How right a model is in every domain. Looks at target labels: to report, not to choose."""

import numpy as np

from iclr22.data.domains import DomainData
from iclr22.grda.artifact import Model, predict


def target_scores(model: Model, data: DomainData) -> np.ndarray:
    """Accuracy in percent, or mean squared error, of every domain `[N]` over its labelled
    samples; NaN without any."""
    return domain_scores(predict(model, data.x, data.domain), data)


def domain_scores(said, data: DomainData) -> np.ndarray:
    """`target_scores` of predictions `[n, outputs]`."""
    if data.regression:
        known = np.isfinite(data.y).all(axis=1)
        value = np.mean((said - data.y) ** 2, axis=1)
    else:
        known = data.y >= 0
        value = 100.0 * (said.argmax(1) == data.y)
    count = np.bincount(data.domain[known], minlength=data.size)
    total = np.bincount(data.domain[known], value[known], minlength=data.size)
    with np.errstate(invalid="ignore"):
        return total / count
