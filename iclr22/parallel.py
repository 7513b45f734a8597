"""Devices. Nothing else in the package mentions them.

Two modes with the same numbers. `jit`: arrays carry a sharding over all devices of all
hosts and the compiler inserts the communication; `axis_name` is None. `pmap`: each device
sees its own slice and the step reduces over `axis_name` itself.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from iclr22 import errors

AXIS = "data"
MODES = ("jit", "pmap")


class Devices(NamedTuple):
    """How a run is laid out: mode, mesh of its devices, and where the batch divides."""

    mode: str
    mesh: Mesh
    batch_axes: Any = 0  # 0 or None per array, a pytree prefix of a batch

    @property
    def axis_name(self) -> str | None:
        """The axis that a step reduces over: None under jit."""
        return AXIS if self.mode == "pmap" else None


def devices(mode: str = "jit", batch_axes: Any = 0) -> Devices:
    """All devices of all hosts (`jit`), or this host's (`pmap`)."""
    if mode not in MODES:
        raise errors.nearest(mode, MODES, "mode")
    chosen = jax.local_devices() if mode == "pmap" else jax.devices()
    return Devices(mode, Mesh(np.asarray(chosen), (AXIS,)), batch_axes)


def initialize() -> None:
    """Join the other processes of a multi-host run; before any other use of JAX.

    On Cloud TPU, Slurm and Kubernetes JAX finds its partners. Elsewhere set
    COORDINATOR_ADDRESS, NUM_PROCESSES and PROCESS_ID, as `launch/` does.
    """
    if "COORDINATOR_ADDRESS" in os.environ:
        address = os.environ["COORDINATOR_ADDRESS"]
        here = address.startswith(("127.", "localhost:"))  # nobody else is to connect
        jax.distributed.initialize(
            address,
            int(os.environ["NUM_PROCESSES"]),
            int(os.environ["PROCESS_ID"]),
            coordinator_bind_address=address if here else None,
        )
    else:
        jax.distributed.initialize()


@contextlib.contextmanager
def joined(several: bool = True):
    """`initialize`, if there are several processes, for the length of a block.

    All leave it together, because process 0 may still be writing. One that fails ends
    at once: its ordinary exit would wait, for minutes, for processes that are waiting
    for it themselves.
    """
    if several:
        initialize()
    try:
        yield
        barrier("leave")
    except BaseException as error:
        if not _several() or (isinstance(error, SystemExit) and not error.code):
            raise
        _exit(error)


def _exit(error: BaseException):
    """End this process as `error` would, but without JAX's farewell to the others."""
    status = 130 if isinstance(error, KeyboardInterrupt) else 1
    if not isinstance(error, SystemExit):
        sys.excepthook(type(error), error, error.__traceback__)
    elif isinstance(error.code, int):
        status = error.code
    else:
        sys.stderr.write(f"{error.code}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def place(on: Devices, init: Callable, *args):
    """Run `init` so that its result lies on every device from the start.

    Without this pmap compiles twice, and donation fails with several processes.
    """
    return compile_init(on, init)(*args)


def compile_init(on: Devices, init: Callable) -> Callable:
    """The compiled function behind `place`, for who calls it again."""
    return jax.jit(init, out_shardings=NamedSharding(on.mesh, P()))


def replicate(on: Devices, tree):
    """Put host arrays on every device."""
    sharding = NamedSharding(on.mesh, P())
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), tree
    )


def shard(on: Devices, batch, *, stacked: bool = False):
    """Divide a host batch over the devices.

    Args:
      batch: pytree of NumPy arrays, this process's slice of the global batch.
      stacked: leaves are `[steps, batch, ...]` for a scan over steps.
    """
    put = functools.partial(_put if on.mode == "jit" else _split, on, stacked)
    return map_axes(put, batch, on.batch_axes)


def map_axes(function: Callable, batch, axes):
    """`function(leaf, axis)` over a batch, with axes as a pytree prefix of it."""
    return jax.tree.map(
        lambda axis, part: jax.tree.map(lambda x: function(x, axis), part),
        axes,
        batch,
        is_leaf=_is_none,
    )


def _put(on, stacked, x, axis):
    spec = P() if axis is None else P(*(None,) * stacked, AXIS)
    sharding = NamedSharding(on.mesh, spec)
    return jax.make_array_from_process_local_data(sharding, np.asarray(x))


