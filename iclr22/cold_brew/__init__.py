"""Cold Brew: node representations for nodes with few or no edges (arXiv:2111.04840).

Stages: `teacher` (graph network with structural embeddings), `perceptron` (the student's
two MLPs and the simple MLP), `graph_mlp` (a baseline). `pipeline.train` trains a teacher
and its student on a `Task`, `artifact` predicts for new nodes, `splits` says who is
isolated, `screening` how hard that will be, `discovery` finds virtual neighbours, `link`
is link prediction.
"""

from iclr22.cold_brew.artifact import Lookup, Prediction, Student, load, predict, save
from iclr22.cold_brew.discovery import Neighbors, discover_neighbors
from iclr22.cold_brew.pipeline import Fitted, Options, train
from iclr22.cold_brew.rounds import Task, task_of
from iclr22.cold_brew.screening import (
    feature_contribution_ratio,
    label_propagation,
    reading,
    search_label_propagation,
)
from iclr22.cold_brew.splits import (
    Groups,
    split_by_degree,
    training_nodes,
    validation_part,
)

STAGES = ("teacher", "perceptron", "graph_mlp")
