"""What an experiment is, and how its options are resolved: once, before anything runs.

Later ones win: defaults, the preset of the data set, the presets of chosen values (a task,
`--preset`), those of `--quick`, flags. All presets are written in names of flags.
"""

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from experiments import flags as config_flags
from iclr22 import errors

Preset = Mapping[str, Any]  # name of a flag: value
OWN = {"yes": "your own data", "no": "a registered data set"}


class Use(NamedTuple):
    """Who reads some flags. Flags that no `Use` names are read by every run.

    A run reads them if all of `where` holds: the field of that name has one of the
    values, or contains one if it holds several (`()`: if it holds none). Of several
    entries for a flag one is enough. Beside flags, `dataset` (a name) and `own` ("yes",
    "no") can be asked for.
    """

    flags: tuple[str, ...]  # patterns such as "bpr.*"; also "dataset", "seeds"
    where: Mapping[str, tuple]


class Experiment(NamedTuple):
    """The experiment of a method: everything that its command line needs."""

    method: str
    study: Callable[[Any], None]  # does the work on a `run.Run`
    options: Any  # the method's `Options()`
    datasets: tuple[str, ...]  # registered names that the study knows; first: default
    presets: Mapping[str, Preset] = {}  # by data set; `own` for the user's
    choices: Mapping[str, Preset] = {}  # by "flag=value", in this order
    quick: Mapping[str, Preset] = {}  # the same for --quick; under "" what is always so
    uses: tuple[Use, ...] = ()
    check: Callable[[Any], None] | None = None  # of resolved options; raises InputError
    own_data: str = ""  # flag that may hold a path to the user's own data
    # by "flag=value": what data that the run draws itself are called
    drawn: Mapping[str, str] = {}
    seeds: int = 5  # default number of them


def resolve(
    experiment: Experiment,
    given: Preset,
    *,
    dataset: str,
    own: bool = False,
    quick: bool = False,
    also: Iterable[str] = (),
):
    """The options of a run.

    Args:
      given: what the command line says, by flag.
      dataset: its name; of the user's own data any.
      also: flags on the command line that are no options.

    Raises:
      errors.InputError: a flag that this run does not read, or what `check` refuses.
    """
    name = "own" if own else dataset
    facts = {"dataset": name, "own": "yes" if own else "no"}
    options = config_flags.replace(experiment.options, experiment.presets.get(name, {}))
    chosen = facts | config_flags.values(config_flags.replace(options, given))
    options = _apply(options, experiment.choices, chosen)
    if quick:
        options = _apply(options, experiment.quick, chosen)
    options = config_flags.replace(options, given)
    found = facts | config_flags.values(options)
    for flag in (*given, *also):
        _check_used(flag, experiment.uses, found)
    if experiment.check:
        experiment.check(options)
    return options


def check_least(found: Mapping[str, tuple[float, float]]) -> None:
    """Refuse numbers below their bound.

    Args:
      found: `(number, smallest)` by flag.

    Raises:
      errors.InputError: one is smaller, or not a number.
    """
    for name, (value, least) in found.items():
        if not value >= least:
            raise errors.InputError(
                f"expected --{name} of {least} or more; found {value}"
            )


def _apply(options, presets, chosen):
    for preset in _fitting(presets, chosen):
        options = config_flags.replace(options, preset)
    return options


def _fitting(entries: Mapping[str, Any], chosen: Preset) -> list:
    """The entries whose condition, "flag=value" or "", holds."""
    found = []
    for condition, entry in entries.items():
        flag, _, value = condition.partition("=")
        if not condition or str(chosen[flag]) == value:
            found.append(entry)
    return found


def drawn(experiment: Experiment, options) -> str:
    """What the data are called that such a run draws itself; empty if it loads some."""
    return "".join(_fitting(experiment.drawn, config_flags.values(options)))


def _check_used(flag: str, uses: tuple[Use, ...], found: Preset) -> None:
    """Refuse a flag that would change nothing."""
    readers = [
        use.where for use in uses if any(fnmatch.fnmatch(flag, x) for x in use.flags)
    ]
    if not readers or any(_holds(where, found) for where in readers):
        return
    users = " or ".join(dict.fromkeys(" with ".join(_words(x)) for x in readers))
    names = dict.fromkeys(name for where in readers for name in where)
    here = ", ".join(_said(name, (found[name],)) for name in names)
    raise errors.InputError(
        f"--{flag} is read by {users}; this run has {here}. Leave it out, or change those."
    )


def _holds(where: Mapping[str, tuple], found: Preset) -> bool:
    def holds(name, wanted):
        value = found[name]
        several = value if isinstance(value, tuple) and value else (value,)
        return any(x in wanted for x in several)

    return all(holds(name, wanted) for name, wanted in where.items())


def _words(where):
    return [_said(name, wanted) for name, wanted in where.items()]


def _said(name: str, values: tuple) -> str:
    if name == "own":
        return OWN[values[0]]
    if values in (("",), ((),)):
        return f"no --{name}"
    return f"--{name}={'|'.join(map(_text, values))}"


def _text(value) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def plain(value, *, resolved: bool = True) -> Any:
    """Options as JSON values: configurations become objects.

    Args:
      resolved: with the fields that have no flag (`RESOLVED`), which are worth something
        only where they have been filled in.
    """
    if not resolved:
        return plain(_with_flags(value))
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, tuple | list):
        return [plain(x) for x in value]
    if isinstance(value, Mapping):
        return {name: plain(x) for name, x in value.items()}
    return value


def _with_flags(options) -> dict[str, Any]:
    """Options that have a flag, in nested dicts."""
    found: dict[str, Any] = {}
    values = config_flags.values(options)
    for field in config_flags.fields(options):
        place = found
        for name in field.path[:-1]:
            place = place.setdefault(name, {})
        place[field.path[-1]] = values[field.name]
    return found
