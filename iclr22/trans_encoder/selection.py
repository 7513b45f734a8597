"""Which of the states of several students is kept: with a labelled set, or without.

Every student is looked at a few times while it trains. Without labels, students that learn
apart are compared with each other and with their teacher: where all agree on how pairs
rank, what they agree on is less likely to be what one of them made up. (Students alone may
agree before they have learned anything: all see first how long a text is.)
"""

import collections
from typing import Literal, NamedTuple

import numpy as np

from iclr22 import errors, metrics

Rule = Literal["auto", "dev", "agreement", "last"]
NEAR = 0.01  # rank correlation with the teacher below its maximum that is a plateau


class Look(NamedTuple):
    """A student at one time of its training."""

    step: int
    dev: float  # rank correlation with the scores of a labelled set; nan without one
    scores: np.ndarray  # [m] of the probe, pairs without labels


def rule_of(rule: Rule, labelled: bool) -> Rule:
    """What `auto` is: `dev` where there is a labelled set, else `agreement`.

    Raises:
      errors.InputError: `dev` without a labelled set.
    """
    if rule == "auto":
        return "dev" if labelled else "agreement"
    if rule == "dev" and not labelled:
        raise errors.InputError(
            "expected pairs with scores to select by (dev); found none. Give some, or "
            "select by agreement, which needs no labels."
        )
    return rule


def choose(rule: Rule, looks: list[list[Look]], labels) -> list[int]:
    """Which look at each of K students is the one to keep.

    Args:
      rule: `dev`: the best there, the first of equal ones; `agreement`: see `criteria`;
        `last`.
      looks: at each student, in order.
      labels: `[m]`, what they learned of the probe.
    """
    if rule == "last":
        return [len(of) - 1 for of in looks]
    found = criteria(rule, looks, labels)
    if rule == "agreement" and len(looks) == 1:
        return [int(np.argmax(found[0] >= np.nanmax(found[0]) - NEAR))]
    return [int(np.nanargmax(x)) if np.isfinite(x).any() else len(x) - 1 for x in found]


def criteria(rule: Rule, looks: list[list[Look]], labels) -> list[np.ndarray]:
    """The quantity of a rule, for every look at each student.

    Of `agreement`, the mean rank correlation with the teacher and the other students at the
    same look; of a single student `choose` takes the begin of its plateau.
    """
    if rule != "agreement":
        return [np.array([x.dev for x in of]) for of in looks]
    count = min(map(len, looks))
    others = np.empty((len(looks), count))
    for i in range(count):
        found = metrics.rank_correlations([*(of[i].scores for of in looks), labels])
        others[:, i] = (found.sum(axis=1) - found.diagonal())[:-1] / len(looks)
    return list(others)


def table(looks: list[list[Look]], labels) -> list[dict[str, float]]:
    """Rows of all looks: student, step, dev, agreement with the teacher and other students
    (see `criteria`), and rank correlation with the teacher alone."""
    agree = criteria("agreement", looks, labels)
    return [
        {
            "student": k,
            "step": look.step,
            "dev": look.dev,
            "agreement": float(agree[k][i]) if i < len(agree[k]) else float("nan"),
            "teacher": metrics.spearman(look.scores, labels),
        }
        for k, of in enumerate(looks)
        for i, look in enumerate(of)
    ]


class Trust(NamedTuple):
    """How far agreement of students tells how good they are."""

    correlation: (
        float  # Pearson's, of agreement and dev, over all looks; nan of two or less
    )
    cost: float  # of dev that the best look has and the one of most agreement has not


def trust(looks: list[dict[str, float]]) -> Trust:
    """What a labelled set says of the rule `agreement`.

    Looks at the same place of all students are one: its agreement, and the mean of dev.

    Args:
      looks: rows of `table` of one or more phases, each with the name of its phase under
        `kind` and, of several cycles, `cycle`; those without both numbers do not count.
    """
    by: dict[tuple, list[tuple[float, float]]] = {}
    seen: collections.Counter = collections.Counter()  # looks, of a student of a phase
    for row in looks:
        found = float(row["agreement"]), float(row["dev"])
        phase = row.get("cycle"), row.get("kind")
        seen[*phase, row["student"]] += 1
        if np.isfinite(found).all():
            by.setdefault((*phase, seen[*phase, row["student"]]), []).append(found)
    means = {key: np.mean(values, axis=0) for key, values in by.items()}
    both = np.array(list(means.values())).reshape(-1, 2).T
    varied = both.shape[1] > 2 and np.ptp(both, axis=1).all()
    phases: dict[tuple, list[np.ndarray]] = {}
    for (cycle, kind, _), values in means.items():
        phases.setdefault((cycle, kind), []).append(values)
    lost = [_lost(np.array(values).T) for values in phases.values()]
    return Trust(
        float(np.corrcoef(both)[0, 1]) if varied else float("nan"),
        float(np.mean(lost)) if lost else float("nan"),
    )


def _lost(values) -> float:
    agreement, dev = values
    return float(dev.max() - dev[agreement.argmax()])
