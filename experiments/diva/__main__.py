r"""DIVA: find wrong labels, reweight, extend (ICLR 2022, arXiv:2111.09785).

  python -m experiments.diva                         # digits, bundled, about a minute
  python -m experiments.diva --quick                 # synthetic, seconds
  python -m experiments.diva --dataset=cifar10 --model=efficientnet_lite0 \
      --weights=efficientnet_lite0.npz               # CIFAR-10, minutes of features
  python -m experiments.diva --dataset=mine.npz      # your own data: ranked examples.csv

On a registered data set a share of the labels is flipped and the methods must find them;
reweighting, extension from a pool and removal are measured on clean test labels. On your
own data nothing is flipped unless you ask for it with --noise.
"""

from experiments import run
from experiments.diva.experiment import EXPERIMENT

if __name__ == "__main__":
    run.main(EXPERIMENT)
