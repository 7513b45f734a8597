"""Cold Brew: node representations for nodes with few or no edges (arXiv:2111.04840).

Stages: `teacher` (graph network with structural embeddings), `perceptron` (the student's
two MLPs and the simple MLP), `graph_mlp` (a baseline).
"""

STAGES = ("teacher", "perceptron", "graph_mlp")
