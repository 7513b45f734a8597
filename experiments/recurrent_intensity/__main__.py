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

events.csv has a header with `user`, `item`, `timestamp` (numbers or ISO 8601); other columns
are ignored. budgets.csv has `item` and `users`, how many to tell at most (--bound=lower: at
least); items without a line are not part of the campaign.
"""

from experiments import run
from experiments.recurrent_intensity.experiment import EXPERIMENT

if __name__ == "__main__":
    run.main(EXPERIMENT)
