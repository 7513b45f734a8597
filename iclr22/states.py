"""States of a training run on disk: written in the background, verified when read.

Orbax stays behind this file. A state carries a digest of its own numbers, so that one
whose file was damaged is told and an older one is used instead.
"""

import functools
import os
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from iclr22 import checkpoint, errors, identity, parallel

DIGEST = 32  # bytes of a digest


class Checkpoints:
    """States of one training run in a directory; the newest good one is resumed."""

    def __init__(self, directory, *, keep: int = 2):
        import orbax.checkpoint as ocp

        _ignore_late_answers()
        path = str(directory)
        path = path if "://" in path else os.path.abspath(path)  # relative ones fail
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True)
        handler = ocp.StandardCheckpointHandler()
        self._args = ocp.args
        self._manager = ocp.CheckpointManager(
            path, item_handlers=handler, options=options
        )

    def steps(self) -> list[int]:
        """Steps of complete checkpoints, the newest first."""
        return sorted(self._manager.all_steps(), reverse=True)

    def save(self, step: int, state) -> None:
        """Write `state` in the background; incomplete writes are never seen."""
        item = {"state": state, "digest": digest(state)}
        with self._named():
            self._manager.save(step, args=self._args.StandardSave(item))

    def newest(self, like) -> tuple[int, Any] | None:
        """`(step, state)` of the newest good checkpoint, None if there is none.

        Damaged ones are told and removed: their steps are trained again.

        Raises:
          errors.InputError: a good one holds other arrays than `like`.
        """
        count = parallel.agree(len(self.steps()))
        for place in range(count):
            step = parallel.agree(self.steps()[place])
            state, fault = self._read(step, like)
            if not parallel.any_of_all(bool(fault)):
                self._remove([x for x in self.steps() if x > step])
                return step, state
            logging.warning(
                "the checkpoint of step %d in %s is damaged (%s); %s",
                step,
                self._manager.directory,
                fault or "another process cannot read it",
                "an older one is used" if place + 1 < count else "training starts anew",
            )
        self._remove(self.steps())
        return None

    def restore(self, step: int, like):
        """The state of `step`, laid out as `like` (arrays or shapes with shardings).

        Raises:
          errors.InputError: it is damaged, has other arrays, or of other shapes.
        """
        state, fault = self._read(step, like)
        if fault:
            raise errors.InputError(
                f"the checkpoint of step {step} in {self._manager.directory} is damaged: "
                f"{fault}"
            )
        return state

    def _read(self, step, like) -> tuple[Any, str]:
        """The state, or what is wrong with its files."""
        try:
            found = _shapes(self._manager.item_metadata(step).tree["state"])
        except Exception as error:  # files cut anywhere
            return None, _line(error)
        wanted = _shapes(like)
        for name in wanted | found:
            # Asked first: a restoration that fails leaves others behind it in the air.
            if found.get(name) != wanted.get(name):
                there, here = (x.get(name, "none") for x in (found, wanted))
                return self._unfit(step, f"{name}: {there} there, {here} now")
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
        )
        known = jax.ShapeDtypeStruct((DIGEST,), np.uint8)
        item = {"state": abstract, "digest": known}
        try:
            item = self._manager.restore(step, args=self._args.StandardRestore(item))
        except Exception as error:
            return None, _line(error)
        if not np.array_equal(item["digest"], digest(item["state"])):
            return None, "its numbers are not those that were written"
        return item["state"], ""

    def _unfit(self, step, details) -> tuple[None, str]:
        """Raises, if the description of the arrays that differ is what was written."""
        try:
            item = self._manager.restore(step, args=self._args.StandardRestore())
            good = np.array_equal(item["digest"], digest(item["state"]))
        except Exception as error:
            return None, _line(error)
        if not good:
            return None, "its numbers are not those that were written"
        raise errors.InputError(
            f"the checkpoint of step {step} in {self._manager.directory} does not fit "
            f"this configuration; use another --workdir. Details: {details}"
        )

    def _remove(self, steps):
        for step in steps:  # saving one again would be refused
            self._manager.delete(step)

    def close(self) -> None:
        """Wait for pending writes."""
        with self._named():
            self._manager.wait_until_finished()
            self._manager.close()

    def _named(self):
        return checkpoint.writing(self._manager.directory)


def _ignore_late_answers():
    """Arrays beside one that cannot be read, or written, are still on their way, for
    nobody, and would say so in a stack trace each."""
    before = sys.unraisablehook
    if before is not _late_answers:
        _LATE["otherwise"] = before
        sys.unraisablehook = _late_answers


def _late_answers(unraisable):
    if "Event loop is closed" not in str(unraisable.exc_value):
        _LATE["otherwise"](unraisable)


_LATE: dict[str, Any] = {}


def _line(error: Exception) -> str:
    """The beginning of an error's text, which may have a hundred lines."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def digest(state) -> np.ndarray:
    """SHA-256 `[32]` of names, shapes, types and numbers of all arrays; zeros if this
    process does not hold all of them."""
    leaves = jax.tree_util.tree_flatten_with_path(state)[0]
    numbers = [(_name(path), _plain(x)) for path, x in leaves]
    if not all(_here(x) for _, x in numbers):
        return np.zeros(DIGEST, np.uint8)
    own = (
        (name, x.addressable_data(0) if _replicated(x) else x)
        for name, x in sorted(numbers, key=lambda both: both[0])
    )
    return np.frombuffer(identity.hashed(own), np.uint8)


_name = functools.partial(jax.tree_util.keystr, simple=True, separator="/")


def _plain(x):
    key = hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(x) if key else x


def _replicated(x) -> bool:
    return isinstance(x, jax.Array) and x.is_fully_replicated


def _here(x) -> bool:
    return not isinstance(x, jax.Array) or x.is_fully_addressable or _replicated(x)


def _shapes(tree) -> dict[str, list[int]]:
    """Shapes of arrays, or of what is known of stored ones, by path."""

    def shape(x):
        key = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
        return list(jax.eval_shape(jax.random.key_data, x).shape if key else x.shape)

    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {_name(path): shape(x) for path, x in paths}
