"""The data of the GRDA experiment, the options of one training, rows of its scores."""

import numpy as np

from experiments import run as runner
from experiments.grda import paper
from iclr22 import data, grda
from iclr22.data import domains as domain_data

LEVELS = 3  # domains further away count as this far
CURVES = ("step", "adversary", "edge_auc")  # what is drawn of a training
LEAKS = "shared_index"  # batches that tell target labels
ALONE = ("propagate", "grda_plus")  # they compare no slots


def load(run: runner.Run) -> domain_data.DomainData:
    """The data of this run."""
    options = run.options
    if run.own:
        return data.load_own_domains(
            options.samples,
            options.domains,
            sources=options.sources,
            regression=options.regression,
            neighbors=options.nearest,
        )
    known = data.get(run.dataset)
    if run.quick:
        return known.synthetic(np.random.default_rng(0), 300)
    return known.load(run.data_dir)


def options_of(run: runner.Run, method: str, pairing: str = "") -> grda.Options:
    """The options of one line of the table."""
    models = run.options.models
    pairing = pairing or pairing_of(run, method)
    changed = models.adversarial._replace(pairing=pairing)
    return models._replace(method=method, adversarial=changed)


def pairing_of(run: runner.Run, method: str) -> str:
    """Which samples share a slot of the batches of a method."""
    return "independent" if method in ALONE else run.options.models.adversarial.pairing


def rows_of(run, found, hops, variant, setting, seed, values):
    """Means over domains: targets, sources, targets by distance."""
    metric = "mse" if found.regression else "accuracy"
    groups = {"target": ~found.sources, "source": found.sources}
    for hop in sorted(set(hops[~found.sources].clip(max=LEVELS)) - {-1}):
        groups[f"level{hop}"] = ~found.sources & (hops.clip(max=LEVELS) == hop)
    rows = []
    for group, mask in groups.items():
        name = f"{group}/{metric}"
        if np.isfinite(values[mask]).any():
            mean = float(np.nanmean(values[mask]))
            known = paper.published(run.dataset_name, variant, name)
            rows.append((variant, setting, seed, name, mean, known))
    return rows
