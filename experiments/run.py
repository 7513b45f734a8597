"""What every experiment shares: flags, work directory, resumable cells, report.

An experiment is described by an `options.Experiment`; its `__main__` calls `run.main` with
it. All that a finished part of a study returned is on disk; a run that is started again
after an interruption computes only what is missing.
"""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
from absl import app, flags, logging

from experiments import flags as config_flags
from experiments import interrupts, profiling, workdir
from experiments import options as option_lib
from experiments.command_line import define_flags, known_dataset
from experiments.origin import commit, device
from iclr22 import checkpoint, errors, parallel, record, report

FLAGS = flags.FLAGS
QUICK_SEEDS = 2
flags.disclaim_key_flags()  # they belong to the experiment, whose --help lists them


@dataclasses.dataclass
class Run:
    """One invocation of an experiment.

    Attributes:
      method: name, first column of the results.
      dataset: name of a registered data set, or a path to the user's own.
      options: the method's `Options`, resolved.
      seeds: seeds to repeat over.
      workdir: everything is written below it.
      data_dir: where data files are looked for, or None.
      mode: `jit` or `pmap`.
      quick: tiny synthetic data, to see that it works.
      own: the data set is the user's own.
      inputs: by flag, fingerprints of files that the command names.
      named: by flag, these files.
    """

    method: str
    dataset: str
    options: Any
    seeds: list[int]
    workdir: pathlib.Path
    data_dir: str | None
    mode: str
    quick: bool
    own: bool = False
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    named: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        self.rows: list[record.Result] = []
        self.figures: dict[str, str] = {}
        self.facts: dict[str, object] = {}
        self.files: list[str] = []
        self.summary = ""
        self.refused = ""  # why the run ends with an error, after all is written
        self.trained: dict[str, Any] = {}  # configurations by name of what they train
        self._told: set[str] = set()  # cells whose rows are in the results
        self._origin = {"device": device(), "commit": commit()}
        self._origin["date"] = time.strftime("%Y-%m-%d")

    @property
    def dataset_name(self) -> str:
        """The data set as it appears in results: a name, or the stem of a path."""
        name = pathlib.Path(self.dataset).stem
        name = name.encode("utf-8", "backslashreplace").decode()
        return name + "-synthetic" if self.quick and not self.own else name

    @property
    def published(self) -> bool:
        """Whether a paper may have numbers for this data."""
        return not (self.quick or self.own)

    def trains(self, configurations: Mapping[str, Any]) -> None:
        """Tell, before anything is trained, with which configurations, by name.

        They are written to config.json and to the report. Training has to take them from
        `trained`, so that what is recorded is what ran.
        """
        self.trained |= configurations
        if parallel.is_main():
            workdir.record_trained(self.workdir, configurations)

    def cell(self, name: str, compute: Callable[[], dict]) -> dict:
        """Part of a study, computed once per work directory; its rows count once.

        Args:
          name: unique within the study, with the seed in it where one is used.
          compute: returns arrays and JSON values; `rows`, if there, is a list of
            `(variant, setting, seed, metric, value, published)` for results.csv.
        """

        def timed():
            began = time.monotonic()
            result = compute()
            seconds = round(time.monotonic() - began, 3)
            rows = [list(row) for row in result.get("rows", [])]
            return result | {"rows": rows, "seconds": seconds, "origin": self._origin}

        result = checkpoint.cell(self.workdir / "cells", name, timed)
        then = result["origin"]["commit"]
        if then != self._origin["commit"]:
            logging.log_first_n(
                logging.WARNING,
                "some results are of commit %s, this is %s; --noresume computes all anew",
                1,
                then or "unknown",
                self._origin["commit"] or "unknown",
            )
        for row in result["rows"] if name not in self._told else ():
            self._add(row, result["seconds"], result["origin"])
        self._told.add(name)
        return result

    def _add(self, row, seconds, origin):
        variant, setting, seed, metric, value, published = row
        key = (self.method, self.dataset_name, variant, setting, seed, metric)
        paper = str(published) if self.published else ""
        self.rows.append(record.Result(*key, float(value), paper, seconds, **origin))

    def path(self, name: str) -> pathlib.Path:
        """Path in the work directory of a file or folder that the study writes."""
        if parallel.is_main():
            workdir.remember(self.workdir, name)
        return self.workdir / name

    def figure(self, name: str, caption: str) -> pathlib.Path:
        """Path for a figure that is to appear in the report."""
        path = self.path("figures") / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.figures[str(path)] = caption
        return path

    def output(self, name: str) -> pathlib.Path:
        """Path for a file of the study that the closing line is to name."""
        self.files.append(name)
        return self.path(name)

    def finish(self, seconds: float) -> str:
        """Write results.csv and report.html; return the closing line."""
        if not parallel.is_main():
            return ""
        record.write_results(self.workdir / "results.csv", self.rows)
        facts = {
            "command": " ".join(
                ["python -m", f"experiments.{self.method}"] + sys.argv[1:]
            ),
            "data set": self.dataset,
            "seeds": ", ".join(map(str, self.seeds)),
            **self._origin,
            "jax": jax.__version__,
            "seconds of this run": round(seconds, 1),
            **self.facts,
            "options": json.dumps(option_lib.plain(self.options, resolved=False)),
            "trained": json.dumps(option_lib.plain(self.trained)),
        }
        report.write(
            self.workdir / "report.html",
            title=f"{self.method} on {self.dataset_name}",
            summary=self.summary,
            rows=self.rows,
            figures={k: v for k, v in self.figures.items() if os.path.exists(k)},
            facts=facts,
        )
        written = "".join(f"{self.workdir / name}, " for name in self.files)
        return (
            f"done in {seconds:.0f} s: {written}{len(self.rows)} numbers in "
            f"{self.workdir / 'results.csv'}, {len(self.figures)} figures in "
            f"{self.workdir / 'figures'}, page {self.workdir / 'report.html'}"
        )


