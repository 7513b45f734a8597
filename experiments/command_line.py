"""The flags that every experiment has, and the data set that they name."""

import os
from collections.abc import Sequence

from absl import flags

from experiments import flags as config_flags
from experiments import options as option_lib
from iclr22 import errors, parallel

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # they belong to the experiment, whose --help lists them


def define_flags(experiment: option_lib.Experiment) -> None:
    """Run-level flags, then one per option of the method."""
    names = experiment.datasets
    own = ""
    if experiment.own_data == "dataset":
        own = ", or a path to your own (format: README)"
    flags.DEFINE_string("dataset", names[0], f"one of {', '.join(names)}{own}")
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
        "seeds", experiment.seeds, "number of seeds to repeat over", lower_bound=1
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
    config_flags.define(experiment.options)


def known_dataset(datasets: Sequence[str], own_data: str) -> str:
    """What the flags name, if it can be loaded, else an error with the nearest names."""
    path = FLAGS[own_data].value if own_data not in ("", "dataset") else ""
    if path and FLAGS["dataset"].present:
        raise errors.InputError(
            f"--dataset and --{own_data} both say which data; leave one out"
        )
    name = path or FLAGS.dataset
    if name in datasets and not path:
        return name
    looks_like_path = os.path.exists(name) or name.endswith(".npz") or "/" in name
    if not path and not (own_data == "dataset" and looks_like_path):
        raise errors.nearest(name, datasets, "data set")
    if not os.path.exists(name):
        raise errors.InputError(f"no such file or folder: {name}")
    return name
