r"""In-domain generalization: in which ranges of its factors can a model of images be trusted?
(ICLR 2022, arXiv:2107.08221)

  python -m experiments.in_domain                    # sprites, which are drawn here
  python -m experiments.in_domain --quick            # under a minute
  python -m experiments.in_domain --model=soft_argmax --split=extrapolation --seeds=3
  python -m experiments.in_domain --dataset=shapes3d_like --model=soft_argmax,cnn
  python -m experiments.in_domain --images=folder --factors=factors.csv    # your own
  python -m experiments.in_domain --task=predict --saved=model.npz --images=folder

Your own data are a folder of images and a table with a column `image` and one for each
factor (pose, size, colour, ...). A run leaves R2 of every model on every split, models, and
certificate.json: the interval of each factor in which 90 % bands were seen to hold.
"""

from experiments import run
from experiments.in_domain.experiment import EXPERIMENT

if __name__ == "__main__":
    run.main(EXPERIMENT)
