"""What every experiment shares: flags, work directory, resumable cells, report.

An experiment file defines its settings and a function `study(run)`, and ends with
`run.main(study, ...)`. All that a finished part of a study returned is on disk; a run that
is started again after an interruption computes only what is missing.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

import jax
from absl import app, flags, logging

from experiments import flags as config_flags
from experiments import profiling
from iclr22 import checkpoint, errors, parallel, record, report

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # they belong to the experiment, whose --help lists them


@dataclasses.dataclass
class Run:
    """One invocation of an experiment.

    Attributes:
      method: name, first column of the results.
      dataset: name of a registered data set, or a path to the user's own.
      settings: the experiment's own NamedTuple, after flags.
      config: the method's `Config`, after flags.
      seeds: seeds to repeat over.
      workdir: everything is written below it.
      data_dir: where data files are looked for, or None.
      mode: `jit` or `pmap`.
      quick: tiny synthetic data, to see that it works.
      own: the data set is the user's own.
    """

    method: str
    dataset: str
    settings: object
    config: object
    seeds: list[int]
    workdir: pathlib.Path
    data_dir: str | None
    mode: str
    quick: bool
    own: bool = False

    def __post_init__(self):
        self.rows: list[record.Result] = []
        self.figures: dict[str, str] = {}
        self.facts: dict[str, object] = {}
        self.files: list[str] = []
        self.summary = ""
        self._told: set[str] = set()  # cells whose rows are in the results
        self._origin = {"device": device(), "commit": commit()}
        self._origin["date"] = time.strftime("%Y-%m-%d")

    @property
    def dataset_name(self) -> str:
        """The data set as it appears in results: a name, or the stem of a path."""
        return pathlib.Path(self.dataset).stem

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
        self.rows.append(
            record.Result(*key, float(value), str(published), seconds, **origin)
        )

    def figure(self, name: str, caption: str) -> pathlib.Path:
        """Path for a figure that is to appear in the report."""
        path = self.workdir / "figures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.figures[str(path)] = caption
        return path

    def output(self, name: str) -> pathlib.Path:
        """Path for a file of the study that the closing line is to name."""
        self.files.append(name)
        return self.workdir / name

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
            "settings": json.dumps(self.settings._asdict()),
            "configuration": json.dumps(self.config._asdict()),
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


def main(
    study: Callable[[Run], None],
    *,
    method: str,
    config,
    settings,
    datasets: Iterable[str],
    presets: dict[str, dict] | None = None,
    own_data: str = "",
    seeds: int = 5,
) -> None:
    """Define the flags, parse them, run the study. Call under `__main__` only.

    Args:
      study: does the work on a `Run`.
      method: name of the method and of the experiment's module.
      config: the method's `Config()`; one flag per field.
      settings: NamedTuple of the experiment's own options; one flag per field.
      datasets: registered names that the study knows; the first is the default.
      presets: data set name (`own` for paths) to `{field: value}` for fields of `config`
        or `settings` that differ there; flags win over them.
      own_data: name of the flag that may hold a path to the user's own data: `dataset`,
        or a field of `settings` that is empty otherwise.
      seeds: default number of them.
    """
    datasets = list(datasets)
    define_flags(config, settings, datasets, own_data, seeds)

    def start(argv):
        if len(argv) > 1:
            raise app.UsageError(
                f"unexpected arguments {argv[1:]}; flags start with --"
            )
        logging.set_verbosity(logging.INFO)
        logging.get_absl_handler().addFilter(_ours)
        with parallel.joined(FLAGS.distributed), _plain_errors():
            launch(study, method, config, settings, datasets, presets or {}, own_data)

    jax.config.parse_flags_with_absl()
    app.run(start)


def _ours(entry) -> bool:
    """Orbax tells at length, in our log, what it does well."""
    return entry.levelname != "INFO" or "orbax" not in entry.pathname


def define_flags(
    config, settings, datasets: list[str], own_data: str = "", seeds: int = 5
) -> None:
    """Run-level flags, then one per field of `settings` and `config`."""
    own = ", or a path to your own (format: README)" if own_data == "dataset" else ""
    flags.DEFINE_string("dataset", datasets[0], f"one of {', '.join(datasets)}{own}")
    flags.DEFINE_string(
        "data_dir",
        None,
        "folder of data files or a mirror of them; default $ICLR22_DATA, then "
        "~/.cache/iclr22/data",
    )
    flags.DEFINE_string(
        "workdir", None, "where results go; default runs/<method>/<data set>-<hash>"
    )
    flags.DEFINE_integer(
        "seeds", seeds, "number of seeds to repeat over", lower_bound=1
    )
    flags.DEFINE_enum("mode", "jit", parallel.MODES, "how steps are compiled")
    flags.DEFINE_bool("quick", False, "tiny synthetic data: seconds on a CPU")
    flags.DEFINE_bool("resume", True, "continue what is in the work directory")
    flags.DEFINE_bool(
        "profile", False, "write a trace to WORKDIR/profile, print what is slowest"
    )
    flags.DEFINE_bool("distributed", False, "join the other processes of this run")
    flags.DEFINE_string(
        "compile_cache",
        "~/.cache/iclr22/xla",
        "compiled programs are kept here; '' off",
    )
    config_flags.define(settings)
    config_flags.define(config)


def launch(study, method, config, settings, datasets, presets, own_data) -> None:
    """One run from parsed flags."""
    began = time.monotonic()
    dataset = known_dataset(datasets, own_data)
    own = dataset not in datasets
    preset = presets.get("own" if own else dataset, {})
    settings, config = (
        config_flags.parse(x, x._replace(**_fields(x, preset)))
        for x in (settings, config)
    )
    if FLAGS.compile_cache:
        cache = os.path.expanduser(FLAGS.compile_cache)
        jax.config.update("jax_compilation_cache_dir", cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    run = Run(
        method=method,
        dataset=dataset,
        settings=settings,
        config=config,
        seeds=list(range(2 if FLAGS.quick else FLAGS.seeds)),
        workdir=_workdir(method, dataset, settings, config),
        data_dir=FLAGS.data_dir,
        mode=FLAGS.mode,
        quick=FLAGS.quick,
        own=own,
    )
    with checkpoint.held(run.workdir):
        if parallel.is_main():
            _claim(run)
        parallel.barrier("work directory")  # nobody reads what is about to be replaced
        if FLAGS.profile:
            _profiled(study, run)
        else:
            study(run)
        line = run.finish(time.monotonic() - began)
    if line:
        print(line)


def _profiled(study, run: Run) -> None:
    with profiling.trace(run.workdir / "profile") as folder:
        study(run)
    if parallel.is_main():
        try:
            print(profiling.table(profiling.slowest(folder)))
        except errors.InputError as error:
            logging.warning("%s", error)


def known_dataset(datasets: list[str], own_data: str) -> str:
    """What the flags name, if it can be loaded, else an error with the nearest names."""
    path = FLAGS[own_data].value if own_data not in ("", "dataset") else ""
    name = path or FLAGS.dataset
    if name in datasets and not path:
        return name
    looks_like_path = os.path.exists(name) or name.endswith(".npz") or "/" in name
    if not path and not (own_data == "dataset" and looks_like_path):
        raise errors.nearest(name, datasets, "data set")
    if not os.path.exists(name):
        raise errors.InputError(f"no such file or folder: {name}")
    return name


def _fields(config, preset):
    return {k: v for k, v in preset.items() if k in config._fields}


def _workdir(method, dataset, settings, config) -> pathlib.Path:
    if FLAGS.workdir:
        return pathlib.Path(FLAGS.workdir)
    described = json.dumps([dataset, settings, config, FLAGS.mode, FLAGS.seeds])
    digest = hashlib.sha256(described.encode()).hexdigest()[:8]
    quick = "-quick" if FLAGS.quick else ""
    return (
        pathlib.Path("runs") / method / f"{pathlib.Path(dataset).stem}{quick}-{digest}"
    )


def _claim(run: Run) -> None:
    """Write config.json, or refuse a work directory that belongs to another run."""
    import shutil

    path = run.workdir / "config.json"
    described = {
        "method": run.method,
        "dataset": run.dataset,
        "settings": run.settings._asdict(),
        "config": run.config._asdict(),
        "quick": run.quick,
    }
    described = json.loads(json.dumps(described))
    found = _previous(path) if path.exists() else None
    if found and not FLAGS.resume:
        for old in run.workdir.iterdir():  # the folder itself is held
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    elif found:
        differing = _differences(found, described)
        if differing:
            raise errors.InputError(
                f"{run.workdir} holds another run ({'; '.join(differing)}). Choose "
                "another --workdir, or --noresume to replace it."
            )
        logging.info("continuing in %s", run.workdir)
    checkpoint.write_json(path, described)


def _previous(path) -> dict:
    """What a run wrote to config.json; a folder of anything else is left alone."""
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"method", "config"} <= set(found):
        raise errors.InputError(
            f"{path} was not written by an experiment. Choose another --workdir."
        )
    return found


def _differences(found, wanted, prefix="") -> list[str]:
    lines = []
    for key in wanted:
        a, b = found.get(key), wanted[key]
        if isinstance(b, dict) and isinstance(a, dict):
            lines += _differences(a, b, f"{key}.")
        elif a != b:
            lines.append(f"{prefix}{key}: {a} there, {b} now")
    return lines


@contextlib.contextmanager
def _plain_errors():
    """Bad input ends the program with its message, not with a stack trace."""
    try:
        yield
    except (errors.InputError, OSError, FloatingPointError) as error:
        if FLAGS.pdb_post_mortem:
            raise
        sys.exit(f"error: {error}")


def device() -> str:
    """What this process computes on, in words."""
    first = jax.devices()[0]
    kind = first.device_kind if first.platform != "cpu" else f"{os.cpu_count()} cores"
    return f"{jax.device_count()} x {first.platform} ({kind})"


def commit() -> str:
    """Commit of the checkout, with a plus if it has changes; empty outside one."""
    root = pathlib.Path(__file__).parent

    def git(*arguments):
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "--short", "HEAD")
        return head + ("+" if head and git("status", "--porcelain") else "")
    except OSError:
        return ""
