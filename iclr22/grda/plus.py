"""GRDA+: every domain has a head of its own and learns it from its neighbours in turn.

Differs from the paper, whose game says nothing about which class goes where: here a
domain's own classifier is a linear head on features that all share, so that a neighbour's
classifier, asked about my samples, answers from its own labels only. One domain after the
other is learned: first the one about which its neighbours are surest. It starts from the
weighted mean of their heads, imitates their mean prediction for a while, then its own,
under noise on the inputs, which keeps boundaries away from samples and straight, and with
predictions that are sure and varied (mutual information). Labels of targets are never
seen. Batches are those of `adversarial`. `refine` then finds the class means of every target.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from iclr22 import gradients, parallel
from iclr22.grda import adversarial, losses, pairs
from iclr22.grda.networks import Perceptron

WATCH = 0.9  # share of the past in running means
BATCH_AXES = adversarial.BATCH_AXES
pad = adversarial.pad


class Config(NamedTuple):
    """Hyper-parameters; `length` says how many updates they amount to."""

    RESOLVED = ("outputs", "regression")  # by the data

    outputs: int = 2  # classes, or numbers to predict
    regression: bool = False  # squared error instead of cross-entropy
    features: int = 256  # shared ones, behind one layer
    noise: float = 0.5  # deviation of noise on standardised inputs; classification
    information: float = 1.0  # weight of the mutual information; classification
    sureness: float = 4.0  # neighbours weigh exp(this times their information)
    # worth of knowing all neighbours when choosing who is next
    known_share: float = 0.5
    average: float = 0.98  # of the teacher's parameters
    warm: int = 300  # updates on sources alone
    imitate: int = 60  # updates in which a new domain learns from its neighbours
    settle: int = 60  # updates after these, before the next domain
    finish: int = 200  # updates at the end, all domains on their own
    again: float = 0.0  # times all targets are learned anew, the least agreeing first
    refine: int = 5  # rounds of `refine` after training, 0: none; classification
    learning_rate: float = 1e-3  # Adam, of all but the teacher
    batch: int = 16  # samples of every domain per update


# params: student and teacher (shared layer, heads `[N, features, outputs]`), and progress:
# who is known, who imitates `[N]`; how sure v is about u's samples `[N, N]`, all neighbours
# together about u's, and how far they agree with u itself `[N]`
State = gradients.State


def length(config: Config, targets: int) -> int:
    """Updates of a whole run for this many target domains."""
    turns = round((1 + config.again) * targets)
    return config.warm + turns * (config.imitate + config.settle) + config.finish


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; `x` and `sources` of the batch give the shapes."""
    domains = len(batch["sources"])
    shared = _shared(config).init(key, jnp.zeros((1, batch["x"].shape[-1])))["params"]
    shape = domains, config.features, config.outputs
    student = {
        "shared": shared,
        "weight": jnp.zeros(shape),
        "bias": jnp.zeros((domains, config.outputs)),
    }
    progress = {
        "known": jnp.asarray(batch["sources"], jnp.float32),
        "imitates": jnp.zeros(domains),
        "sure": jnp.zeros((domains, domains)),
        "ready": jnp.zeros(domains),
        "agreement": jnp.ones(domains),
    }
    teacher = jax.tree.map(jnp.array, student)
    params = {"student": student, "teacher": teacher, "progress": progress}
    return gradients.start(optax.scale_by_adam(), key, params, trained="student")


def _shared(config):
    return Perceptron((config.features,), "uniform", last=True)


def encode(config: Config, params, inputs):
    """What all domains share, `[..., features]`, of samples `x [..., inputs]`."""
    return features(config, params["teacher"], inputs["x"])


def features(config: Config, model, x):
    """What all domains share, `[..., features]`, of samples `[..., inputs]`."""
    return _shared(config).apply({"params": model["shared"]}, x)


