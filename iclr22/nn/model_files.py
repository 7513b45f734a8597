"""Files of a model in a folder, a wheel or another zip archive, read without unpacking it."""

import os
import pathlib
import zipfile
from collections.abc import Callable
from typing import NamedTuple

from iclr22 import errors
from iclr22.data import checks

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class Files(NamedTuple):
    """What is there."""

    where: str  # of messages
    names: frozenset[str]  # paths below the folder of the model
    read: Callable[[str], bytes]  # by name

    def named(self, ending: str) -> list[str]:
        """Names with this ending, sorted."""
        return sorted(name for name in self.names if name.endswith(ending))


def opened(path: str | os.PathLike, beside: str) -> Files:
    """Files of the model at a path.

    Args:
      path: of a folder, of a wheel or zip archive, or of one file.
      beside: the name of a file that says which folder of an archive is the model's. If
        none has it, names are those within the archive.

    Raises:
      errors.InputError: nothing there, a damaged archive, one that unpacks to very much
        more than it is, or several folders with that file.
    """
    try:
        path = pathlib.Path(path).expanduser()
        if path.is_dir():
            names = frozenset(x.name for x in path.iterdir() if x.is_file())
            return Files(str(path), names, lambda name: _contents(path / name))
    except (OSError, RuntimeError, ValueError) as error:
        raise errors.InputError(
            f"{checks.short(path, 300)}: expected a folder that can be read; found "
            f"{checks.short(error)}."
        ) from error
    path = checks.existing(path, "the folder, wheel or zip archive of a model")
    if not zipfile.is_zipfile(path):
        names = frozenset((path.name,))
        return Files(str(path), names, lambda name: _contents(path.with_name(name)))
    return _archive(path, beside)


def _contents(path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.InputError(
            f"{path}: expected a file that can be read; found {checks.short(error)}."
        ) from error


def _archive(path, beside) -> Files:
    """The folder of an archive that has a file of the name `beside`, or all of it."""
    members = _guarded(path, lambda archive: archive.infolist())
    checks.check_unpacked(path, members)
    all_names = [x.filename for x in members if not x.is_dir()]
    folders = [x[: -len(beside)] for x in all_names if _last(x) == beside]
    within = {x for x in folders for y in folders if x != y and x.startswith(y)}
    folders = [x for x in folders if x not in within]  # one of a part, such as pooling
    if len(folders) > 1:
        raise errors.InputError(
            f"{path}: expected one model, a folder with {beside}; found "
            f"{checks.few(folders)}. Unpack the one you mean and name its folder."
        )
    base = folders[0] if folders else ""
    names = frozenset(x[len(base) :] for x in all_names if x.startswith(base))
    return Files(
        f"{path}/{base}".rstrip("/"),
        names,
        lambda name: _guarded(path, lambda archive: archive.read(base + name)),
    )


def _last(name):
    return name.rpartition("/")[2]


def _guarded(path, do):
    """What is done with an archive, whatever may be wrong with it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return do(archive)
    except Exception as error:  # zipfile and zlib have many of their own
        raise errors.InputError(
            f"{path}: expected a whole wheel or zip archive; found one that cannot be read "
            f"({checks.short(error, 100) or type(error).__name__}). Get it anew."
        ) from error


def missing(files: Files, name: str, what: str) -> errors.InputError:
    """The error for a model without a file."""
    pickles = [x for x in files.names if x.endswith(PICKLES)]
    if pickles and name.endswith(".safetensors"):
        told = (
            f"{checks.few(sorted(pickles))}, a pickle, which is never executed. Convert it "
            "where it came from: save_pretrained(folder, safe_serialization=True)"
        )
    else:
        told = f"{checks.few(sorted(files.names)) or 'nothing'}. Name the folder of a model"
    return errors.InputError(f"{files.where}: expected {name}, {what}; found {told}.")
