"""Trans-Encoder: mutual distillation for sentence pairs.

Liu et al., "Trans-Encoder: Unsupervised sentence-pair modelling through self- and
mutual-distillations", ICLR 2022. Stages: `bi_encoder` and `cross_encoder`, which teach each
other, `contrastive` (the first encoder), `tsdae` (a baseline). `pipeline.train` trains a
variant on a task (`tasks.of`) and encoders (`nn.encoders.load`, or `fresh` ones without
weights), `distillation.distil` runs its cycles, `artifact` keeps what they leave; `embed`,
`score`, `mine` and `distil` use it.
"""

from iclr22.trans_encoder.artifact import Model, Part, export, load, save
from iclr22.trans_encoder.use import distil, embed, mine, score

STAGES = ("bi_encoder", "cross_encoder", "contrastive", "tsdae")
