"""Purchase logs drawn from a known point process, so that recovery can be checked.

Every user has a Hawkes process of his own base rate and common exponential kernels; the
item of an event is drawn from the user's taste, a softmax of low rank with the items'
popularity. The log begins empty, so a history is all that a user did before. Both the
expected number of events after a history and the taste are then known in closed form.
"""

import numpy as np

from iclr22 import errors
from iclr22.data.events import Events, Truth, chunks, order_events, ranges
from iclr22.data.registry import Dataset, Info

DAY = 86400.0
CELLS = 1 << 22  # of distribution functions held at once
KERNELS = ((0.3, 4 / DAY), (0.4, 0.25 / DAY))  # a visit; interest for some days


def simulate_events(
    rng: np.random.Generator,
    users: int = 1030,
    items: int = 300,
    *,
    span: float = 182 * DAY,
    mean_events: float = 56.0,
    spread: float = 100.0,
    kernels=KERNELS,
    segments: int = 6,
    focus: float = 2.5,
    own: float = 0.0,
    skew: float = 1.0,
) -> Events:
    """A log of users x items with its `truth`; users without any event are left out.

    Args:
      span: of the log in seconds, from 0.
      mean_events: expected number per user, about.
      spread: ratio of the largest to the smallest base rate; they are log-uniform.
      kernels: pairs (weight, decay): events that one causes, and how fast, per second.
      segments: kinds of users, each with a direction of taste.
      focus: how far the taste of a segment moves the logits of items: their deviation.
      own: deviation of a user's own taste around that of his segment, as a share of it.
      skew: deviation of the logits of popularity.

    Raises:
      errors.InputError: numbers that give no process, such as weights of 1 or more in
        sum, for which events would never end.
    """
    weight, decay = np.asarray(kernels, np.float64).reshape(-1, 2).T
    _check(users, items, span, mean_events, spread, weight, decay)
    level = np.exp(rng.uniform(0, np.log(spread), users))
    # Over a long span a process has base / (1 - sum of weights) events per second.
    base = level * (mean_events * (1 - weight.sum()) / span / level.mean())
    user, time = _hawkes(rng, base, weight, decay, span)
    if not len(user):
        raise errors.InputError(
            "expected events; none were drawn. Raise mean_events or users."
        )
    rank = min(segments, 8)
    columns = rng.standard_normal((items, rank)).astype(np.float32)
    centre = rng.standard_normal((segments, rank))
    centre *= focus / np.linalg.norm(centre, axis=1, keepdims=True)
    taste = centre[rng.integers(segments, size=users)]
    taste = taste + own * focus / np.sqrt(rank) * rng.standard_normal(taste.shape)
    bias = (skew * rng.standard_normal(items)).astype(np.float32)
    truth = Truth(base, weight, decay, taste.astype(np.float32), columns, bias)
    item = _draw_items(rng, truth, user)
    user_names, item_names = _numbered("u", users), _numbered("i", items)
    events = order_events(user, item, time, user_names, item_names, seed=None)
    return _present(events, truth)


def _numbered(kind, n):
    """Names `[n]` of equal length, which sort as numbers."""
    return np.array([f"{kind}{i:0{len(str(n - 1))}}" for i in range(n)])


def _check(users, items, span, mean_events, spread, weight, decay):
    if users < 1 or items < 2 or not (span > 0 and mean_events > 0 and spread >= 1):
        raise errors.InputError(
            "expected 1 user and 2 items or more, a span and a mean number of events above "
            f"0 and a spread of 1 or more; found {users} users, {items} items, span "
            f"{span}, mean {mean_events}, spread {spread}."
        )
    if not ((weight >= 0).all() and weight.sum() < 1 and (decay > 0).all()):
        raise errors.InputError(
            "expected kernels with weights of 0 or more, below 1 in sum, and decays above "
            f"0; found weights {weight.tolist()}, decays {decay.tolist()}."
        )


def _hawkes(rng, base, weight, decay, span):
    """Users, ascending, and times of all events: exact, generation after generation.

    Events that no other caused are a Poisson process; each event causes a Poisson number
    of others per kernel, after exponential delays (Hawkes and Oakes, 1974).
    """
    count = rng.poisson(base * span)
    user = np.repeat(np.arange(len(base)), count)
    time = rng.uniform(0, span, len(user))
    found = [(user, time)]
    while len(user):
        born = [rng.poisson(w, len(user)) for w in weight]
        delay = [
            rng.exponential(1 / d, b.sum()) for d, b in zip(decay, born, strict=True)
        ]
        parent = np.concatenate([np.repeat(np.arange(len(user)), b) for b in born])
        user, time = user[parent], time[parent] + np.concatenate(delay)
        user, time = user[time < span], time[time < span]
        found.append((user, time))
    user, time = map(np.concatenate, zip(*found, strict=True))
    order = np.argsort(user, kind="stable")
    return user[order], time[order]


