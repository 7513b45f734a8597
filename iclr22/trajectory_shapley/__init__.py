"""Shapley attribution of trajectory predictors (arXiv:2110.05304): does a prediction use
other agents, which ones, and when?

`attribute` divides the error of any predictor over the target's past and its neighbours,
`scores` sums up (social interaction score), `shapley_values` works for any game. Stages:
`trajectron` (Trajectron++ with one edge per neighbour, with a sum, or past only) and
`pecnet`; `train` trains them on windows of tracks, `evaluate` measures their errors.
"""

from iclr22.trajectory_shapley.artifact import Model, load, predict, predictor_of, save
from iclr22.trajectory_shapley.attribute import Attribution, attribute, game
from iclr22.trajectory_shapley.blocks import Estimation
from iclr22.trajectory_shapley.coalitions import Rules
from iclr22.trajectory_shapley.evaluation import evaluate
from iclr22.trajectory_shapley.pipeline import Data, Fitted, Options, train
from iclr22.trajectory_shapley.predictor import Foreign, Predictor
from iclr22.trajectory_shapley.random_agents import (
    with_random_agent,
    with_random_neighbours,
)
from iclr22.trajectory_shapley.scores import (
    social_interaction_score,
    summarise,
    verdict,
)
from iclr22.trajectory_shapley.shapley import interaction_values, shapley_values
from iclr22.trajectory_shapley.windows import build_windows, sample_windows

STAGES = ("trajectron", "pecnet")
