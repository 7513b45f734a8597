"""From a panel of series to a trained generator: variants, growth, configurations.

A variant is PSA-GAN (`psa_gan`), the one that continues values before (`psa_gan_c`), one of
them without a component (`no_fade`, `no_moment`, `no_attention`), the same networks trained
at full length from the beginning without attention and moment loss (`plain_gan`), or
TimeGAN, as published (`timegan`) or told series and calendar as the others are (`timegan_c`).
"""

import functools
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from iclr22 import errors, identity, loop, parallel
from iclr22.data.series import Panel, windows
from iclr22.psa_gan import gan, networks, spectral, timegan
from iclr22.psa_gan.artifact import Model
from iclr22.psa_gan.contrast import Config as Contrast
from iclr22.psa_gan.encoder import Config as Encoder
from iclr22.psa_gan.forecaster import Config as Forecaster
from iclr22.psa_gan.gan import Config as Gan
from iclr22.psa_gan.timegan import Config as TimeGAN

ABLATIONS: dict[str, dict[str, Any]] = {
    "no_fade": {"fade": 0.0},
    "no_moment": {"moment_weight": 0.0},
    "no_attention": {"attention": False},
}
PLAIN: dict[str, Any] = {"grow": False, "attention": False, "moment_weight": 0.0}
TIMEGANS = ("timegan", "timegan_c")
VARIANTS = ("psa_gan", "psa_gan_c", "plain_gan", *TIMEGANS, *ABLATIONS)


class Options(NamedTuple):
    """A variant and the hyper-parameters of all; of the encoder of scores, the forecaster."""

    MAIN = "gan"
    RESOLVED = ("variant",)  # by who trains

    variant: str = "psa_gan"  # of VARIANTS
    gan: Gan = Gan()  # of all but the TimeGANs
    timegan: TimeGAN = TimeGAN()  # of timegan and timegan_c
    encoder: Encoder = Encoder()  # of Context-FID
    contrast: Contrast = Contrast()  # of a second encoder beside it
    forecaster: Forecaster = Forecaster()


def config_of(options: Options, panel: Panel) -> Any:
    """The configuration that is trained: what variant and panel decide filled in.

    Raises:
      errors.InputError: an unknown variant, or a length that is no power of two from 8 on.
    """
    if options.variant not in VARIANTS:
        raise errors.nearest(options.variant, VARIANTS, "variant")
    config = options.gan
    check_length(config.length)
    if options.variant in TIMEGANS:
        return options.timegan._replace(
            series=len(panel.values),
            length=config.length,
            conditional=options.variant == "timegan_c",
        )
    more = PLAIN if options.variant == "plain_gan" else {}
    more = ABLATIONS.get(options.variant, more)
    config = config._replace(
        series=len(panel.values), depth=networks.depth_of(config.length), **more
    )
    if options.variant != "psa_gan_c":
        return config._replace(context=0)
    return config._replace(context=config.context or config.length // 2)


def check_length(length: int) -> None:
    """Refuse a length that growth cannot reach.

    Raises:
      errors.InputError: it is no power of two from 8 on.
    """
    if length < networks.SHORTEST or length & (length - 1):
        raise errors.InputError(
            f"expected a length that is a power of two from {networks.SHORTEST} on; found "
            f"{length}. Windows of other lengths are cut from longer ones."
        )


class Games(NamedTuple):
    """Batches of windows with noise, and shares for a gradient penalty."""

    windows: windows.Windows
    seed: int = 0

    def content(self) -> str:
        """Digest of what all batches are made from."""
        of = {
            "values": self.windows.data.values,
            "known": self.windows.data.known,
            "features": self.windows.data.features,
            "first": self.windows.data.first,
        }
        sizes = self.windows.length, self.windows.context, self.windows.size, self.seed
        return "-".join([identity.content(of), *map(str, sizes)])

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """A batch of the stages: what `Windows` has, `noise`, `share` and other noise."""
        index, parts = self.windows.part
        size = self.windows.size
        random = np.random.default_rng((self.seed, step, 1))
        noise = random.standard_normal((size, self.windows.length), np.float32)
        share = random.random(size, np.float32)
        again = random.standard_normal((size, self.windows.length), np.float32)
        drawn = {"noise": noise, "share": share, "again": again}
        mine = slice(index * (size // parts), (index + 1) * (size // parts))
        return self.windows(step) | {name: x[mine] for name, x in drawn.items()}


def games(data: windows.Scaled, config, seed: int) -> Games:
    """Batches for a configuration, whose size the devices divide.

    Raises:
      errors.InputError: no series is long enough.
    """
    devices = jax.device_count()
    size = -(-config.batch // devices) * devices
    of = windows.make(
        data,
        config.length,
        context=getattr(config, "context", 0),
        size=size,
        seed=seed,
        part=parallel.part(),
    )
    return Games(of, seed)


def train(
    panel: Panel,
    options: Options | None = None,
    *,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> Model:
    """Train one variant on a panel.

    Args:
      panel: the series that are learned; missing values are learned by nobody.
      options: which variant, and its hyper-parameters.
      directory: of checkpoints, one folder for each depth; an interrupted training goes
        on from there.

    Raises:
      errors.InputError: an unknown variant, a length that does not fit, nothing to learn.
    """
    options = Options() if options is None else options
    config = config_of(options, panel)
    cyclic = getattr(config, "calendar", "linear") == "cyclic"
    data = windows.scale(panel, cyclic=cyclic)
    batches = games(data, config, seed)
    fit = functools.partial(_fit, batches, seed, mode, directory, options.variant)
    if options.variant in TIMEGANS:
        params = fit(timegan, config, config.steps, "timegan")
        kept = {name: params[name] for name in timegan.GENERATING}
        return Model("timegan", config, kept, data.layout)
    params: Any = None
    for depth in range(0 if config.grow else config.depth, config.depth + 1):
        now = config._replace(depth=depth)
        params = fit(gan, now, gan.updates(now), f"depth_{depth}", begin=params)
    kept = params.get("average", params["generator"])
    kept = {"generator": jax.device_get(jax.jit(spectral.settled)(kept))}
    return Model("gan", config, kept, data.layout)


def _fit(
    batches, seed, mode, directory, variant, stage, config, steps, name, begin=None
):
    """Parameters on the host after so many updates."""
    plan = loop.Schedule(steps, save_every=max(steps // 2, 1), scan=min(20, steps))
    state = loop.fit(
        stage,
        config,
        batches,
        plan,
        seed=seed,
        mode=mode,
        directory=pathlib.Path(directory) / name if directory else None,
        begin=begin,
        name=f"{variant}, {name.replace('_', ' ')}, seed {seed}",
    )
    return jax.device_get(state.params)
