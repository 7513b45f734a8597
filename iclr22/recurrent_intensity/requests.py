"""User states as requests, and how a log is split into training and testing.

After the released code of Ma, Liu and Deoras, ICLR 2022 (OpenReview TZeArecH2Nf).
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse

from iclr22.data.events import Events


class Requests(NamedTuple):
    """User states x = (user, T): everything that a user did before T."""

    user: np.ndarray  # int32 [x]
    time: np.ndarray  # float64 [x], T; may be inf for training requests
    start: np.ndarray  # int64 [x]: events[start:stop] of the log are the history
    stop: np.ndarray  # int64 [x]
    targets: scipy.sparse.csr_array  # float32 [x, items], events in [T, T + h)


class Split(NamedTuple):
    """A log split by requests; D is for testing, V for validation."""

    events: Events
    horizon: float  # h, in the unit of the log
    train: Requests  # one per user that takes part; events before T train
    test: Requests  # D, filtered
    valid: Requests  # V, filtered
    extra: tuple[Requests, ...]  # V_extra
    test_items: np.ndarray  # int32 [y], candidate items of D
    valid_items: np.ndarray  # int32 [y], of V

    @property
    def test_targets(self) -> scipy.sparse.csr_array:
        """Targets of D `[x, y]` among its candidate items."""
        return self.test.targets[:, self.test_items]

    @property
    def valid_targets(self) -> scipy.sparse.csr_array:
        """Targets of V `[x, y]` among its candidate items."""
        return self.valid.targets[:, self.valid_items]
