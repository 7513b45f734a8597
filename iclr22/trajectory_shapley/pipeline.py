"""From windows to a trained model: variants, settings, presets, evaluation, files.

A variant is a predictor: Trajectron++ with an edge per neighbour (`edge`), with a sum over
neighbours (`sum`), without them (`past_only`), PECNet, constant velocity. A setting is how
it trains: `plain`, or `coalition_dropout`, which leaves out players as attribution will.
"""

import functools
import json
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import checkpoint, errors, loop, parallel, plateau
from iclr22.data import batching
from iclr22.trajectory_shapley import baselines, metrics, pecnet, trajectron
from iclr22.trajectory_shapley.predictor import Predictor
from iclr22.trajectory_shapley.windows import Windows, distance, select

INTERACTION = {"edge": "edge", "sum": "sum", "past_only": "none"}
VARIANTS = (*INTERACTION, "constant_velocity", "pecnet")
SETTINGS = ("plain", "coalition_dropout")
DROPOUT = {"coalition_dropout": 0.5, "past_dropout": 0.1}  # where a preset has none
TRAINING = (  # fields of configurations that a trained model no longer depends on
    *DROPOUT,
    *("steps", "batch", "learning_rate", "schedule", "decay", "rotate", "kl_weight"),
    *("dropout", "prior_dropout", "action_noise", "kl_crossover", "clip_crossover"),
    *("kl_width", "clip_width", "kl_minimum", "latent_noise", "path_weight"),
)
ROWS = 256  # windows that are evaluated at a time
VALID = 2000  # windows that choose the best parameters, at most
FORMAT = 1  # of model.npz


class Options(NamedTuple):
    """Hyper-parameters of all variants."""

    mixture: trajectron.Config = trajectron.Config()  # edge, sum, past_only
    endpoint: pecnet.Config = pecnet.Config()  # PECNet


class Model(NamedTuple):
    """A predictor of paths and what windows it takes; `save` and `load` keep all of it."""

    variant: str
    setting: str
    config: Any  # Config of the variant's module; None for constant velocity
    params: dict
    dt: float  # seconds per step
    history: int  # steps of the past
    horizon: int  # steps ahead
    kinds: tuple[str, ...] = ("agent",)


class Fitted(NamedTuple):
    """What `train` found."""

    model: Model
    steps: int  # updates that were made
    loss: float  # of validation, of the parameters that were kept


def options_for(tracks, preset: str = "compact", **given) -> Options:
    """Hyper-parameters for these tracks: their time step and kinds, then the preset's.

    Args:
      preset: compact or paper (section 2.5: 25 modes, wider decoder, no dropout of
        players).
      given: fields of `trajectron.Config` that are to be different.
    """
    if preset not in ("compact", "paper"):
        raise errors.nearest(preset, ("compact", "paper"), "preset")
    paper = preset == "paper"
    changed = (trajectron.PAPER if paper else {}) | given
    config = trajectron.Config(kinds=len(tracks.kinds), dt=tracks.dt)
    config = config._replace(**changed)
    other = pecnet.Config()._replace(**(pecnet.PAPER if paper else {}))
    shared = {"horizon": config.horizon, "rotate": config.rotate}
    return Options(config, other._replace(**shared))


def config_of(variant: str, setting: str, options: Options):
    """Configuration of a variant as a setting trains it; None where nothing is trained."""
    if variant not in VARIANTS:
        raise errors.nearest(variant, VARIANTS, "variant")
    if setting not in SETTINGS:
        raise errors.nearest(setting, SETTINGS, "setting")
    if variant == "constant_velocity":
        return None
    config = options.endpoint if variant == "pecnet" else options.mixture
    dropout = dict.fromkeys(DROPOUT, 0.0)
    if setting == "coalition_dropout":
        dropout = {k: getattr(config, k) or v for k, v in DROPOUT.items()}
    config = config._replace(**dropout)
    if variant in INTERACTION:
        config = config._replace(interaction=INTERACTION[variant])
    return config


def fit_slots(windows: Windows, slots: int) -> Windows:
    """The same windows with exactly this many slots of neighbours: the nearest are kept,
    empty ones are added, so that all scenes have one shape."""

    def fitted(x, fill=0):
        x = x[:, :slots]
        width = [(0, 0), (0, slots - x.shape[1])] + [(0, 0)] * (x.ndim - 2)
        return np.pad(x, width, constant_values=fill)

    changed = {
        name: fitted(getattr(windows, name))
        for name in ("neighbours", "mask", "neighbour_kind")
    }
    agent = fitted(windows.neighbour_agent, -1)
    return windows._replace(neighbour_agent=agent, **changed)


