"""Prediction for new nodes from a table of features, by a student of an earlier run."""

import numpy as np

from experiments import run as runner
from iclr22 import cold_brew, record
from iclr22.data.graphs import own


def predict(run: runner.Run) -> None:
    """predictions.csv with the class of every node and its virtual neighbours."""
    student = cold_brew.load(run.options.student)
    names, features = own.read_features(
        run.options.nodes, features=student.feature_names
    )
    found = cold_brew.predict(student, features)
    best = np.argmax(found.probabilities, axis=1)
    columns = {
        "id": names,
        "predicted": np.asarray(student.class_names)[best],
        "probability": np.round(found.probabilities.max(axis=1), 4),
        "neighbors": [" ".join(student.names[row]) for row in found.neighbors],
        "weights": [" ".join(f"{w:.3f}" for w in row) for row in found.weights],
    }
    record.write_columns(run.output("predictions.csv"), columns)
    run.summary = f"{len(names)} nodes are in {run.workdir / 'predictions.csv'}."
