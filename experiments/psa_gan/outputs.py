"""Figures, certificate and words about generators."""

import numpy as np

from experiments import run as runner
from experiments.psa_gan import paper, problem, scores
from experiments.psa_gan.problem import Problem, Sample
from iclr22 import record
from iclr22.data.series import layouts
from iclr22.psa_gan import certificate, fid, figures

KEPT = 512  # windows of a generator that figures use
COLLAPSED = 0.02  # diversity below which a generator is said to ignore its noise
RHYTHMS = ("psa_gan", "psa_gan_c", "plain_gan", "timegan_c", "seasonal_bootstrap")


def draw(run: runner.Run, found: Problem, trained) -> None:
    """Figures of the first seed, the bars of all; certificate of its first variant."""
    seed = run.seeds[0]
    draw_scores(run)
    of = problem.sample(run, found, seed)
    kept = {
        name: np.asarray(run.cell(f"{name}-{seed}", dict)["windows"])
        for name in run.options.variant
    }
    shown = trained[0] if trained else next(iter(kept))
    draw_windows(run, found, of, kept, shown)
    if trained:
        certify(run, of, kept[shown], seed)


def draw_scores(run: runner.Run, order=paper.ORDER) -> None:
    """Bars of Context-FID over all seeds, variants in this order."""
    path = run.figure("headline", "Context-FID over the shuffled control.")
    figures.scores(path, record.summarise(run.rows), order)


def draw_windows(
    run, found: Problem, of: Sample, made: dict, shown: str, *, overlays: bool = True
) -> None:
    """Overlays, rhythms and embeddings of windows by variant.

    Args:
      overlays: windows are of the places of the real ones.
    """
    if overlays:
        _draw_overlays(run, found, of, made[shown], shown)
    phase = of.batch["first"] % found.season if overlays else None
    named = {"real": of.real[:KEPT]}
    named |= {k: x[:KEPT] for k, x in made.items() if k in (*RHYTHMS, shown)}
    path = run.figure("rhythms", "Autocorrelation, spectrum and profile of a season.")
    figures.rhythms(path, named, phase, found.season)
    judge = scores.encoders(run, found, "encoder")[0]
    vectors = {name: fid.embed(judge, x) for name, x in named.items()}
    path = run.figure("embeddings", "Windows as the first encoder sees them.")
    figures.embeddings(path, vectors)


def _draw_overlays(run, found, of, made, shown):
    layout, series, first = found.scaled.layout, of.batch["series"], of.batch["first"]
    count = min(figures.SHOWN, len(of.real))
    dates = layouts.stamps(layout, series[:count], first[:count], 1)[:, 0]
    titles = [
        f"{layout.ids[i]} {str(date)[:10]}"
        for i, date in zip(series, dates, strict=False)
    ]
    path = run.figure("overlays", f"Real windows and those of {shown}, same dates.")
    figures.overlays(path, of.real[:count], made[:count], titles)


def certify(run: runner.Run, of: Sample, made, seed: int) -> None:
    """certificate.json, of windows `[n, length]` of a generator."""
    if len(of.held) < certificate.FEWEST:
        run.facts["certificate"] = (
            f"none: {len(of.held)} windows are held out, {certificate.FEWEST} are needed; "
            "choose a larger --holdout"
        )
        return
    found = certificate.certify(of.real, of.held, made, seed=seed)
    found.write(run.output("certificate.json"))
    verdict = "passed" if found.passed else f"failed: {'; '.join(found.reasons)}"
    run.facts["certificate"] = (
        f"{verdict}; membership attack's AUC {found.auc:.3f} "
        f"({found.auc_low:.3f} to {found.auc_high:.3f}), nearest training window "
        f"{found.median_ratio:.2f} times as far as from held-out ones"
    )


def conclusions(run: runner.Run) -> str:
    """What the means over seeds say, in words."""
    setting = problem.setting_of(run)
    means = {
        (x.variant, x.metric): x.mean
        for x in record.summarise(run.rows)
        if x.setting == setting
    }
    ratio = {v: x for (v, metric), x in means.items() if metric == figures.RATIO}
    made = {v: x for v, x in ratio.items() if v in paper.TRAINED}
    if not made:
        return ""
    best = min(made, key=lambda v: made[v])
    lines = [
        f"Best trained generator: {best}, Context-FID {made[best]:.3g} of that of windows "
        f"shuffled in time{_floor(ratio)}."
    ]
    if "psa_gan" in made:
        others = {v: x for v, x in made.items() if v != "psa_gan"}
        lines += [
            f"psa_gan {'below' if made['psa_gan'] < x else 'not below'} {v}: "
            f"{made['psa_gan']:.3g} against {x:.3g}."
            for v, x in others.items()
        ]
    diverse = {v: means[v, "diversity"] for v in made if (v, "diversity") in means}
    lines += [
        f"{v} ignores its noise: windows of one series and date differ by {x:.2g} of the "
        "series' deviation. --moment=score is made for that."
        for v, x in diverse.items()
        if x < COLLAPSED
    ]
    if "certificate" in run.facts:
        lines.append(f"Release certificate: {run.facts['certificate']}.")
    return "\n".join(lines)


def verdict(run: runner.Run) -> str:
    """What the score of a file says."""
    found = {
        x.variant: x.mean
        for x in record.summarise(run.rows)
        if x.metric == figures.RATIO
    }
    score, floor = found["synthetic"], found["real"]
    where = "no better than shuffled windows" if score >= 1 else "better than shuffled"
    if score <= 2 * floor:
        where = "as near as other real windows are, within a factor of two"
    return (
        f"Context-FID {score:.3g} of that of real windows shuffled in time: {where}. Other "
        f"real windows have {floor:.3g}, noise of the same moments {found['noise']:.3g}, "
        f"constants {found['constant']:.3g}."
    )


def _floor(ratio) -> str:
    found = ratio.get("real")
    return "" if found is None else f" (other real windows: {found:.3g})"
