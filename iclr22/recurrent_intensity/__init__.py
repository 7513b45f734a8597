"""Recurrent intensity modeling: items for users, users for items, and matching (Ma, Liu
and Deoras, ICLR 2022, OpenReview TZeArecH2Nf).

Stages: `sequence` (next-item GRU and Transformer), `bpr` and `graph_conv` (baselines).
`requests` are user states, `splits` divide a log into them, `hawkes` and `activity` say
how active a user state is about to be, `pipeline.train` gives the models of a split, which
multiply both, `artifact` keeps them for other logs. `scores` are never stored as a matrix,
`ranking` finds the best of them, `dual`, `matching` and `plans` decide under budgets,
`metrics` judges.
"""

from iclr22.recurrent_intensity.activity import Activity, intensity
from iclr22.recurrent_intensity.artifact import Model, Prediction, load, predict, save
from iclr22.recurrent_intensity.dual import Prices, online_prices, serve
from iclr22.recurrent_intensity.hawkes import (
    Hawkes,
    calibrate,
    fit_hawkes,
    fit_hawkes_poisson,
)
from iclr22.recurrent_intensity.moments import hawkes_features
from iclr22.recurrent_intensity.pipeline import VARIANTS, Models, Options, train
from iclr22.recurrent_intensity.plans import match, tradeoff
from iclr22.recurrent_intensity.ranking import top_items, top_users
from iclr22.recurrent_intensity.requests import (
    Requests,
    find_items,
    find_users,
    make_requests,
)
from iclr22.recurrent_intensity.scores import Scores
from iclr22.recurrent_intensity.sequence import (
    Config,
    State,
    apply,
    evaluate,
    init,
    loss,
    train_step,
)
from iclr22.recurrent_intensity.splits import (
    Split,
    make_split,
    split_now,
    temporal_split,
    user_split,
)

STAGES = ("sequence", "bpr", "graph_conv")