def _draw_items(rng, truth, user):
    """Items of events, whose users ascend, by inverting the distribution functions."""
    n = len(truth.bias)
    item, rows = np.empty(len(user), np.int64), max(1, CELLS // n)
    for start in range(0, len(truth.base), rows):
        taste = truth.taste[start : start + rows]
        logits = (taste @ truth.columns.T + truth.bias).astype(np.float64)
        ends = np.cumsum(np.exp(logits - logits.max(1, keepdims=True)), axis=1)
        # Row r goes from r to r + 1, so one search serves the rows of all users.
        ends = ends / ends[:, -1:] + np.arange(len(ends))[:, None]
        low, high = np.searchsorted(user, [start, start + rows])
        of = user[low:high] - start
        place = np.searchsorted(ends.ravel(), of + rng.random(len(of)), side="right")
        item[low:high] = np.minimum(place - of * n, n - 1)
    return item


def _present(events, truth):
    """The log without users who have no event; items stay."""
    users, user = np.unique(events.user, return_inverse=True)
    truth = truth._replace(base=truth.base[users], taste=truth.taste[users])
    user, names = user.astype(np.int32), events.user_names[users]
    return events._replace(user=user, user_names=names, truth=truth)


# What is known


def true_activity(events: Events, requests, horizon: float) -> np.ndarray:
    """Expected number of events in [T, T + horizon) given the history, float64 `[x]`.

    With z_k the excitation of kernel k, the means obey dz_k/dt = -d_k z_k + w_k d_k l and
    l = base + sum z_k, which is linear: one matrix exponential gives, for all requests,
    the weights of base and of z at T.

    Args:
      events: a simulated log.
      requests: `recurrent_intensity.requests.Requests` of it.
      horizon: in the unit of the log.
    """
    from scipy import linalg  # takes a quarter of a second

    truth = _truth(events)
    excited = _excitation(events, requests, truth)
    gain = truth.weight * truth.decay
    k = len(gain)
    system = np.zeros((k + 2, k + 2))  # z, then the constant 1, then the count
    system[:k, :k] = gain[:, None] - np.diag(truth.decay)
    system[:k, k] = gain
    system[k + 1, : k + 1] = 1
    row = linalg.expm(system * horizon)[k + 1]
    return truth.base[requests.user] * row[k] + excited @ row[:k]


def _excitation(events, requests, truth):
    """Excitation z `[x, k]` at T by the events of each history."""
    found = np.zeros((len(requests.user), len(truth.decay)))
    for part in chunks(requests.stop - requests.start):
        row, places = ranges(requests.start[part], requests.stop[part])
        age = requests.time[part][row] - events.time[places]
        size = len(requests.user[part])
        for k, decay in enumerate(truth.decay):
            force = truth.weight[k] * decay * np.exp(-decay * age)
            found[part, k] = np.bincount(row, force, size)
    return found


def true_taste(events: Events, requests) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows `[x, d]`, columns `[items, d]` and column_bias `[items]`, float32.

    The item of an event of x is distributed as softmax(rows[x] . columns + column_bias).
    """
    truth = _truth(events)
    return truth.taste[requests.user], truth.columns, truth.bias


def _truth(events):
    if events.truth is None:
        raise errors.InputError(
            "expected a simulated log, which knows its truth; found another, or one of "
            "which events were taken out."
        )
    return events.truth


# Registry


def load_simulated(data_dir: str | None = None) -> Events:
    """The simulated log, always the same; needs no file."""
    del data_dir
    return simulate_events(np.random.default_rng(22))


def synthetic(rng: np.random.Generator, size: int) -> Events:
    """A small log of about `size` events."""
    users, items = max(8, size // 20), int(np.clip(size // 20, 10, 100))
    return simulate_events(rng, users, items, mean_events=20.0, spread=10.0, segments=4)


DATASETS = {
    "simulated": Dataset(
        load_simulated,
        synthetic,
        Info(
            "55,000 purchases of 960 users among 300 items in half a year, drawn from "
            "known intensities",
            (),
            "Apache-2.0, as the package",
            "Drawn by iclr22.data.events.simulated: Hawkes processes (A. G. Hawkes, 1971, "
            "Biometrika 58(1)) times softmax tastes.",
            notes="Repeated purchases occur; the truth comes with the log.",
        ),
    )
}
