"""Predictions of a kept model for new samples, new domains among them."""

import numpy as np

from experiments import run as runner
from experiments.grda.outputs import write_predictions
from iclr22 import errors, grda
from iclr22.data.checks import few, shown
from iclr22.data.domains import DomainData, own
from iclr22.grda import artifact, figures


def predict(run: runner.Run) -> None:
    """Predictions of a kept model for new samples, new domains among them."""
    options = run.options
    model = artifact.load(options.model)
    x, of = own.read_samples(options.samples, features=model.feature_names)
    model, added = insert(model, sorted(set(of.tolist())), options.domains)
    said = grda.predict(model, x, of)
    numbers = artifact.numbers_of(model, of)
    write_predictions(run.output("predictions.csv"), model, numbers, said)
    artifact.save(run.output("model.npz"), model)
    rows = [
        ("predict", "own", 0, "predict/samples", len(x), ""),
        ("predict", "own", 0, "predict/new_domains", len(added), ""),
    ]
    run.cell("predict", lambda: {"rows": rows})
    path = run.figure("embeddings", "Domain embeddings; new domains are among them.")
    figures.embeddings(path, _drawn(model), model.embeddings)
    run.summary = f"Predictions for {len(x)} samples; new domains: "
    run.summary += f"{', '.join(added) or 'none'}."


def insert(
    model: artifact.Model, names: list[str], edges: str
) -> tuple[artifact.Model, list[str]]:
    """The model with every unknown domain inserted by its edges; and their names.

    Args:
      names: domains of samples; edges: path of their table, `source`, `target`.

    Raises:
      errors.InputError: an unknown domain without an edge to the model's.
    """
    new = [name for name in names if name not in model.domain_names]
    if new and not edges:
        raise errors.InputError(
            f"the model does not know the domain {shown(new[0])}: name its neighbours in "
            "--domains=edges.csv (source, target)"
        )
    neighbors = own.read_neighbors(edges) if new else {}
    for name in new:
        known = model.domain_names.tolist()
        near = {k: w for k, w in neighbors.get(name, {}).items() if k in known}
        if not near:
            raise errors.InputError(
                f"{edges}: expected an edge from {shown(name)} to a domain of the model; "
                f"found none. Its domains: {few(known)}. Add one."
            )
        model = grda.insert_domain(model, name, near)
    return model, new


def _drawn(model: artifact.Model) -> DomainData:
    """The domains of a model, as figures take them; without samples."""
    size = len(model.domain_names)
    return DomainData(
        x=np.zeros((0, len(model.sample_scale.shift)), np.float32),
        y=np.zeros(0, np.int32),
        domain=np.zeros(0, np.int32),
        graph=model.graph,
        sources=np.zeros(size, bool),
        class_names=model.class_names,
        domain_names=model.domain_names,
    )
