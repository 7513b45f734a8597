r"""GRDA: domain adaptation where a graph says which domains are related (ICLR 2022,
arXiv:2202.03428).

  python -m experiments.grda                               # DG-15, bundled, 2-3 minutes
  python -m experiments.grda --quick                       # synthetic, seconds
  python -m experiments.grda --method=grda --pairing=shared_index   # as released; leaks
  python -m experiments.grda --dataset=dg60_drawn          # or dg60, with --data_dir
  python -m experiments.grda --dataset=tpt48_east_west     # regression
  python -m experiments.grda --dataset=tpt48_east_west_classes   # the same as classes
  python -m experiments.grda --task=noise                  # classes that overlap
  python -m experiments.grda --samples=samples.csv --domains=edges.csv     # your data
  python -m experiments.grda --task=predict --model=RUN/model.npz \
      --samples=new.csv --domains=edges.csv                # also for new domains

samples.csv has a header with `domain`, `label` (empty where unknown), every other column
is a number and a feature; or one npz: x [n, features], y [n], domain [n]. --domains is
edges.csv (`source`, `target`, if wanted `weight`), adjacency.npy [N, N] or coordinates.csv
(`domain` and numbers: nearest domains are linked).
"""

from experiments import run
from experiments.grda.experiment import EXPERIMENT

if __name__ == "__main__":
    run.main(EXPERIMENT)