def apply(config: Config, params, inputs, *, key=None):
    """The teacher's outputs `[..., outputs]`.

    Args:
      inputs: `x [..., inputs]` and `z [..., N]`, the shares of the domains' heads: one-hot
        for a domain of the graph, those of its neighbours for a new one.
    """
    del key
    model = params["teacher"]
    h = features(config, model, inputs["x"])
    every = jnp.einsum("...h,vhc->...vc", h, model["weight"]) + model["bias"]
    if "direct" in model:  # by `refine`, after training
        every += jnp.einsum("...d,vdc->...vc", inputs["x"], model["direct"])
    return jnp.einsum("...vc,...v->...c", every, inputs["z"])


def _own(config, model, x):
    """Outputs of every domain's own head for its samples, `[slots, N, outputs]`."""
    h = features(config, model, x)
    return jnp.einsum("bnh,nhc->bnc", h, model["weight"]) + model["bias"]


def _each(config, model, x):
    """What every head v says of every sample of u: `[slots, u, v, outputs]`, classes as
    probabilities."""
    h = features(config, model, x)
    said = jnp.einsum("buh,vhc->buvc", h, model["weight"]) + model["bias"]
    return said if config.regression else jax.nn.softmax(said)


def information(p, weight, axis_name=None):
    """Mutual information of sample and class over slots, nats: `[slots, ..., classes]`
    to `[...]`."""
    total = parallel.reduce(weight.sum(), axis_name)
    total = jnp.maximum(total, gradients.SMALLEST)
    mean = jnp.einsum("b,b...->...", weight, p)
    inside = jnp.einsum("b,b...->...", weight, _entropy(p))
    mean, inside = parallel.reduce((mean, inside), axis_name)
    return _entropy(mean / total) - inside / total


def _entropy(p):
    return -jnp.sum(p * jnp.log(p + 1e-9), axis=-1)


def shares(config: Config, progress, adjacency):
    """How much v counts where u asks its neighbours, `[u, v]`; rows sum to 1 or 0."""
    teachers = progress["known"] * (1 - progress["imitates"])
    weight = adjacency * teachers * jnp.exp(config.sureness * progress["sure"])
    return weight / jnp.maximum(weight.sum(axis=1, keepdims=True), 1e-9)


def loss(config: Config, params, batch, *, key=None, axis_name=None):
    """`(total, sums)` over slots: labelled samples of sources, and what known targets
    take from their neighbours or themselves; without a key no noise."""
    total, sums, _ = _loss(config, params["student"], params, batch, key, axis_name)
    return total, sums


def _loss(config, student, params, batch, key, axis_name):
    progress, weight = params["progress"], batch["weight"]
    x = noisy = batch["x"]
    if key is not None and not config.regression:
        key = parallel.fold_axis(key, axis_name)
        noisy = x + config.noise * jax.random.normal(key, x.shape)
    outputs = _own(config, student, noisy)
    sums = losses.labelled_sums(
        outputs, batch, regression=config.regression, axis_name=axis_name
    )
    each = _each(config, params["teacher"], x)
    adjacency = pairs.dense(batch["graph"])
    asked = jnp.einsum("uv,buvc->buc", shares(config, progress, adjacency), each)
    own = jnp.einsum("buuc->buc", each)
    certain = own
    if not config.regression:
        certain = jax.nn.one_hot(own.argmax(-1), own.shape[-1])
    wanted = jnp.where(progress["imitates"][:, None] > 0, asked, certain)
    active = progress["known"] * (1 - batch["sources"])
    taken = _distance(config, outputs, jax.lax.stop_gradient(wanted)) @ active
    if not config.regression:
        gain = information(jax.nn.softmax(outputs), weight, axis_name) @ active
        taken -= config.information * gain
    taken /= jnp.maximum(batch["sources"].sum(), 1)
    return sums["loss"] + weight @ taken, sums, (each, asked, own)


