r"""Trajectory Shapley: who improves a prediction, the own past or others (ICLR 2022, arXiv
2110.05304).

  python -m experiments.trajectory_shapley                    # generated agents, 2 minutes
  python -m experiments.trajectory_shapley --quick            # seconds
  python -m experiments.trajectory_shapley --dataset=zara1 --seeds=3       # the claim
  python -m experiments.trajectory_shapley --dataset=zara1 --preset=paper  # as published
  python -m experiments.trajectory_shapley --tracks=tracks.csv --dt=0.4    # your tracks
  python -m experiments.trajectory_shapley --tracks=tracks.csv --dt=0.4 \
      --predictor=mymodule:predict                            # and your predictor
  python -m experiments.trajectory_shapley --tracks=new.csv --model=RUN/model.npz
  python -m experiments.trajectory_shapley --task=figure --results=a.csv,b.csv

tracks.csv has a header with `scene`, `frame`, `agent`, `x`, `y` and if wanted `type`. A
predictor is a function of NumPy arrays, see README.md here.
"""

from experiments import run
from experiments.trajectory_shapley.experiment import EXPERIMENT

if __name__ == "__main__":
    run.main(EXPERIMENT)
