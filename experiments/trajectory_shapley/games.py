"""Attribution of some windows, beside random agents: how much it asks, its scores, rows."""

from typing import NamedTuple

import numpy as np
from absl import logging

from experiments import run as runner
from iclr22 import errors
from iclr22.trajectory_shapley import designs, random_agents, scores
from iclr22.trajectory_shapley.attribute import Attribution, attribute
from iclr22.trajectory_shapley.blocks import Estimation
from iclr22.trajectory_shapley.coalitions import Rules
from iclr22.trajectory_shapley.windows import AWAY, Windows

SECONDS_AWAY = 20.0


class Games(NamedTuple):
    """Attribution of some windows, and of the same with random agents as neighbours."""

    windows: Windows  # the control agent, if there is one, is the last slot
    real: Attribution
    random: Attribution | None  # None without a control
    scores: scores.Scores

    @property
    def control(self) -> bool:
        """Whether there are random agents to compare with."""
        return self.random is not None


def play(
    run: runner.Run,
    predictor,
    chosen: Windows,
    pool: Windows,
    *,
    seed: int = 0,
    baseline: str = "zero",
    name: str = "",
) -> Games:
    """Both games of some windows, each with a control agent as one more player: among the
    neighbours that are there, and among random agents in their place.

    Both have equally many players, so that what is shared is shared by as many.

    Args:
      predictor: `Predictor` or `Foreign`.
      pool: windows that random agents are from.
      name: of the folder where finished parts are kept; empty: nowhere.
    """
    options = run.options
    rules = Rules(metrics=(options.metric,), baseline=baseline)
    estimation = Estimation(
        estimator=options.estimator,
        samples=_draws(options),
        max_exact=options.max_exact,
        seed=seed,
    )
    folder = run.path("attribution") / name if name else None
    away = frames_away(run)
    parts = {"real": chosen}
    if options.control:
        parts = with_controls(chosen, pool, seed, away)
    made = {
        part: attribute(
            predictor,
            given,
            rules,
            estimation,
            pool=pool,
            control=options.control,
            directory=folder / f"{baseline}-{part}" if folder else None,
            mode=run.mode,
        )
        for part, given in parts.items()
    }
    real, random = made["real"], made.get("random")
    found = scores.summarise(
        real, random, parts["real"], control=options.control, seed=seed, block=away
    )
    return Games(parts["real"], real, random, found)


def frames_away(run: runner.Run) -> int:
    """Frames between a window and what has nothing to do with it: 20 s of own tracks, 50
    frames of registered data."""
    return max(1, round(SECONDS_AWAY / run.options.dt)) if run.own else AWAY


def with_controls(
    chosen: Windows, pool: Windows, seed: int, away: int = AWAY
) -> dict[str, Windows]:
    """Windows with a control agent more: as they are (`real`), and with random agents in
    place of all neighbours (`random`).

    Raises:
      errors.InputError: no agents that have nothing to do with the windows.
    """
    try:
        real = random_agents.with_random_agent(chosen, pool, seed, away=away)
        strangers = random_agents.with_random_neighbours(
            chosen, pool, seed + 1, away=away
        )
        random = random_agents.with_random_agent(strangers, pool, seed + 2, away=away)
    except errors.InputError as error:
        raise errors.InputError(
            f"{error} Or attribute without random agents: --nocontrol, values of the past "
            "and of neighbours, without a verdict."
        ) from error
    return {"real": real, "random": random}


def _draws(options) -> int | None:
    return None if options.estimator == "exact" else options.draws


def told_cost(run: runner.Run, chosen: Windows) -> str:
    """How many coalitions an attribution asks for, told before it starts.

    Raises:
      errors.InputError: more players than the estimator allows.
    """
    options = run.options
    # the past and the control agent
    players = 1 + options.control + chosen.mask.sum(1)
    if options.estimator == "exact":
        players = np.minimum(players, options.max_exact)
    each = (designs.cost(int(n), options.estimator, _draws(options)) for n in players)
    text = (
        f"{len(players):,} windows of up to {players.max()} players, {sum(each):,} "
        "coalitions per model and baseline"
    )
    text += ", and as many with random neighbours" if options.control else ""
    logging.info("attribution of %s", text)
    return text


def values_of(games: Games) -> dict[str, float]:
    """Scores by metric; what is not known is left out."""
    found = games.scores
    values = {
        "shapley/past": found.past[0],
        "shapley/neighbour_mean": found.neighbour_mean[0],
        "shapley/random_agent": found.random_agent[0],
        "sis": found.sis[0],
        "sis_low": found.sis[1],
        "sis_high": found.sis[2],
        "sis_random": found.sis_random[0],
        "sis_ratio": found.ratio[0],
        "delta_sis": found.delta_sis[0],
        "delta_sis_low": found.delta_sis[1],
        "delta_sis_high": found.delta_sis[2],
        "delta_mean": found.delta_mean[0],
        "delta_mean_low": found.delta_mean[1],
        "delta_mean_high": found.delta_mean[2],
        "shapley/efficiency_gap": efficiency_gap(games.real),
    }
    return {name: value for name, value in values.items() if np.isfinite(value)}


def rows_of(
    games: Games, variant: str, setting: str, seed: int, ending: str = ""
) -> list[tuple]:
    """Rows of the scores; `ending` names the baseline where it is not the first."""
    return [
        (variant, setting, seed, name + ending, value, "")
        for name, value in values_of(games).items()
    ]


def efficiency_gap(found: Attribution) -> float:
    """Mean distance of the sum of values from the worth of all minus that of nobody."""
    total = found.values[..., 0].sum(1)
    return float(np.abs(total - (found.full - found.empty)[:, 0]).mean())