def to_batch(windows: Windows, *, seeds: bool = False) -> dict:
    """Windows as a batch of the models, with `seed [batch]` for draws if wanted."""
    names = ("history", "future", "neighbours", "mask", "kind", "neighbour_kind")
    batch = {name: np.asarray(getattr(windows, name)) for name in names}
    if seeds:
        batch["seed"] = np.arange(len(windows.mask), dtype=np.int32)
    return batch


def evenly(count: int, most: int) -> np.ndarray:
    """At most `most` of the numbers below `count`, evenly spaced."""
    most = min(count, most)
    return (
        np.round(np.linspace(0, count - 1, most)).astype(int) if most else np.arange(0)
    )


def sample_windows(windows: Windows, most: int) -> Windows:
    """At most this many windows with a neighbour, evenly over recordings and time."""
    chosen = np.flatnonzero(windows.mask.any(1))
    if not len(chosen):
        raise errors.InputError(
            f"expected windows with a neighbour; none of {len(windows.mask):,} has one. "
            "Give a larger --radius, or recordings with several agents at a time."
        )
    keys = (windows.agent, windows.frame, windows.recording)
    chosen = chosen[np.lexsort([key[chosen] for key in keys])]
    return select(windows, chosen[evenly(len(chosen), most)])


def train(
    variant: str,
    setting: str,
    windows: Windows,
    valid: Windows,
    options: Options,
    *,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
    kinds: tuple[str, ...] = ("agent",),
) -> Fitted:
    """Train one variant; the parameters that were best on `valid` are kept.

    Args:
      windows, valid: of training and validation, with equally many slots for one compile.
      directory: of checkpoints; an interrupted training goes on from there.
    """
    config = config_of(variant, setting, options)
    if variant == "pecnet":
        scale = pecnet.scale_for(windows.future)
        if not 0.5 < scale / config.scale < 2:  # not metres: feet, pixels
            config = config._replace(scale=scale)
    sizes = windows.history.shape[1], windows.future.shape[1]
    of = functools.partial(Model, variant, setting, config)
    about = {"history": sizes[0], "horizon": sizes[1], "kinds": tuple(kinds)}
    about["dt"] = options.mixture.dt
    if config is None:
        params = baselines.fit(windows.history, windows.future, about["dt"])
        return Fitted(of(params, **about), 0, float("nan"))
    state = _fit(variant, config, windows, valid, directory, seed, mode, setting)
    params = jax.device_get(state.best.params)
    return Fitted(of(params, **about), config.steps, float(state.best.loss))


