r"""Deep AutoAugment: an augmentation policy from a few thousand labelled images (ICLR 2022,
arXiv:2203.06172).

  python -m experiments.deep_autoaugment                    # digits, which come with it
  python -m experiments.deep_autoaugment --quick            # under a minute
  python -m experiments.deep_autoaugment --dataset=mine.npz # your own, or a folder
  python -m experiments.deep_autoaugment --dataset=cifar10 --preset=small --train_size=5000
  python -m experiments.deep_autoaugment --dataset=cifar10 --task=train --train_size=5000 \
      --variant=deep_autoaugment,flip_crop,rand_augment --policy=policy.json
  python -m experiments.deep_autoaugment --task=augment --images=folder --policy=policy.json

Your own images are an .npz with `x` [n, h, w] or [n, h, w, c] and `y`, or a folder with one
folder of images for each class, perhaps below train/ and test/. A search leaves policy.json,
a verdict whether to use it, and figures; `--task=augment` writes augmented images.
"""

from experiments import run
from experiments.deep_autoaugment.experiment import EXPERIMENT

if __name__ == "__main__":
    run.main(EXPERIMENT)
