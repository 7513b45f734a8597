"""How far a score depends on its encoder: generators whose quality is known, scored by
several encoders of both kinds."""

import functools

from experiments import run as runner
from experiments.psa_gan import outputs, problem, scores
from iclr22 import record
from iclr22.psa_gan import controls

BESIDE = ("shuffled", "moment_noise", "constant")  # are controls of every table


def encoders(run: runner.Run) -> None:
    """Rows of known generators: their ratios, and spreads of these over encoders."""
    found = problem.problem_of(run, problem.load(run))
    run.trains(problem.encoders_of(run))
    for seed in run.seeds:
        of = problem.sample(run, found, seed)
        known = controls.known_generators(
            found.scaled,
            of.batch["series"],
            of.batch["first"],
            of.real.shape[1],
            season=found.season,
            seed=seed,
        )
        made = {name: x for name, x in known.items() if name not in BESIDE}
        score = functools.partial(scores.distances, run, found, of, made, seed)
        run.cell(f"distances-{seed}", score)
    outputs.draw_scores(run, ("real", *made, "shuffled", "noise", "constant"))
    run.summary = _words(run)


def _words(run: runner.Run) -> str:
    """How far encoders agree."""
    means = {(x.variant, x.metric): x.mean for x in record.summarise(run.rows)}

    def spread(name):
        metric = f"context_fid/{name}"
        each = [x for (v, m), x in means.items() if m == metric and v != "real"]
        mean = means["all", f"encoders/{name}"]
        return f"{100 * mean:.1f} % (largest {100 * max(each):.1f} %)"

    return (
        f"{run.options.encoders} encoders of each kind. Coefficient of variation over them, "
        f"mean of generators: published ratio {spread('spread')}, whitened ratio of one of "
        f"each kind {spread('whitened_spread')}. Rank correlation of both kinds: "
        f"{means['all', 'encoders/agreement']:.2f} for single encoders, "
        f"{means['all', 'encoders/agreement_of_means']:.2f} for their means."
    )