def main(experiment: option_lib.Experiment) -> None:
    """Define the flags, parse them, run the study. Call under `__main__` only."""
    define_flags(experiment)

    def start(argv):
        if len(argv) > 1:
            raise app.UsageError(
                f"unexpected arguments {argv[1:]}; flags start with --"
            )
        # Parts that need 64 bits ask for them: the environment changes no number.
        jax.config.update("jax_enable_x64", False)
        logging.set_verbosity(logging.INFO)
        logging.get_absl_handler().addFilter(_ours)
        for stream in (sys.stdout, sys.stderr):  # names of files may not be Unicode
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        with parallel.joined(FLAGS.distributed), interrupts.told(), _plain_errors():
            launch(experiment)

    jax.config.parse_flags_with_absl()
    app.run(start)


def _ours(entry) -> bool:
    """Orbax and JAX tell in our log what they do well, and which devices are not here.

    Errors of Orbax's threads are raised where the state is saved, and told there.
    """
    orbax = "orbax" in entry.pathname
    others = orbax or "xla_bridge" in entry.pathname
    return not (others and entry.levelname == "INFO" or orbax and entry.exc_info)


def launch(experiment: option_lib.Experiment) -> None:
    """One run from parsed flags."""
    began = time.monotonic()
    if FLAGS.compile_cache:
        cache = os.path.expanduser(FLAGS.compile_cache)
        jax.config.update("jax_compilation_cache_dir", cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    run = from_flags(experiment)
    with checkpoint.held(run.workdir):
        if parallel.is_main():
            about = {name: getattr(run, name) for name in workdir.IDENTITY}
            about["options"] = option_lib.plain(run.options, resolved=False)
            about |= {"seeds": run.seeds, "mode": run.mode}
            names = {
                ".".join(("options", *field.path)): f"--{field.name}"
                for field in config_flags.fields(run.options)
            }
            names |= {
                f"inputs.{name}": f"content of --{name}={run.named[name]}"
                for name in run.inputs
            }
            workdir.claim(run.workdir, about, resume=FLAGS.resume, names=names)
        parallel.barrier("work directory")  # nobody reads what is about to be replaced
        if FLAGS.profile:
            _profiled(experiment.study, run)
        else:
            experiment.study(run)
        line = run.finish(time.monotonic() - began)
    if line:
        print(line)
    if run.refused:
        raise errors.InputError(run.refused)


def from_flags(experiment: option_lib.Experiment) -> Run:
    """The run that the command line asks for; nothing is written."""
    dataset = known_dataset(experiment.datasets, experiment.own_data)
    own, quick = dataset not in experiment.datasets, FLAGS.quick
    options = option_lib.resolve(
        experiment,
        config_flags.given(experiment.options),
        dataset=dataset,
        own=own,
        quick=quick,
        also=[name for name in ("dataset", "seeds") if FLAGS[name].present],
    )
    dataset = option_lib.drawn(experiment, options) or dataset
    seeds = FLAGS.seeds
    if quick and not FLAGS["seeds"].present:
        seeds = QUICK_SEEDS
    named = workdir.files(options, {experiment.own_data: dataset} if own else {})
    inputs = {name: workdir.fingerprint(path) for name, path in named.items()}
    key = [options, FLAGS.mode, seeds, *inputs.values()]
    folder = workdir.default(experiment.method, dataset, quick=quick, key=key)
    return Run(
        method=experiment.method,
        dataset=dataset,
        options=options,
        seeds=list(range(seeds)),
        workdir=pathlib.Path(FLAGS.workdir) if FLAGS.workdir else folder,
        data_dir=FLAGS.data_dir,
        mode=FLAGS.mode,
        quick=quick,
        own=own,
        inputs=inputs,
        named=named,
    )


def _profiled(study, run: Run) -> None:
    with profiling.trace(run.path("profile")) as folder:
        study(run)
    if parallel.is_main():
        try:
            print(profiling.table(profiling.slowest(folder)))
        except errors.InputError as error:
            logging.warning("%s", error)


@contextlib.contextmanager
def _plain_errors():
    """Bad input ends the program with its message, not with a stack trace."""
    try:
        yield
    except (errors.InputError, OSError, FloatingPointError) as error:
        if FLAGS.pdb_post_mortem:
            raise
        sys.exit(f"error: {error}")
