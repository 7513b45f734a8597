"""Whether the papers' claims hold: computed from conditions and measured rows.

An order or a bound counts only where the 95 % interval agrees; otherwise it is open.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from experiments import paper
from experiments.paper import Claim
from iclr22 import metrics, record, report

HOLDS, FAILS, OPEN, ABSENT = "holds", "fails", "open", "not measured"


class Judgement(NamedTuple):
    """What came of one claim."""

    claim: Claim
    state: str
    numbers: str  # what was compared


class Verdict(NamedTuple):
    """Of a method, from all claims of its paper."""

    text: str
    reason: str
    judgements: tuple[Judgement, ...]


def judge(claim: Claim, rows: Iterable[record.Result]) -> Judgement:
    """Whether rows of a method bear out a claim.

    Rows of equal seeds are compared with each other, so that what is common to them does
    not blur the difference. What was measured once has no interval and stays open.
    """
    rows = list(rows)
    left = _by_seed(rows, claim.key)
    if isinstance(claim.bound, tuple):
        right = _by_seed(rows, claim.bound)
    else:
        right = {seed: claim.bound for seed in left}
    if not left or not right:
        return Judgement(claim, ABSENT, "")
    factor = 1.0 if claim.relation == "near" else claim.factor
    right = {seed: factor * value + claim.plus for seed, value in right.items()}
    shared = sorted(left.keys() & right.keys())
    if len(shared) == min(len(left), len(right)) and len(shared) > 1:
        differences = [left[seed] - right[seed] for seed in shared]
        mean, half = _interval(differences)
    else:
        (a, x), (b, y) = _interval(left.values()), _interval(right.values())
        mean, half = a - b, math.hypot(x, y)
    numbers = f"{_text(left.values())} against {_text(right.values())}"
    if factor != 1.0 or claim.plus:
        plain = [(v - claim.plus) / factor for v in right.values()]
        times, more = f"{factor:g} times " * (factor != 1.0), claim.plus
        numbers += f" ({times}{_text(plain)}{f' and {more:g}' if more else ''})"
    once = min(len(left), len(right)) == 1
    return Judgement(claim, OPEN if once else _state(claim, mean, half), numbers)


def _state(claim, mean, half) -> str:
    if claim.relation == "near":
        return HOLDS if abs(mean) <= claim.factor else FAILS
    lead = mean if claim.relation == "above" else -mean
    if lead > 0 and lead >= half:
        return HOLDS
    return FAILS if -lead > half else OPEN


def _by_seed(rows, key) -> dict[int, float]:
    return {
        row.seed: row.value
        for row in rows
        if (row.dataset, row.setting, row.variant, row.metric) == tuple(key)
    }


def _interval(values) -> tuple[float, float]:
    """Mean and half width of the 95 % t interval; 0 for a single value."""
    mean, half = metrics.student(list(values))
    return mean, half if len(values) > 1 else 0.0


def _text(values) -> str:
    mean, half = _interval(values)
    return report.number(mean, half if half > 1e-9 else math.nan)


def verdict(method: str, rows: Iterable[record.Result]) -> Verdict:
    """What the measured numbers say about the paper of a method."""
    rows = list(rows)
    judged = tuple(judge(claim, rows) for claim in paper.of(method).CLAIMS)
    judged = tuple(x for x in judged if x.state != ABSENT)
    states = [x.state for x in judged if not x.claim.ours]
    counts = {state: states.count(state) for state in (HOLDS, FAILS, OPEN)}
    reason = f"{counts[HOLDS]} of {len(states)} claims of the paper that were measured"
    reason += " hold"
    if counts[FAILS]:
        reason += f", {counts[FAILS]} {'do' if counts[FAILS] > 1 else 'does'} not"
    if counts[OPEN]:
        reason += f", {counts[OPEN]} within the spread over seeds"
    if not states:
        return Verdict("not judged", "no claim of the paper was measured", judged)
    if counts[HOLDS] == len(states):
        return Verdict("holds", reason, judged)
    text = "holds partly" if counts[HOLDS] else "does not hold"
    return Verdict(text, reason, judged)
