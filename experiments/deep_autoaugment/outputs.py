"""Figures, files and words of a run."""

import jax
import numpy as np

from experiments import run as runner
from experiments.deep_autoaugment import paper
from iclr22 import checkpoint, metrics, plots, record
from iclr22.deep_autoaugment import figures, files
from iclr22.deep_autoaugment.policy import apply_policy, members

SHEET, DRAWS = 8, 8  # images of the contact sheet, and draws of each


def write(run: runner.Run, first, searched: bool) -> None:
    """What a run leaves: the policy of the first seed, figures, words."""
    lines = []
    if searched:
        cell = run.cell(f"search-{first.seed}", dict)
        found = run.cell(f"health-{first.seed}", dict)
        text = first.path.read_text()
        with checkpoint.atomic(run.output("policy.json")) as temporary:
            temporary.write_text(text)
        _draw(run, first, cell, found)
        lines += verdicts(run)
    if run.options.variant:
        summaries = record.summarise(run.rows)
        path = run.figure("headline", "Test accuracy [%], mean and 95 % interval.")
        plots.bars(path, summaries, paper.ORDER, paper.TEST, colours=figures.COLOURS)
        lines += accuracies(summaries)
    run.summary = "\n".join(lines)


def _draw(run: runner.Run, first, cell, found) -> None:
    policy = files.load_policy(first.path)
    path = run.figure("policy", "Share of each operation in the layers, first seed.")
    figures.layers(path, policy)
    path = run.figure("magnitudes", "Magnitudes in the first layer, first seed.")
    figures.magnitudes(path, members(policy).policies[0])
    path = run.figure("search", "Cosine of gradients while layers are learned.")
    curves = {f"layer {k + 1}": curve for k, curve in enumerate(cell["curves"])}
    figures.cosines(path, curves)
    path = run.figure("health", "Cosine of gradients, images that no search has seen.")
    cosines = {name: metrics.student(x) for name, x in found["cosines"].items()}
    figures.held_out(path, cosines)
    path = run.figure("contact_sheet", "Images, and draws of the policy.")
    images = first.data.x[:SHEET]
    drawn = [apply_policy(policy, images, jax.random.key(k)) for k in range(DRAWS)]
    figures.contact_sheet(path, images, np.stack(drawn, axis=1))


def verdicts(run: runner.Run) -> list[str]:
    """Whether to use the policies, by seed."""
    lines = []
    for seed in run.seeds:
        found = run.cell(f"health-{seed}", dict)
        told = {
            name: "{:.3f} ± {:.3f}".format(*metrics.student(x))
            for name, x in found["cosines"].items()
        }
        where = "" if found["held"] else " (images that the search saw)"
        words = ", ".join(f"{name} {value}" for name, value in told.items())
        lines.append(f"seed {seed}: {found['reason']}. Cosine{where}: {words}.")
    return lines


def accuracies(summaries) -> list[str]:
    """Test accuracies in words."""
    found = [x for x in summaries if x.metric == "test/accuracy"]
    found.sort(key=lambda x: -x.mean)
    told = ", ".join(
        f"{paper.TOLD.get(x.variant, x.variant)} {x.mean:.1f}" for x in found
    )
    return [f"Test accuracy [%]: {told}."] if found else []
