r"""PSA-GAN: synthetic series, gaps filled, and a score of any generator (ICLR 2022,
arXiv:2108.00981).

  python -m experiments.psa_gan                               # monthly temperatures
  python -m experiments.psa_gan --quick                       # a minute
  python -m experiments.psa_gan --dataset=m4_hourly --seeds=3 # the claim
  python -m experiments.psa_gan --series=loads.csv            # synthetic.csv, certificate
  python -m experiments.psa_gan --series=loads.csv --model=RUN/model.npz --samples=10
  python -m experiments.psa_gan --series=loads.csv --task=fill      # gaps, with bands
  python -m experiments.psa_gan --series=loads.csv --task=forecast
  python -m experiments.psa_gan --series=loads.csv --task=cold_start
  python -m experiments.psa_gan --task=score --real=a.csv --synthetic=b.csv
  python -m experiments.psa_gan --task=encoders               # how far scores depend on them

A file of series is a table, long (`id`, `time`, `value`; other columns are numbers that
belong to a series) or wide (a column of times, one of numbers for each series), JSON lines of
GluonTS, or a table of LSTNet; empty cells are missing. What is written has its format.
"""

from experiments import run
from experiments.psa_gan.experiment import EXPERIMENT

if __name__ == "__main__":
    run.main(EXPERIMENT)
