"""In-domain generalization: does a model read factors of images that training did not have?

Schott et al., "Visual representation learning does not generalize strongly within the same
domain", ICLR 2022. Images of a grid of factors are split so that training lacks nothing,
combinations, values in between or the largest values (`make_split`); models (`models`) are
trained by `pipeline.train`; predictors of any framework are judged by `evaluate`, and
`certify` finds and verifies where their bands hold. `render_dsprites` and
`render_shapes3d` draw images of any factors. Stages: `regressor`, and the representation
learners `vae` and `pcl`.
"""

from iclr22.data.factors.renderers import render_dsprites, render_shapes3d
from iclr22.in_domain.certificate import certify
from iclr22.in_domain.evaluating import evaluate
from iclr22.in_domain.metrics import r_squared
from iclr22.in_domain.splits import make_split

STAGES = ("regressor", "vae", "pcl")
