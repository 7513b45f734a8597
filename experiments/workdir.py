"""The work directory of a run: whose it is, and the truth about it in config.json."""

import hashlib
import itertools
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from absl import logging

from experiments import flags as config_flags
from experiments import options as option_lib
from iclr22 import checkpoint, errors, progress

IDENTITY = ("method", "dataset", "quick", "options", "inputs")  # else another run
SHOWN = 6  # differences that an error tells
LARGE = 1e9  # bytes, from which on a message tells why it takes long
# what every run writes; what else a study writes is in config.json, see `remember`
WRITTEN = ("cells", "results.csv", "report.html", "config.json")


def default(method: str, dataset: str, *, quick: bool, key: list) -> pathlib.Path:
    """`runs/<method>/<data set>-<hash>`, a folder of its own for every `key`."""
    described = json.dumps([dataset, *map(option_lib.plain, key)])
    digest = hashlib.sha256(described.encode()).hexdigest()[:8]
    name = f"{pathlib.Path(dataset).stem}{'-quick' if quick else ''}-{digest}"
    return pathlib.Path("runs") / method / name


def files(options, own: dict[str, str]) -> dict[str, str]:
    """By flag, the user's own data and files that options name, alone or as FILE:FUNCTION.

    Cells that are on disk are not computed again; of other files they would be wrong.
    """
    paths = dict(own)
    values = config_flags.values(options)
    texts = (x.name for x in config_flags.fields(options) if x.hint is str)
    for name in texts:
        for path in filter(os.path.exists, _meant(values[name])):
            paths.setdefault(name, path)
    return paths


def _meant(value: str) -> list[str]:
    """Paths that an option may mean: itself, the source or the package of a function."""
    source, colon, _ = value.rpartition(":")
    if not colon:
        return [value]
    module = source.replace(".", "/")
    folders = ["", *sys.path]
    return [
        value,
        source,
        *(os.path.join(x, f"{module}.py") for x in folders),
        *(os.path.join(x, module) for x in folders),
    ]


def fingerprint(path: str | os.PathLike) -> str:
    """What a file or the files below a folder hold, in a word: other content, another one."""
    root = pathlib.Path(path)
    found = sorted(root.rglob("*")) if root.is_dir() else [root]
    files = [file for file in found if file.is_file()]
    sizes = [file.stat().st_size for file in files]
    if sum(sizes) > LARGE:
        logging.info("%s: reading %.1f GB to know it again", path, sum(sizes) / 1e9)
    digest, bar = hashlib.sha256(), progress.Bar(max(sum(sizes), 1), "reading")
    for file, size, done in zip(files, sizes, itertools.accumulate(sizes), strict=True):
        digest.update(os.fsencode(f"{file.relative_to(root)} {size}\n"))
        with open(file, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
        bar.update(done)
    bar.close()
    return digest.hexdigest()[:12]


def claim(
    folder: pathlib.Path,
    about: Mapping[str, Any],
    *,
    resume: bool,
    names: Mapping[str, str] = {},
) -> None:
    """Write config.json, or refuse a work directory that belongs to another run.

    Args:
      about: the run; what is in `IDENTITY` must be equal to go on in a folder.
      resume: otherwise what is in the folder is removed.
      names: what users call an entry such as `options.models.main.rate`.

    Raises:
      errors.InputError: it belongs to another run, or is not an experiment's.
    """
    path = folder / "config.json"
    described = option_lib.plain(about) | {"trained": {}, "written": []}
    found = _previous(path) if path.exists() else None
    if found and not resume:
        for name in (*found["written"], *WRITTEN):  # config.json is the last to go
            old = folder / name
            shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    elif found:
        wanted = {name: described[name] for name in IDENTITY}
        _refuse(folder, differences(found, wanted, names=names))
        described |= {name: found[name] for name in ("trained", "written")}
        logging.info("continuing in %s", folder)
    elif there := [name for name in WRITTEN if (folder / name).exists()]:
        raise errors.InputError(
            f"{folder} has {there[0]} of a run, but no config.json that tells of which. "
            "Choose another --workdir."
        )
    checkpoint.write_json(path, described)


def remember(folder: pathlib.Path, name: str) -> None:
    """Note in config.json what a run writes in its folder: --noresume removes no more."""
    path = folder / "config.json"
    about = _previous(path)
    name = pathlib.PurePath(name).parts[0]
    if name not in about["written"]:
        about["written"].append(name)
        checkpoint.write_json(path, about)


def record_trained(folder: pathlib.Path, configurations: Mapping[str, Any]) -> None:
    """Add configurations, by name of what they train, to config.json.

    Raises:
      errors.InputError: the folder has another one under that name.
    """
    path = folder / "config.json"
    about = _previous(path)
    wanted = {
        name: {"stage": type(config).__module__, "config": option_lib.plain(config)}
        for name, config in configurations.items()
    }
    known = about["trained"]
    both = {name: x for name, x in wanted.items() if name in known}
    _refuse(folder, differences(known, both))
    known.update(wanted)
    checkpoint.write_json(path, about)


def _refuse(folder, differing: list[str]) -> None:
    if differing:
        more = len(differing) - SHOWN
        told = "; ".join(differing[:SHOWN]) + (f"; {more} more" if more > 0 else "")
        raise errors.InputError(
            f"{folder} holds another run ({told}). Choose another --workdir; --noresume "
            "would remove that run."
        )


def _previous(path: pathlib.Path) -> dict:
    """What a run wrote to config.json; a folder of anything else is left alone."""
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"method", "options"} <= set(found):
        raise errors.InputError(
            f"{path} was not written by an experiment. Choose another --workdir."
        )
    return {"inputs": {}, "trained": {}, "written": []} | found


def differences(
    found: Mapping, wanted: Mapping, prefix: str = "", *, names: Mapping[str, str] = {}
) -> list[str]:
    """What differs between two descriptions, in words; `names` as of `claim`."""
    lines = []
    for key in wanted:
        a, b, place = found.get(key), wanted[key], f"{prefix}{key}"
        if isinstance(b, dict) and isinstance(a, dict):
            lines += differences(a, b, f"{place}.", names=names)
        elif a != b:
            lines.append(f"{names.get(place, place)}: {_said(a)} there, {_said(b)} now")
    return lines


def _said(value) -> str:
    """As it is typed."""
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return "none" if value in ("", None) else str(value)
