"""Everything that must survive a kill: training states, cells of results, chunks.

Orbax stays behind this file. All writes become visible by a rename, so a reader sees
either the old or the new content, never half of it.
"""

import contextlib
import functools
import json
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, parallel

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class Checkpoints:
    """States of one training run in a directory; the newest is where it resumes."""

    def __init__(self, directory, *, keep: int = 2):
        import orbax.checkpoint as ocp

        path = str(directory)
        path = path if "://" in path else os.path.abspath(path)  # relative ones fail
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True)
        handler = ocp.StandardCheckpointHandler()
        self._args = ocp.args
        self._manager = ocp.CheckpointManager(
            path, item_handlers=handler, options=options
        )

    def latest(self) -> int | None:
        """Step of the newest complete checkpoint."""
        return self._manager.latest_step()

    def save(self, step: int, state) -> None:
        """Write `state` in the background; incomplete writes are never seen."""
        self._manager.save(step, args=self._args.StandardSave(state))

    def restore(self, step: int, like):
        """The state of `step`, laid out as `like` (arrays or shapes with shardings).

        Raises:
          errors.InputError: it has other arrays, or of other shapes.
        """
        # Asked first: a restoration that fails leaves others behind it in the air.
        found, wanted = _shapes(self._manager.item_metadata(step).tree), _shapes(like)
        for name in wanted | found:
            if found.get(name) != wanted.get(name):
                there, here = (x.get(name, "none") for x in (found, wanted))
                raise self._unfit(step, f"{name}: {there} there, {here} now")
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
        )
        try:
            args = self._args.StandardRestore(abstract)
            return self._manager.restore(step, args=args)
        except ValueError as error:
            details = " ".join(str(error).split())[:300]  # of up to a hundred lines
            raise self._unfit(step, details) from error

    def _unfit(self, step, details: str) -> errors.InputError:
        return errors.InputError(
            f"the checkpoint of step {step} in {self._manager.directory} does not fit "
            "this configuration; use another --workdir or --noresume. "
            f"Details: {details}"
        )

    def close(self) -> None:
        """Wait for pending writes."""
        self._manager.wait_until_finished()
        self._manager.close()


def _shapes(tree) -> dict[str, list[int]]:
    """Shapes of arrays, or of what is known of stored ones, by path."""

    def shape(x):
        key = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
        return list(jax.eval_shape(jax.random.key_data, x).shape if key else x.shape)

    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    name = functools.partial(jax.tree_util.keystr, simple=True, separator="/")
    return {name(path): shape(x) for path, x in paths}


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
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
    if parallel.agree(path.exists()):
        with np.load(path, allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files if key != "json"}
            return json.loads(str(data["json"])) | arrays
    result = compute()
    arrays = {k: np.asarray(v) for k, v in result.items() if hasattr(v, "shape")}
    rest = json.dumps({k: v for k, v in result.items() if k not in arrays})
    write_npz(path, json=np.asarray(rest), **arrays)
    parallel.barrier(f"cell {name}")
    return json.loads(rest) | arrays


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
        if not (self._progress.exists() and self._path.exists()):
            return 0
        state = json.loads(self._progress.read_text())
        return state["done"] if state["key"] == key else 0


def _rows_of_all(rows, low, high, chunk):
    """Rows `low` to `high`, a chunk from each process, in all of them."""
    index, count = parallel.part()
    if count == 1:
        return rows(low, high)
    start = min(low + index * chunk, high - 1)  # nothing left for it: will be cut off
    found = np.asarray(rows(start, min(start + chunk, high)))
    missing = [(0, chunk - len(found))] + [(0, 0)] * (found.ndim - 1)
    return parallel.rows_of_all(np.pad(found, missing))[: high - low]
