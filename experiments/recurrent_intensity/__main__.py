r"""Recurrent intensity modeling: items for users, users for items, campaigns (ICLR 2022,
OpenReview TZeArecH2Nf).

  python -m experiments.recurrent_intensity                      # generated log, a minute
  python -m experiments.recurrent_intensity --quick              # seconds
  python -m experiments.recurrent_intensity --dataset=ml100k --seeds=3      # the claim
  python -m experiments.recurrent_intensity --events=events.csv --horizon=7d
  python -m experiments.recurrent_intensity --events=events.csv --horizon=7d \
      --task=audience --items=A,B --top=500                      # whom to tell about A, B
  python -m experiments.recurrent_intensity --events=events.csv --task=recommend --top=10
  python -m experiments.recurrent_intensity --events=events.csv --task=campaign \
      --budgets=budgets.csv --contacts=2                         # a plan and a price table
  python -m experiments.recurrent_intensity --events=today.csv --task=audience \
      --model=RUN/model.npz                                      # nothing is trained
  python -m experiments.recurrent_intensity --events=today.csv --task=campaign \
      --prices=RUN/prices.csv --model=RUN/model.npz              # users who come later

events.csv has a header with `user`, `item`, `timestamp`: dates (2024-05-01T12:30, 20240501,
20240501123000) or counts (seconds, milliseconds, ... since 1970 or any start; --unit, if they
are not what the log says they look like); other columns are ignored. budgets.csv has `item`
and `users`, how many to tell at most (--bound=lower: at least); items without a line are not
part of the campaign.
"""

from experiments import run
from experiments.recurrent_intensity.experiment import EXPERIMENT

if __name__ == "__main__":
    run.main(EXPERIMENT)
