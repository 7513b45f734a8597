r"""Cold Brew: nodes with few or no edges (ICLR 2022, arXiv:2111.04840).

  python -m experiments.cold_brew                         # Cora, bundled, 2-3 minutes
  python -m experiments.cold_brew --quick                 # synthetic, seconds
  python -m experiments.cold_brew --dataset=citeseer      # downloads, or --data_dir
  python -m experiments.cold_brew --task=screen           # FCR with searched baselines
  python -m experiments.cold_brew --task=link             # link prediction, MRR
  python -m experiments.cold_brew --task=deep             # 64 layers with and without SE
  python -m experiments.cold_brew --nodes=nodes.csv --edges=edges.csv      # your graph
  python -m experiments.cold_brew --task=predict --student=RUN/student.npz \
      --nodes=new_nodes.csv                               # new nodes without edges

nodes.csv has a header with `id`, `label` (empty where unknown), if wanted `split` (train,
valid, test), every other column is a number and a feature; edges.csv has `source`,
`target` and if wanted `weight`. Or one npz: x [n, d], y [n], edge_index [2, edges].
"""

from experiments import run
from experiments.cold_brew.experiment import EXPERIMENT

if __name__ == "__main__":
    run.main(EXPERIMENT)
