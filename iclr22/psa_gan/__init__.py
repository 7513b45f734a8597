"""PSA-GAN: realistic windows of time series, from coarse to fine.

Jeha et al., "PSA-GAN: Progressive Self Attention GANs for Synthetic Time Series", ICLR 2022.
Stages: `gan` (the game of one depth), `encoder` and `contrast` (of scores), `timegan` (the
recurrent baseline), `forecaster`. `pipeline.train` trains any generator on a panel of
`data.series`, `artifact` keeps it, `generation` draws from it, `context_fid` scores any
generator's windows, `certificate` says whether they may be released, `filling` fills gaps.
"""

from iclr22.psa_gan.artifact import Model, load, save
from iclr22.psa_gan.certificate import certify
from iclr22.psa_gan.fid import context_fid, fit_encoder
from iclr22.psa_gan.filling import fill_gap, fill_panel
from iclr22.psa_gan.frechet import frechet_distance
from iclr22.psa_gan.generation import draw, generate
from iclr22.psa_gan.pipeline import VARIANTS, Options, train

STAGES = ("gan", "encoder", "contrast", "timegan", "forecaster")
