"""DIVA: dataset derivative of a learning task (ICLR 2022, arXiv:2111.09785).

`ridge` holds the closed forms, `closed_form`, `groups`, `holdout` and `penalty` their
checked public doors, `linear` turns a network into features; `detection`, `reweighting`,
`extension` and `baselines` use the derivative, `stream` does it for data larger than
memory.

`classifier` is the network that is trained here. `pipeline.train` takes labelled examples
to a network, a ranking, weights and a linear head; `artifact` predicts with that.
"""

from iclr22.diva.artifact import Model, load, predict, save
from iclr22.diva.baselines import (
    influence,
    knn_shapley,
    meta_weights,
    uncertainty_weights,
)
from iclr22.diva.checks import one_hot
from iclr22.diva.classifier import (
    Config,
    State,
    apply,
    evaluate,
    example,
    features,
    fit_subsets,
    fuse,
    init,
    loss,
    train_step,
)
from iclr22.diva.closed_form import (
    assess,
    derivative,
    derivative_from_gram,
    leave_one_out,
    leave_one_out_from_gram,
    relabel_derivative,
    solve,
)
from iclr22.diva.detection import DETECTION_L2, SCORES, detect, suggest
from iclr22.diva.extension import extend
from iclr22.diva.groups import (
    coupled_derivative,
    coupled_leave_one_out,
    group_derivative_from_gram,
    leave_group_out_from_gram,
)
from iclr22.diva.holdout import holdout_derivative
from iclr22.diva.linear import count_sketch, gram, gram_rows, linearize, sketch
from iclr22.diva.penalty import choose_l2, conditioning, gram_factor
from iclr22.diva.pipeline import Curation, Examples, Fitted, Options, curate, train
from iclr22.diva.reweighting import aggregate, augmentation_probabilities, reweight
from iclr22.diva.vectors import rank_vectors
