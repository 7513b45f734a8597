"""Topics of histories."""

import sys

import numpy as np
import pytest
from count_helpers import walks

from iclr22 import errors
from iclr22.recurrent_intensity import lda, scores, splits


def test_topics_without_scikit_learn_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(errors.InputError, match=r'pip install "iclr22\[peers\]"'):
        lda.fit_lda(splits.user_split(walks()))


def test_topics_are_distributions():
    pytest.importorskip("sklearn")
    log = walks()
    split = splits.user_split(log)
    model = lda.fit_lda(split, lda.Config(factors=2, word_prior=0.1))
    np.testing.assert_allclose(model.topics.sum(axis=0), 1, rtol=1e-5)
    found = lda.score(model, log, split.test, np.arange(12))
    np.testing.assert_allclose(scores.dense(found).sum(axis=1), 1, rtol=1e-4)
