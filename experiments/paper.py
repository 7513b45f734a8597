"""What `experiments/<method>/paper.py` says, in these types.

Each such module has, besides the published numbers, typed once:
  NEED: one line, who needs the method and for what.
  HEADLINES: the rows that matter, the first for the front page.
  CLAIMS: what the paper claims, as conditions on rows.
  JOBS: what `experiments.reproduce` runs, by scale.
  PLAIN_METRICS: optional; metrics have no split in their name (`min_ade`).
It imports nothing that computes, so that all of them are read in a moment.
"""

import importlib
import pathlib
import shlex
from collections.abc import Iterable
from types import ModuleType
from typing import NamedTuple

import iclr22
from iclr22 import record

ROOT = pathlib.Path(__file__).parent
SCALES = ("quick", "small", "paper")
Key = tuple[str, str, str, str]  # data set, setting, variant, metric


class Headline(NamedTuple):
    """A number beside the paper's, and the command that makes it."""

    what: str
    key: Key
    published: str | float = ""
    arguments: tuple[str, ...] = ()  # of the command; {data}: the folder of data files


class Claim(NamedTuple):
    """`key` above (or below) `bound` times `factor` and `plus`, or within `factor` of it for
    `near`."""

    what: str
    key: Key
    relation: str  # above, below, near
    bound: Key | float  # other rows, or a number
    factor: float = 1.0
    plus: float = 0.0
    ours: bool = False  # about what this project added: shown, no part of the verdict


class Job(NamedTuple):
    """One command, as a user would type it, in a folder of its own."""

    name: str  # unique within a method and a scale
    arguments: tuple[str, ...]  # {data} stands for the folder of data files
    minutes: float  # about, on two cores
    figures: tuple[str, ...] = ()  # of its work directory that the page shows
    needs: str = ""  # a registered data set that is not bundled
    # Below the folder of data, each must be there; the first stands for the original files
    # of `needs`.
    files: tuple[str, ...] = ()
    method: str = ""  # whose it is; `plan.jobs` fills it in

    @property
    def title(self) -> str:
        """Method and name."""
        return f"{self.method}, {self.name}"


def of(method: str) -> ModuleType:
    """The paper of a method that is here."""
    return importlib.import_module(f"experiments.{method}.paper")


def there() -> list[str]:
    """Methods whose paper is here, sorted."""
    return [name for name in iclr22.available() if has(name, "paper")]


def has(method: str, part: str) -> bool:
    """Whether `experiments/<method>/` has a module of this name."""
    return (ROOT / method / f"{part}.py").exists()


def results(method: str) -> list[record.Result]:
    """The committed rows of a method."""
    path = ROOT / method / "results.csv"
    return record.read_results(path) if path.exists() else []


def means(rows: Iterable[record.Result]) -> dict[Key, record.Summary]:
    """Mean and interval over seeds, by what was measured."""
    return {
        (x.dataset, x.setting, x.variant, x.metric): x for x in record.summarise(rows)
    }


def words(
    method: str, arguments: tuple[str, ...] = (), data: str = "DATA"
) -> list[str]:
    """What a user types after `python`, `{data}` filled in."""
    filled = (word.replace("{data}", data) for word in arguments)
    return ["-m", f"experiments.{method}", *filled]


def command(method: str, arguments: tuple[str, ...] = (), data: str = "DATA") -> str:
    """The whole command, as one line of a shell."""
    return shlex.join(["python", *words(method, arguments, data)])
