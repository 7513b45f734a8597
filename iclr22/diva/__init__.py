"""DIVA: dataset derivative of a learning task (ICLR 2022, arXiv:2111.09785).

`ridge` holds the closed forms, `closed_form` their checked public doors, `linear` turns
a network into features, `algorithms` and `baselines` use the derivative, `stream` does
it for data larger than memory, `model` and `train` are the network trained here.
"""

from iclr22.diva.algorithms import (
    DETECTION_L2,
    SCORES,
    aggregate,
    augmentation_probabilities,
    detect,
    extend,
    one_hot,
    reweight,
)
from iclr22.diva.baselines import (
    influence,
    knn_shapley,
    meta_weights,
    uncertainty_weights,
)
from iclr22.diva.closed_form import (
    assess,
    choose_l2,
    conditioning,
    coupled_derivative,
    coupled_leave_one_out,
    derivative,
    derivative_from_gram,
    gram_factor,
    group_derivative_from_gram,
    holdout_derivative,
    leave_group_out_from_gram,
    leave_one_out,
    leave_one_out_from_gram,
    relabel_derivative,
    solve,
)
from iclr22.diva.linear import count_sketch, gram, gram_rows, linearize, sketch
from iclr22.diva.model import Config, apply, features, fuse
from iclr22.diva.train import (
    State,
    evaluate,
    example,
    fit_subsets,
    init,
    loss,
    train_step,
)