def _split(on, stacked, x, axis):
    x = np.asarray(x)
    if axis is None:
        return x
    size = on.mesh.size
    if stacked:  # the device axis goes first, the scan axis stays inside
        shape = (len(x), size, x.shape[1] // size, *x.shape[2:])
        return np.swapaxes(x.reshape(shape), 0, 1)
    return x.reshape(size, len(x) // size, *x.shape[1:])


def _is_none(x):
    return x is None


def compile_step(
    on: Devices, step: Callable, *, steps: int = 1, stacked: bool = True
) -> Callable:
    """Compile `(state, batch, axis_name) -> (state, metrics)`.

    With `steps > 1` one call runs that many updates in a `lax.scan` and returns metrics
    `[steps]`; small models are otherwise bound by dispatch. The scan goes over a stacked
    batch, or sees the same one in every step.
    """

    def once(state, batch):
        after, metrics = step(state, batch, axis_name=on.axis_name)
        return keep_types(state, after), metrics

    def whole(state, batch):
        if steps == 1:
            return once(state, batch)
        if stacked:
            return jax.lax.scan(once, state, batch)
        return jax.lax.scan(lambda state, _: once(state, batch), state, length=steps)

    if on.mode == "jit":
        replicated = NamedSharding(on.mesh, P())
        return jax.jit(whole, donate_argnums=0, out_shardings=replicated)
    return _pmap(on, whole, donate_argnums=(0,), outputs=(None, None))


def keep_types(before, after):
    """`after` with the types of `before`, also where x64 makes constants wider."""
    return jax.tree.map(lambda x, y: y.astype(x.dtype), before, after)


def compile_evaluate(on: Devices, evaluate: Callable) -> Callable:
    """Compile `(params, batch, axis_name) -> sums`, summed over devices."""
    evaluate = functools.partial(evaluate, axis_name=on.axis_name)
    if on.mode == "jit":
        return jax.jit(evaluate, out_shardings=NamedSharding(on.mesh, P()))
    return _pmap(on, evaluate, outputs=None)


def _pmap(on, function, *, outputs, donate_argnums=()):
    mapped = jax.pmap(
        lambda state, batch, _: function(state, batch),
        AXIS,
        in_axes=(None, on.batch_axes, 0),
        out_axes=outputs,
        donate_argnums=donate_argnums,
    )
    # pmap wants one mapped argument even where the whole batch is on every device.
    index = np.arange(on.mesh.size)
    return lambda state, batch: mapped(state, batch, index)


def reduce(tree, axis_name: str | None):
    """Sum over devices under pmap; identity under jit, where arrays are global.

    All arrays of a type travel as one: a message costs far more than its bytes.
    """
    if axis_name is None:
        return tree
    leaves, structure = jax.tree.flatten(tree)
    leaves = [jnp.asarray(x) for x in leaves]
    for dtype in dict.fromkeys(x.dtype for x in leaves):  # in the same order everywhere
        places = [i for i, x in enumerate(leaves) if x.dtype == dtype]
        flat = jnp.concatenate([leaves[i].ravel() for i in places])
        ends = np.cumsum([leaves[i].size for i in places])[:-1]
        parts = jnp.split(jax.lax.psum(flat, axis_name), ends)
        for i, part in zip(places, parts, strict=True):
            leaves[i] = part.reshape(leaves[i].shape)
    return structure.unflatten(leaves)


def gather(x, axis_name: str | None):
    """All examples of all devices, `[batch, ...]`; identity under jit."""
    return x if axis_name is None else jax.lax.all_gather(x, axis_name, tiled=True)


def fold_axis(key, axis_name: str | None):
    """A key of its own for each device under pmap; identity under jit."""
    if axis_name is None:
        return key
    return jax.random.fold_in(key, jax.lax.axis_index(axis_name))


def shard_rows(on: Devices) -> Callable:
    """Function that divides the rows of a host pytree over devices, for closed forms.

    Over those of this process: what closed forms return must be readable here, and
    several processes divide such work by chunks (`checkpoint.ChunkStore`).
    """
    return functools.partial(shard, local(on))


def local(on: Devices) -> Devices:
    """The devices of this process, for work that needs no communication."""
    own = [x for x in on.mesh.devices.flat if x.process_index == jax.process_index()]
    return Devices("jit", Mesh(np.asarray(own), (AXIS,)))


def for_checkpoint(on: Devices, tree):
    """A replicated state as a checkpoint takes it.

    In a single process its copy on the first device: what lies on several would be cut
    into a part for each of them, by a program for every shape. In several processes
    global arrays, which a pmapped step does not return.
    """
    several = jax.process_count() > 1
    if several and on.mode == "jit":
        return tree
    sharding = NamedSharding(Mesh(np.asarray(jax.devices()), (AXIS,)), P())

    def convert(x):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            data = convert(jax.random.key_data(x))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(x))
        own = x.addressable_data(0)
        if not several:
            return own
        return jax.make_array_from_process_local_data(sharding, own, own.shape)

    return jax.tree.map(convert, tree)


def is_main() -> bool:
    """True in the one process that writes files; without starting any device."""
    return not jax.distributed.is_initialized() or jax.process_index() == 0


def _several() -> bool:
    return jax.distributed.is_initialized() and jax.process_count() > 1


def part() -> tuple[int, int]:
    """`(index, count)` of this process; without starting any device in a single one."""
    return (jax.process_index(), jax.process_count()) if _several() else (0, 1)


def agree(value: int) -> int:
    """What process 0 says, in all: for decisions that depend on files."""
    if not _several():
        return value
    from jax.experimental import multihost_utils

    return int(multihost_utils.broadcast_one_to_all(np.int32(value)))


def any_of_all(value: bool) -> bool:
    """Whether it is true in any process: for what only some of them may have met."""
    return bool(rows_of_all(np.array([[value]], np.uint8)).any())


def barrier(name: str) -> None:
    """Wait until all processes are here, for instance to read what process 0 wrote."""
    if _several():
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(name)


def rows_of_all(x: np.ndarray) -> np.ndarray:
    """Arrays `[rows, ...]` of all processes, equal in shape, one after the other."""
    if not _several():
        return x
    from jax.experimental import multihost_utils

    data = np.ascontiguousarray(x).reshape(len(x), -1).view(np.uint8)  # 64 bits stay
    data = multihost_utils.process_allgather(data, tiled=True)
    return data.view(x.dtype).reshape(-1, *x.shape[1:])