def _distance(config, outputs, wanted):
    """Cross-entropy from probabilities, or squared error, `[...]`."""
    if config.regression:
        return jnp.mean((outputs - wanted) ** 2, axis=-1)
    return -jnp.sum(wanted * jax.nn.log_softmax(outputs), axis=-1)


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update; `(State, {"loss", "score", "known"})`, known in percent of domains."""
    params = _next_turn(config, state.step, state.params, batch)

    def objective(student, batch, key):
        total, sums, said = _loss(config, student, params, batch, key, axis_name)
        return total, (sums, said)

    grads, metrics, said = gradients.mean_gradient(
        objective,
        params["student"],
        batch,
        gradients.step_key(state),
        axis_name=axis_name,
    )
    updates, opt_state = optax.scale_by_adam().update(grads, state.opt_state)
    updates = jax.tree.map(lambda u: -config.learning_rate * u, updates)
    student = optax.apply_updates(params["student"], updates)
    teacher = _blend(config.average, params["teacher"], student)
    progress = _watch(config, params["progress"], batch["weight"], said, axis_name)
    params = {"student": student, "teacher": teacher, "progress": progress}
    metrics["known"] = 100 * jnp.mean(progress["known"])
    state = state._replace(step=state.step + 1, params=params, opt_state=opt_state)
    return state, metrics


def _blend(keep, old, new):
    return jax.tree.map(lambda a, b: keep * a + (1 - keep) * b, old, new)


def _watch(config, progress, weight, said, axis_name):
    """Running means of what decides who is next and who is asked."""
    each, asked, own = said
    if config.regression:
        agreement = -jnp.mean((asked - own) ** 2, axis=-1)
        new = {"sure": progress["sure"], "ready": progress["ready"]}
    else:
        agreement = jnp.sum(asked * own, axis=-1)
        new = {
            "sure": information(each, weight, axis_name),
            "ready": information(asked, weight, axis_name),
        }
    agreement, total = parallel.reduce((weight @ agreement, weight.sum()), axis_name)
    new["agreement"] = agreement / jnp.maximum(total, gradients.SMALLEST)
    return progress | _blend(WATCH, {k: progress[k] for k in new}, new)


def _next_turn(config, step, params, batch):
    """Parameters at the start of an update: perhaps a domain's turn begins or ends."""
    progress, sources = params["progress"], batch["sources"]
    turn, place = jnp.divmod(step - config.warm, config.imitate + config.settle)
    turns = jnp.round((1 + config.again) * (1 - sources).sum())
    begins = (step >= config.warm) & (turn < turns) & (place == 0)
    over = (step >= config.warm) & (place == config.imitate)
    adjacency = pairs.dense(batch["graph"])
    who = jax.nn.one_hot(_who(config, progress, sources, adjacency), len(sources))
    imitates = jnp.where(begins, who, jnp.where(over, 0, progress["imitates"]))
    row = who @ shares(config, progress | {"imitates": who}, adjacency)
    known = jnp.where(begins, jnp.maximum(progress["known"], who), progress["known"])
    begins &= row.sum() > 0  # nobody to learn from: the head stays

    def start(model):
        new = {k: jnp.tensordot(row, model[k], 1) for k in ("weight", "bias")}
        mine = begins & (who > 0)
        return model | {
            k: jnp.where(mine.reshape(-1, *(1,) * new[k].ndim), new[k], model[k])
            for k in new
        }

    return {
        "student": start(params["student"]),
        "teacher": start(params["teacher"]),
        "progress": progress | {"known": known, "imitates": imitates},
    }


def _who(config, progress, sources, adjacency):
    """Whose turn it is: of unknown domains with known neighbours the one about which these
    are surest; if there is none, the target that agrees least with its neighbours."""
    known = progress["known"]
    share = (adjacency @ known) / jnp.maximum(adjacency.sum(axis=1), 1e-9)
    score = progress["ready"] + config.known_share * share
    score = jnp.where((known == 0) & (share > 0), score, -jnp.inf)
    again = jnp.where((known > 0) & (sources == 0), -progress["agreement"], -jnp.inf)
    return jnp.argmax(jnp.where(jnp.isfinite(score).any(), score, again))


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums over slots of loss and score of the teacher's heads on labelled samples."""
    outputs = _own(config, params["teacher"], batch["x"])
    sums = losses.labelled_sums(
        outputs, batch, regression=config.regression, axis_name=axis_name
    )
    return parallel.reduce(sums, axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` slots of five domains in a chain."""
    config = Config(
        features=16,
        noise=0.0,
        warm=4,
        imitate=2,
        settle=2,
        finish=4,
        learning_rate=0.02,
    )
    return config, adversarial.example(size, seed)[1]
