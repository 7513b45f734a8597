"""A toy experiment, run in this process as the command line runs it."""

from typing import Literal, NamedTuple

import numpy as np
from absl import flags
from absl.testing import flagsaver

from experiments import options as option_lib
from experiments import run as runner
from iclr22 import plots


class Side(NamedTuple):
    """Of a second stage."""

    RESOLVED = ("outputs",)

    rate: float = 0.1  # a factor
    outputs: int = 0  # the data decide


class Config(NamedTuple):
    """Of the main stage."""

    RESOLVED = ("classes",)

    rate: float = 0.5  # a factor
    classes: int = 0  # the data decide


class Models(NamedTuple):
    """All that is trained."""

    MAIN = "main"
    RESOLVED = ("variant",)

    main: Config = Config()
    side: Side = Side()
    variant: str = ""  # by who trains
    snapshots: int = 3  # of a training


class Options(NamedTuple):
    """Of the toy experiment."""

    MAIN = "models"

    models: Models = Models()
    task: Literal["draw", "deep"] = "draw"  # what is done
    size: int = 4  # numbers to draw
    names: tuple[str, ...] = ("a", "b")  # of nothing
    label: str = ""  # may hold the path of own data


EXPERIMENT = option_lib.Experiment(
    method="toy",
    study=lambda run: None,
    options=Options(),
    datasets=("digits", "mnist"),
    presets={"mnist": {"size": 9, "rate": 0.25}, "own": {"size": 7}},
    own_data="dataset",
)


class Toy:
    """A study that notes what it computed, and may be cut or fail."""

    def __init__(self):
        self.computed, self.run, self.error = [], None, {}

    def study(self, run):
        self.run = run
        for seed in run.seeds:
            found = run.cell(f"draw-{seed}", lambda seed=seed: self.draw(run, seed))
        with plots.figure(run.figure("curve", "A curve.")) as axis:
            axis.plot(found["values"])
        run.summary = "It works."

    def draw(self, run, seed):
        if seed in self.error:
            raise self.error[seed]
        self.computed.append(seed)
        draws = np.random.default_rng(seed).normal(size=run.options.size)
        values = run.options.models.main.rate * draws
        rows = [("ours", "plain", seed, "test/error", np.mean(values), "12.5")]
        return {"rows": rows, "values": values}

    def launch(self, *arguments, **changes):
        """As the command line does; `changes` are of the `Experiment`."""
        experiment = EXPERIMENT._replace(study=self.study, **changes)
        with flagsaver.flagsaver():
            runner.define_flags(experiment)
            flags.FLAGS(["toy", "--compile_cache=", *map(str, arguments)])
            with runner._plain_errors():
                runner.launch(experiment)
        return self
