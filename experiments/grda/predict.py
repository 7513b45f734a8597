"""Predictions of a kept model for new samples, new domains among them."""

import numpy as np

from experiments import run as runner
from experiments.grda.outputs import write_predictions
from iclr22 import errors, grda
from iclr22.data import domains as domain_data
from iclr22.data.domains import own
from iclr22.grda import artifact, figures


def predict(run: runner.Run) -> None:
    """Predictions of a kept model for new samples, new domains among them."""
    if not run.options.model or not run.own:
        raise errors.InputError(
            "--task=predict needs --model=RUN/model.npz and --samples; for domains that "
            "the model does not know also --domains=edges.csv"
        )
    made = artifact.load(run.options.model)
    x, of = own.read_samples(run.options.samples)
    made, added = _insert(made, sorted(set(of.tolist())), run.options.domains)
    said = grda.predict(made, x, of)
    numbers = artifact.numbers_of(made, of)
    write_predictions(run.workdir / "predictions.csv", made, numbers, said)
    artifact.save(run.workdir / "model.npz", made)
    rows = [("predict", "own", 0, "predict/samples", len(x), "")]
    rows.append(("predict", "own", 0, "predict/new_domains", len(added), ""))
    run.cell("predict", lambda: {"rows": rows})
    found = domain_data.DomainData(
        *(x, np.zeros(len(x), np.int32), numbers, made.graph),
        np.zeros(len(made.domain_names), bool),
        *(made.class_names, made.domain_names),
    )
    path = run.figure("embeddings", "Domain embeddings; new domains are among them.")
    figures.embeddings(path, found, made.embeddings)
    run.summary = f"Predictions for {len(x)} samples; new domains: {', '.join(added)}."


def _insert(made, names, edges):
    """The model with every unknown domain inserted by its edges; and their names."""
    new = [name for name in names if name not in made.domain_names]
    if new and not edges:
        raise errors.InputError(
            f"the model does not know the domain {new[0]!r}: name its neighbours in "
            "--domains=edges.csv (source, target)"
        )
    neighbors = own.read_neighbors(edges) if new else {}
    for name in new:
        known = made.domain_names.tolist()
        near = {k: w for k, w in neighbors.get(name, {}).items() if k in known}
        if not near:
            raise errors.InputError(
                f"{edges}: expected an edge from {name!r} to a domain of the model; found "
                f"none. Its domains: {', '.join(known[:5])}..."
            )
        made = grda.insert_domain(made, name, near)
    return made, new
