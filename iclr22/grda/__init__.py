"""GRDA: domain adaptation where a graph says which domains are related (arXiv:2202.03428).

Stages: `adversarial` (GRDA and the methods it is compared to, one trainer) and `plus` (GRDA+,
which also works without class-aligned batches). `pipeline.train` trains any method on
`data.DomainData`, `artifact` predicts and inserts new domains, `selection` chooses without
target labels, `metrics` scores with them, `propagate` and `linear` are plain baselines.
"""

from iclr22.data.domains.simulated import generate_domains
from iclr22.grda.adversarial import (
    Config,
    State,
    apply,
    evaluate,
    init,
    loss,
    train_step,
)
from iclr22.grda.artifact import Model, encode, insert_domain, load, predict, save
from iclr22.grda.embedding import fit_embedding
from iclr22.grda.metrics import target_scores
from iclr22.grda.pairs import discriminator_loss, sample_subgraph
from iclr22.grda.pipeline import METHODS, Fitted, Options, train

STAGES = ("adversarial", "plus")
