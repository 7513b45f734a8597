"""Recurrent intensity modeling: items for users, users for items, and matching (Ma, Liu
and Deoras, ICLR 2022, OpenReview TZeArecH2Nf).

Stages: `sequence` (next-item GRU and Transformer), `bpr` and `graph_conv` (baselines).
`requests` splits a log into user states, `hawkes` and `activity` say how active a user
state is about to be, `pipeline.Models` trains and multiplies both, `scores` ranks without
ever storing a matrix, `dual` and `matching` decide under budgets, `metrics` judges.
"""

from iclr22.recurrent_intensity.activity import Activity, intensity
from iclr22.recurrent_intensity.dual import (
    Prices,
    match,
    online_prices,
    serve,
    tradeoff,
)
from iclr22.recurrent_intensity.hawkes import (
    Hawkes,
    fit_hawkes,
    fit_hawkes_poisson,
    hawkes_features,
)
from iclr22.recurrent_intensity.pipeline import VARIANTS, Models, Options
from iclr22.recurrent_intensity.requests import (
    Requests,
    Split,
    make_requests,
    make_split,
    temporal_split,
    user_split,
)
from iclr22.recurrent_intensity.scores import Scores, top_items, top_users
from iclr22.recurrent_intensity.sequence import (
    Config,
    State,
    apply,
    evaluate,
    init,
    loss,
    train_step,
)

STAGES = ("sequence", "bpr", "graph_conv")
