r"""Trans-Encoder: fast and accurate scores of sentence pairs, from unlabelled text (ICLR 2022,
arXiv:2109.13059).

  python -m experiments.trans_encoder                         # generated pairs, no weights
  python -m experiments.trans_encoder --quick                 # under a minute
  python -m experiments.trans_encoder --pairs=pairs.csv       # your own, no weights
  python -m experiments.trans_encoder --pairs=pairs.csv --encoder=bert
  python -m experiments.trans_encoder --pairs=lines.txt --encoder=bert  # single sentences
  python -m experiments.trans_encoder --dataset=stsb --encoder=bert --second_encoder=other \
      --variant=self,mutual,shuffled --seeds=3
  python -m experiments.trans_encoder --task=score --model=RUN/model.npz --pairs=pairs.csv
  python -m experiments.trans_encoder --task=embed --model=RUN/model.npz --sentences=lines.txt
  python -m experiments.trans_encoder --task=mine --model=RUN/model.npz --sentences=lines.txt
  python -m experiments.trans_encoder --task=static --model=RUN/model.npz --sentences=lines.txt
  python -m experiments.trans_encoder --task=measure --model=RUN/model.npz --dataset=facts

`pairs.csv` has the columns `sentence1`, `sentence2` and, if wanted, `score`, by which the end
is measured, no more; `--dev` names pairs with scores to select by. An encoder is a folder or
a wheel with the weights of a BERT (`config.json`, `model.safetensors`, `vocab.txt`).
"""

from experiments import run
from experiments.trans_encoder.experiment import EXPERIMENT

if __name__ == "__main__":
    run.main(EXPERIMENT)
