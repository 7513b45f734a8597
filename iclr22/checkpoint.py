"""Files that must survive a kill: cells of results, chunks of large arrays.

All writes become visible by a rename, so a reader sees either the old or the new content,
never half of it. States of training are in `states`.
"""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
from absl import logging

from iclr22 import errors, parallel

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextlib.contextmanager
def held(folder) -> Iterator[None]:
    """Keep a folder for this run, until the block or the process ends; process 0 does.

    Raises:
      errors.InputError: another run has it.
    """
    if fcntl is None or not parallel.is_main():
        yield
        return
    os.makedirs(folder, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise errors.InputError(
            f"another run is writing to {folder}. Wait for its end, or choose another "
            "--workdir."
        ) from None
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic(path) -> Iterator[pathlib.Path]:
    """A temporary path beside `path` that replaces it when the block ends well.

    Only process 0 writes: what others put into theirs is dropped.
    """
    path = pathlib.Path(path)
    if not parallel.is_main():
        with tempfile.TemporaryDirectory() as folder:
            yield pathlib.Path(folder) / path.name
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path) -> Iterator[None]:
    """Errors of the disk name what was to be written.

    Raises:
      OSError: with the path; also where a library tells it in another way.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error
    except (RuntimeError, ValueError) as error:
        if not any(sign in str(error) for sign in ("No space", "ENOSPC", "quota")):
            raise
        said = " ".join(str(error).split())[:200]
        raise OSError(f"cannot write {path}: {said}") from error


def write_json(path, value) -> None:
    """Write JSON atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def write_npz(path, /, **arrays) -> None:
    """Write an npz atomically."""
    for name, x in arrays.items():
        if np.asarray(x).dtype.kind in "OV":  # bfloat16 and objects do not come back
            raise TypeError(f"{name} cannot be stored as {np.asarray(x).dtype}")
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def cell(directory, name: str, compute: Callable[[], dict]) -> dict:
    """`compute()` once; the next run with this directory reads what it returned.

    Of several processes all compute, or all read; none goes on before it is written.

    Args:
      compute: returns a dict whose values are arrays or JSON values. The first run gets
        them as a later one will: NumPy arrays, and lists for tuples.
    """
    path = pathlib.Path(directory) / f"{name}.npz"
    found = _read_cell(path) if path.exists() else None
    if not parallel.any_of_all(found is None):
        return found or {}
    result = compute()
    arrays = {k: np.asarray(v) for k, v in result.items() if hasattr(v, "shape")}
    rest = json.dumps({k: v for k, v in result.items() if k not in arrays})
    write_npz(path, json=np.asarray(rest), **arrays)
    parallel.barrier(f"cell {name}")
    return json.loads(rest) | arrays


def _read_cell(path) -> dict | None:
    """What a cell holds; of a damaged file nothing."""
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files if key != "json"}
            return json.loads(str(data["json"])) | arrays
    except Exception as error:  # zipfile, zlib and NumPy have many of their own
        said = " ".join(str(error).split())[:200]
        logging.warning("%s is damaged (%s); it is computed again", path, said)
        return None


class ChunkStore:
    """A large array computed in chunks of rows, kept on disk as it grows.

    Rows land in `<name>.npy`, then a small progress file is renamed into place. A killed
    run loses the chunk it was in. `key` describes how the rows are made: an array made
    in another way is started again. Several processes compute a chunk each at a time.
    """

    def __init__(self, directory, name: str, *, key: dict | None = None):
        self._path = pathlib.Path(directory) / f"{name}.npy"
        self._progress = self._path.with_suffix(".json")
        self._key = key or {}

    def fill(
        self, shape, dtype, rows: Callable, *, chunk: int, progress: Callable = iter
    ) -> np.ndarray:
        """The whole array as a read-only memory map.

        Args:
          rows: `(low, high) -> [high - low, ...]`, pure, on devices of this process.
          chunk: rows per call.
          progress: wraps the iterable of chunks that are left, for display.
        """
        key = self._key | {"shape": list(shape), "dtype": np.dtype(dtype).name}
        done = parallel.agree(self._done(key))
        out = self._open(done, shape, dtype) if parallel.is_main() else None
        together = chunk * parallel.part()[1]
        for low in progress(range(done, shape[0], together)):
            high = min(low + together, shape[0])
            found = _rows_of_all(rows, low, high, chunk)
            if out is not None:
                out[low:high] = found
                out.flush()
                write_json(self._progress, {"key": key, "done": high})
        parallel.barrier(f"chunks {self._path.stem}")
        return np.lib.format.open_memmap(self._path, "r")

    def _open(self, done, shape, dtype):
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if done == 0:
            self._progress.unlink(missing_ok=True)  # before the rows it speaks of go
            np.lib.format.open_memmap(self._path, "w+", dtype, tuple(shape)).flush()
        return np.lib.format.open_memmap(self._path, "r+")

    def _done(self, key) -> int:
        try:
            state = json.loads(self._progress.read_text())
            there = np.lib.format.open_memmap(self._path, "r")
            return state["done"] if state["key"] == key and there.size else 0
        except FileNotFoundError:
            return 0
        except (ValueError, LookupError, TypeError, OSError) as error:
            logging.warning(
                "%s is damaged (%s); it is computed again", self._path, error
            )
            return 0


def _rows_of_all(rows, low, high, chunk):
    """Rows `low` to `high`, a chunk from each process, in all of them."""
    index, count = parallel.part()
    if count == 1:
        return rows(low, high)
    start = min(low + index * chunk, high - 1)  # nothing left for it: will be cut off
    found = np.asarray(rows(start, min(start + chunk, high)))
    missing = [(0, chunk - len(found))] + [(0, 0)] * (found.ndim - 1)
    return parallel.rows_of_all(np.pad(found, missing))[: high - low]