def _fit(variant, config, windows, valid, directory, seed, mode, setting):
    """The last state of a training, which holds the best."""
    devices = jax.device_count()
    batches = batching.make(to_batch(windows), config.batch, seed=seed, devices=devices)
    held = to_batch(select(valid, evenly(len(valid.mask), VALID)))
    plan = loop.Schedule(
        config.steps,
        save_every=max(config.steps // 4, 1),
        evaluate_every=max(config.steps // 8, 1),
        scan=min(10, config.steps),
    )
    return loop.fit(
        *(pecnet if variant == "pecnet" else trajectron, config, batches, plan),
        seed=seed,
        mode=mode,
        directory=directory,
        valid=lambda: batching.in_order(held, config.batch, devices=devices),
        review=functools.partial(plateau.review, patience=-1),
        name=f"{variant}, {setting}, seed {seed}",
    )


def predictor(model: Model) -> Predictor:
    """The model as attribution needs it; how it was trained makes no other program."""
    if model.variant == "constant_velocity":
        return baselines.predictor(model.params, model.dt)
    module = pecnet if model.variant == "pecnet" else trajectron
    usual = module.Config()._asdict()
    config = model.config
    config = config._replace(**{k: usual[k] for k in TRAINING if k in usual})
    return module.predictor(config, model.params)


VIEWS = ("", "_without", "_zeroed")  # endings of what evaluate returns


def evaluate(model: Model, windows: Windows) -> dict[str, float]:
    """Means over windows of what `errors_of` measures."""
    return {name: float(x.mean()) for name, x in errors_of(model, windows).items()}


def errors_of(model: Model, windows: Windows) -> dict[str, np.ndarray]:
    """min_ade, min_fde, nll and kde_nll of each window, float64 `[windows]`.

    The same with the ending `_without` has all edges cut (what attribution calls no
    neighbours), with `_zeroed` one neighbour of zeros whose edge is there (what the
    released evaluation calls so, section 6.3).
    """
    given = predictor(model)
    batch = to_batch(windows, seeds=True)
    found: dict[str, list] = {}
    size, parts = min(ROWS, len(batch["mask"])), jax.process_count()
    for rows in batching.in_order(batch, size, devices=parts):  # this process's
        real = parallel.rows_of_all(rows["weight"]) > 0
        for view in VIEWS:
            each = _each(*given[:3], given.params, _view(rows, view))
            for name, values in jax.device_get(each).items():
                values = parallel.rows_of_all(values)[real]
                found.setdefault(name + view, []).append(values)
    return {name: np.concatenate(x).astype(float) for name, x in found.items()}


def _view(batch, view):
    """A batch with the neighbours that a view shows."""
    if not view:
        return batch
    mask, near = np.zeros_like(batch["mask"]), batch["neighbours"]
    if view == "_zeroed":
        mask[:, :1], near = True, np.zeros_like(near)
    return batch | {"mask": mask, "neighbours": near}


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _each(encode, decode, samples, params, batch):
    """Errors of the windows of a batch."""
    history = jnp.stack([jnp.zeros_like(batch["history"]), batch["history"]], 1)
    codes = encode(params, batch | {"history": history})
    past = jnp.ones(len(batch["mask"]), bool)
    outputs = decode(params, codes, past, batch["mask"])
    draws = samples(params, codes, past, batch["mask"])
    return _errors(outputs, draws, batch["future"])


def _errors(outputs, draws, future):
    ade, fde = metrics.best_of(draws, future)
    found = {"min_ade": ade, "min_fde": fde}
    if draws.shape[-3] > 2:  # one path has no spread
        found["kde_nll"] = metrics.kde_nll(draws, future).mean(-1)
    if isinstance(outputs, metrics.Mixture):
        found["nll"] = metrics.nll(outputs, future).mean(-1)
    return found


def mixture(model: Model, windows: Windows):
    """Predicted mixture of a few windows with everything seen, on the host; None for a
    model that only draws."""
    given = predictor(model)
    batch = to_batch(windows, seeds=True)
    history = np.stack([np.zeros_like(batch["history"]), batch["history"]], 1)
    codes = given.encode(given.params, batch | {"history": history})
    seen = jnp.ones(len(batch["mask"]), bool), jnp.asarray(batch["mask"])
    outputs = given.decode(given.params, codes, *seen)
    return jax.device_get(outputs) if isinstance(outputs, metrics.Mixture) else None


def scales(windows: Windows) -> dict[str, float]:
    """Scales of positions, velocities and accelerations for tracks without a preset: root
    mean squares of neighbours' distances (or of histories), targets' velocities and so on.
    """
    squares = (windows.history.astype(float) ** 2).mean((0, 1)).reshape(3, 2).sum(1)
    apart = distance(windows)[windows.mask].astype(float) ** 2
    found = np.sqrt([apart.mean() if len(apart) else squares[0], *squares[1:]])
    names = ("position_scale", "velocity_scale", "acceleration_scale")
    return {k: float(f"{max(v, 1e-3):.2g}") for k, v in zip(names, found, strict=True)}


def save(path, model: Model) -> None:
    """Write a model as npz: arrays and one text, nothing that can be executed."""
    config = model.config._asdict() if model.config else None
    about = model._asdict() | {"config": config, "format": FORMAT}
    del about["params"]
    arrays = checkpoint.flatten(jax.device_get(model.params), "params")
    checkpoint.write_npz(path, about=json.dumps(about), **arrays)


def load(path) -> Model:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, or one of another version.
    """
    try:
        with np.load(pathlib.Path(path), allow_pickle=False) as file:
            arrays = dict(file)
        about = json.loads(str(arrays.pop("about")))
        if about.pop("format") != FORMAT:
            raise KeyError("format")
        module = pecnet if about["variant"] == "pecnet" else trajectron
        config = about.pop("config")
        config = None if config is None else module.Config(**config)
        params = checkpoint.unflatten(arrays, "params")
        kinds = tuple(about.pop("kinds"))
        return Model(config=config, params=params, kinds=kinds, **about)
    except (KeyError, TypeError, ValueError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise errors.InputError(
            f"{path}: expected a model.npz of --task=attribute or of pipeline.save; found "
            f"something else ({error}). Train one with --tracks, or give another --model."
        ) from error
