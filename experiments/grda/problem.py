"""The data of the GRDA experiment, the lines of its table, rows of scores."""

from typing import Any, NamedTuple

import numpy as np
from absl import logging

from experiments import run as runner
from experiments.grda import paper
from iclr22 import data, errors, grda
from iclr22.data import domains
from iclr22.grda import pipeline

LEVELS = 3  # domains further away count as this far
LEAKS = "shared_index"  # batches that tell target labels
ALONE = ("propagate", "grda_plus")  # they compare no slots


class Problem(NamedTuple):
    """Related domains, and how far each is from a source."""

    data: domains.DomainData
    hops: np.ndarray  # [N], edges to the nearest source, -1 without a path


class Line(NamedTuple):
    """A line of the table: a method, and which samples share a slot of its batches."""

    method: str
    pairing: str

    @property
    def name(self) -> str:
        """Of cells, folders and files."""
        return f"{self.method}-{self.pairing}"

    @property
    def title(self) -> str:
        """For people: it says where labels leak."""
        return f"{self.method} ({LEAKS})" if self.pairing == LEAKS else self.method


def problem_of(found: domains.DomainData) -> Problem:
    """The problem that data pose."""
    return Problem(found, domains.hops(found.graph, found.sources))


def load(run: runner.Run) -> Problem:
    """The data of this run."""
    options = run.options
    if run.own:
        found = data.load_own_domains(
            options.samples,
            options.domains,
            sources=options.sources,
            regression=options.regression,
            neighbors=options.nearest,
        )
    elif run.quick:
        found = data.get(run.dataset).synthetic(np.random.default_rng(0), 300)
    else:
        found = data.get(run.dataset).load(run.data_dir)
    return problem_of(found)


def lines_of(run: runner.Run, found: domains.DomainData) -> list[Line]:
    """What is measured on these data.

    Raises:
      errors.InputError: no method is left.
    """
    methods = [
        name
        for name in run.options.method
        if not (name == "propagate" and found.regression)
    ]
    if not methods:
        raise errors.InputError(
            "propagate needs classes; found numbers to predict. Name another --method"
        )
    if len(methods) < len(run.options.method):
        logging.info("propagate is left out: it needs classes")
    return [Line(name, _pairing_of(run, name)) for name in methods]


def released(run: runner.Run, found: domains.DomainData) -> list[Line]:
    """GRDA as released, if it is wanted and domains are of one size; its batches leak."""
    sizes = np.bincount(found.domain, minlength=found.size)
    wanted = run.options.reproduce and "grda" in run.options.method
    return [Line("grda", LEAKS)] if wanted and len(set(sizes)) == 1 else []


def _pairing_of(run, method):
    asked = run.options.models.adversarial.pairing
    if method in ALONE or (asked == "pseudo_label" and method != "grda"):
        return "independent"
    return asked


def options_of(run: runner.Run, line: Line) -> grda.Options:
    """The options of one line."""
    models = run.options.models
    changed = models.adversarial._replace(pairing=line.pairing)
    return models._replace(method=line.method, adversarial=changed)


def configurations(
    run: runner.Run, found: domains.DomainData, lines: list[Line]
) -> dict[str, Any]:
    """What is trained for these lines, by name."""
    named = {}
    for line in lines:
        options = options_of(run, line)
        named[line.name] = pipeline.config_of(options, found)
        if line.method == "propagate":
            named[f"{line.name}-plan"] = options.propagate
    return named


def rows_of(run, problem: Problem, variant: str, setting: str, seed: int, values):
    """Means over domains of values `[N]`: targets, sources, targets by distance."""
    found, hops = problem
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
