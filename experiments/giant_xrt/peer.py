"""The same work by libpecos, for `benchmark` alone, in an environment of its own.

  python -m experiments.giant_xrt.benchmark --pecos=OTHER/bin/python

libpecos 1.2.8 needs NumPy 1: the benchmark starts this file with the interpreter that is
named, which has libpecos and neither JAX nor this project. It reads features and labels and
prints processor seconds of clustering, training and prediction as JSON.
"""

import json
import sys
import time

import numpy as np
import scipy.sparse as sp

LEAF, SPLITS, BEAM, K = 100, 4, 10, 5


def main(path: str) -> None:
    """Measure on the arrays of a file."""
    from pecos.xmc import Indexer, LabelEmbeddingFactory
    from pecos.xmc.xlinear.model import XLinearModel

    with np.load(path) as file:
        x, y, test = (_matrix(file, name) for name in ("x", "y", "test"))
    began = time.process_time()
    vectors = LabelEmbeddingFactory.create(y, x, method="pifa")
    chain = Indexer.gen(
        vectors,
        indexer_type="hierarchicalkmeans",
        nr_splits=SPLITS,
        min_codes=SPLITS,
        max_leaf_size=LEAF,
        threads=1,
    )
    planted = time.process_time()
    model = XLinearModel.train(x, y, C=chain, negative_sampling_scheme="tfn", threads=1)
    trained = time.process_time()
    model.predict(test, beam_size=BEAM, only_topk=K, threads=1)
    predicted = time.process_time()
    found = {
        "tree": planted - began,
        "training": trained - planted,
        "prediction": predicted - trained,
    }
    print(json.dumps(found))


def _matrix(file, name: str):
    parts = (file[f"{name}_{x}"] for x in ("data", "indices", "indptr"))
    shape = tuple(file[f"{name}_shape"])
    return sp.csr_matrix(tuple(parts), shape=shape, dtype=np.float32)


if __name__ == "__main__":
    main(sys.argv[1])
