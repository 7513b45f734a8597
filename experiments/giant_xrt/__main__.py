r"""GIANT-XRT: features of nodes from their raw texts that know the graph (ICLR 2022,
arXiv:2111.00064).

  python -m experiments.giant_xrt                              # a generated graph, no weights
  python -m experiments.giant_xrt --quick                      # under a minute
  python -m experiments.giant_xrt --texts=nodes.csv --edges=edges.csv
  python -m experiments.giant_xrt --texts=nodes.csv --edges=edges.csv --encoder=bert
  python -m experiments.giant_xrt --task=encode --model=RUN/model.npz --texts=new.csv
  python -m experiments.giant_xrt --dataset=citeseer --encoder=bert --seeds=3
  python -m experiments.giant_xrt --dataset=wordnet
  python -m experiments.giant_xrt --task=isolated              # Cold Brew on its features

`nodes.csv`, or lines of JSON, has the columns `id`, `text` and, if wanted, `label` and
`split`; `edges.csv` has `source`, `target` and, if wanted, `weight`. An encoder is a folder
or a wheel with the weights of a BERT; without one a bag of tokens learns from nothing.
"""

from experiments import run
from experiments.giant_xrt.experiment import EXPERIMENT

if __name__ == "__main__":
    run.main(EXPERIMENT)
