"""What the papers claim, as conditions on rows of results, and whether they hold.

The verdict about a method is computed from these conditions and the measured numbers. An
order or a bound counts only where the 95 % interval agrees; otherwise it is open.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from iclr22 import record, report

Key = tuple[str, str, str, str]  # data set, setting, variant, metric
HOLDS, FAILS, OPEN, ABSENT = "holds", "fails", "open", "not measured"


class Claim(NamedTuple):
    """`key` above (or below) `bound` times `factor`, or within `factor` of it for `near`."""

    what: str
    key: Key
    relation: str  # above, below, near
    bound: Key | float  # other rows, or a number
    factor: float = 1.0
    ours: bool = False  # about what this project added: shown, no part of the verdict


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


def _cold_brew():
    names = {"gcn": "the GCN", "mlp": "a simple MLP"}
    paper = {"cora": 69.62, "citeseer": 53.17, "pubmed": 72.33}
    for dataset, number in paper.items():
        student = (dataset, "released", "student", "isolation/accuracy")
        for variant, name in names.items():
            other = (*student[:2], variant, student[3])
            what = f"{dataset}: the student is better than {name} on isolated nodes"
            yield Claim(what, student, "above", other)
        what = f"{dataset}: the student is at least as good as published"
        yield Claim(what, student, "above", number)
    yield Claim(
        "cora: a GCN on the unmodified graph is within 1 point of the published one",
        *(("cora", "unmodified", "gcn", "overall/accuracy"), "near", 86.96),
    )
    deep = "cora", "64 layers"
    yield Claim(
        "cora: 64 layers need structural embeddings",
        *((*deep, "teacher", "overall/accuracy"), "above"),
        (*deep, "gcn", "overall/accuracy"),
    )


def _diva():
    for dataset, features in (
        ("digits", "random_relu"),
        ("cifar10", "efficientnet_lite0"),
    ):
        place = dataset, features
        found = (*place, "derivative")
        yield Claim(
            f"{dataset}: flipped labels are found, AUC in the published range or above",
            *((*found, "flips/auc"), "above", 0.90),
        )
        yield Claim(
            f"{dataset}: a threshold of zero finds them, F1 as published or above",
            *((*found, "flips/f1"), "above", 0.68),
        )
        yield Claim(
            f"{dataset}: a step of reweighting lowers the test error",
            *((*place, "reweight", "test/error"), "below"),
            (*place, "uniform", "test/error"),
        )


def _grda():
    published = {"dg15": 84.44, "dg60": 96.76}
    metric = "target/accuracy"
    for dataset, number in published.items():
        place = dataset, "independent"
        key = (*place, "grda", metric)
        for other in ("source_only", "dann"):
            yield Claim(
                f"{dataset}: GRDA is better than {other}, no labels leaking",
                *(key, "above", (*place, other, metric)),
            )
        what = f"{dataset}: GRDA as good as published, no labels leaking"
        yield Claim(what, key, "above", number)
        released = (dataset, "shared_index", "grda", metric)
        what = f"{dataset}: the same with the released batches, which leak labels"
        yield Claim(what, released, "above", number, 0.95, ours=True)
        what = f"{dataset}: GRDA+ reaches the published number without a leak"
        plus = (*place, "grda_plus", metric)
        yield Claim(what, plus, "above", number, ours=True)
    for dataset in ("tpt48_east_west", "tpt48_north_south"):
        place = dataset, "independent"
        yield Claim(
            f"{dataset}: GRDA is better than training on sources",
            *((*place, "grda", "target/mse"), "below"),
            (*place, "source_only", "target/mse"),
        )


def _recurrent_intensity():
    for dataset, setting, ours in (
        ("simulated", "temporal", True),
        ("ml100k", "user, exclude_train", False),
        ("ml1m", "user, exclude_train", False),
    ):
        for network in ("rnn", "transformer"):
            plain, with_ = (dataset, setting, network), (dataset, setting)
            with_ += (f"{network}_hp",)
            for word, factor in (("raises", 1.0), ("doubles", 2.0)):
                what = f"{dataset}: activity {word} the precision of audiences"
                yield Claim(
                    f"{what} ({network})",
                    *((*with_, "user/precision"), "above"),
                    *((*plain, "user/precision"), factor, ours),
                )
            yield Claim(
                f"{dataset}: items for users stay as good ({network})",
                *((*with_, "item/precision"), "above"),
                *((*plain, "item/precision"), 0.95, ours),
            )


def _trajectory_shapley():
    training, variant = "coalition_dropout", "edge"
    court = "nba", training, variant
    for dataset in ("eth", "hotel", "univ", "zara1", "zara2", "sdd"):
        place = dataset, training, variant
        past = (*place, "shapley/past")
        yield Claim(
            f"{dataset}: the own past is worth more than the strongest neighbour",
            *(past, "above", (*place, "sis")),
        )
        yield Claim(
            f"{dataset}: beyond random agents neighbours add under a tenth of the past",
            *((*place, "delta_sis"), "below", past, 0.1),
        )
        yield Claim(
            f"{dataset}: neighbours matter less beside the past than in basketball",
            *((*place, "sis_ratio"), "below", (*court, "sis_ratio")),
        )
    for dataset in ("eth", "hotel", "univ", "zara1", "zara2", "sdd", "nba"):
        edge, added = ((dataset, training, name, "sis") for name in (variant, "sum"))
        what = "one edge per neighbour uses neighbours more than a sum"
        yield Claim(f"{dataset}: {what}", edge, "above", added)
    yield Claim(
        "nba: neighbours count more than random agents",
        *(
            (*court, "shapley/neighbour_mean"),
            "above",
            (*court, "shapley/random_agent"),
        ),
    )
    yield Claim(
        "nba: a model that sees others is better than one that does not",
        *(("nba", "plain", "edge", "min_ade"), "below"),
        ("nba", "plain", "past_only", "min_ade"),
    )
    yield Claim(
        "nba: without neighbours a step is 0.1 nats worse",
        *((*court, "delta_nll"), "above", 0.1),
    )
    dial = "simulated", training, variant
    for what, metric, relation, bound in (
        ("the score follows the dial", "dial/rank_correlation", "above", 0.8),
        ("the leader is named more often than by chance", "dial/leader@1", "above", ""),
    ):
        other = bound if bound != "" else (*dial, "dial/chance@1")
        what = f"generated agents: {what}"
        yield Claim(what, (*dial, metric), relation, other, ours=True)


CLAIMS = {
    "cold_brew": tuple(_cold_brew()),
    "diva": tuple(_diva()),
    "grda": tuple(_grda()),
    "recurrent_intensity": tuple(_recurrent_intensity()),
    "trajectory_shapley": tuple(_trajectory_shapley()),
}


def judge(claim: Claim, rows: Iterable[record.Result]) -> Judgement:
    """Whether rows of a method bear out a claim.

    Rows of equal seeds are compared with each other, so that what is common to them does
    not blur the difference.
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
    right = {seed: factor * value for seed, value in right.items()}
    shared = sorted(left.keys() & right.keys())
    if len(shared) == min(len(left), len(right)) and len(shared) > 1:
        differences = [left[seed] - right[seed] for seed in shared]
        mean, half = _interval(differences)
    else:
        (a, x), (b, y) = _interval(left.values()), _interval(right.values())
        mean, half = a - b, math.hypot(x, y)
    numbers = f"{_text(left.values())} against {_text(right.values())}"
    if factor != 1.0:
        numbers += f" ({factor:g} times {_text([v / factor for v in right.values()])})"
    return Judgement(claim, _state(claim, mean, half), numbers)


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
    from scipy import stats

    values = np.array(list(values))
    if len(values) == 1:
        return float(values[0]), 0.0
    spread = np.std(values, ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * spread)


def _text(values) -> str:
    mean, half = _interval(values)
    return report.number(mean, half if half > 1e-9 else math.nan)


def verdict(method: str, rows: Iterable[record.Result]) -> Verdict:
    """What the measured numbers say about the paper of a method."""
    rows = list(rows)
    judged = tuple(judge(claim, rows) for claim in CLAIMS.get(method, ()))
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
