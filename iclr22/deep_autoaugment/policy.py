"""Policies: layers of transformations with probabilities, applied to batches of images.

    images = policy.apply_policy(found, images, jax.random.key(0))  # uint8 [n, h, w, c]

Each image draws one transformation from each layer, by a key of its own: the same key gives
the same pixels, whatever else is in the batch (paper, section 3; sheet 2.3).
"""

import functools
import math
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, numeric
from iclr22.deep_autoaugment import applying, pixels, space, tables
from iclr22.deep_autoaugment.space import Transformation

LEAST = 1e-4  # probability below which an entry is left out
# Images, and bytes of them, that are in work at a time: a CPU is fastest where memory is
# used again, an accelerator where there are many images of each operation.
ON_CPU, ON_ACCELERATOR = (1024, 1 << 24), (16384, 1 << 28)

Either = TypeVar("Either", bound="Policy | Mixture")


class Entry(NamedTuple):
    """A transformation and its probability within a layer."""

    op: str  # one of `space.KNOWN`
    level: int  # of its magnitude; 6 where there is none
    value: float  # in the unit of `space.LIMITS`
    prob: float


class Policy(NamedTuple):
    """Layers, applied in their order; the probabilities of each sum to 1."""

    layers: tuple[tuple[Entry, ...], ...]


class Mixture(NamedTuple):
    """Several policies; each image is under one of them."""

    policies: tuple[Policy, ...]
    weights: tuple[float, ...]  # how often each, to a sum of 1


class Compiled(NamedTuple):
    """P policies over N different transformations, all with K layers."""

    transformations: tuple[Transformation, ...]
    probabilities: np.ndarray  # [P, K, N] float64
    weights: np.ndarray  # [P] float64


def of_probabilities(transformations, probabilities, least: float = LEAST) -> Policy:
    """The policy of probabilities `[K, N]` over N transformations.

    Args:
      least: what has less is left out, and the rest is scaled to a sum of 1.

    Raises:
      errors.InputError: another shape, negative numbers, a layer without any left.
    """
    shares = numeric.real(probabilities, "probabilities", ndim=2, dtype=np.float64)
    if shares.shape[1] != len(transformations) or not len(shares):
        raise errors.InputError(
            f"probabilities: expected [layers, {len(transformations)}], a column for each "
            f"transformation; found {list(shares.shape)}"
        )
    if shares.min() < 0:
        raise errors.InputError(
            f"probabilities: expected none below 0; found {shares.min():g}"
        )
    layers = []
    for place, row in enumerate(shares):
        kept = np.flatnonzero((row >= least) & (row > 0))
        if not kept.size:
            raise errors.InputError(
                f"probabilities: layer {place} has none of {least:g} or more"
            )
        scaled = row[kept] / row[kept].sum()
        layers.append(
            tuple(
                Entry(*transformations[n], prob=float(p))
                for n, p in zip(kept, scaled, strict=True)
            )
        )
    return Policy(tuple(layers))


def checked(policy: Either) -> Either:
    """The same, if it can be applied.

    Raises:
      errors.InputError: no layers, unknown operations, impossible values, probabilities
        or weights that are negative or do not sum to 1.
    """
    if isinstance(policy, Mixture):
        if not policy.policies or len(policy.policies) != len(policy.weights):
            raise errors.InputError(
                f"expected a weight for each policy; found {len(policy.policies)} "
                f"policies and {len(policy.weights)} weights"
            )
        _check_sum(policy.weights, "weights of the policies")
        for each in policy.policies:
            checked(each)
        return policy
    if not isinstance(policy, Policy):
        raise errors.InputError(
            f"expected a Policy or a Mixture; found {type(policy).__name__}. Read a file "
            "with load_policy"
        )
    if not policy.layers:
        raise errors.InputError("expected a policy of one layer at least; found none")
    for place, entries in enumerate(policy.layers):
        for entry in entries:
            space.checked(Transformation(*entry[:3]))
        _check_sum([x.prob for x in entries], f"probabilities of layer {place}")
    return policy


def _check_sum(shares, what: str):
    found = math.fsum(shares)
    if not all(0 <= x <= 1 + 1e-3 for x in shares) or not abs(found - 1) <= 1e-3:
        worst = min(shares, default=0.0)
        found = f"one of {worst:g}" if worst < 0 else f"a sum of {found:g}"
        raise errors.InputError(
            f"{what}: expected numbers from 0 that sum to 1; found {found}"
        )


def members(policy: Policy | Mixture) -> Mixture:
    """A mixture, of one policy where it is none."""
    return policy if isinstance(policy, Mixture) else Mixture((policy,), (1.0,))


@functools.lru_cache(maxsize=64)
def compiled(policy: Policy | Mixture) -> Compiled:
    """Its distinct transformations, and the probability of each by policy and layer.

    Shorter policies of a mixture go on with identity.

    Raises:
      errors.InputError: as `checked`.
    """
    several = members(checked(policy))
    depth = max(len(each.layers) for each in several.policies)
    identity = (Entry("identity", space.MIDDLE, 0.0, 1.0),)
    full = [
        each.layers + (identity,) * (depth - len(each.layers))
        for each in several.policies
    ]
    entries = [x for layers in full for layer in layers for x in layer if x.prob > 0]
    # What differs by its level alone is one.
    first = {(x.op, x.value): Transformation(*x[:3]) for x in reversed(entries)}
    keys = list(dict.fromkeys((x.op, x.value) for x in entries))
    number = {key: n for n, key in enumerate(keys)}
    shares = np.zeros((len(full), depth, len(keys)))
    for p, layers in enumerate(full):
        for k, layer in enumerate(layers):
            for x in layer:
                if x.prob > 0:
                    shares[p, k, number[x.op, x.value]] += x.prob
    shares /= shares.sum(-1, keepdims=True)
    shares.setflags(write=False)  # they are shared
    weights = np.asarray(several.weights) / math.fsum(several.weights)
    return Compiled(tuple(first[key] for key in keys), shares, weights)


def mirrored(policy: Policy | Mixture) -> Any:
    """Each shear, translation and rotation to both sides, at half its probability.

    So are policies of the paper used after the search (sheet 2.6). A mixture stays one.
    """
    if isinstance(policy, Mixture):
        return policy._replace(policies=tuple(mirrored(x) for x in policy.policies))
    layers = [[side for x in layer for side in _sides(x)] for layer in policy.layers]
    return Policy(tuple(map(tuple, layers)))


def _sides(entry: Entry) -> tuple[Entry, ...]:
    op, level, value, prob = entry
    if op not in space.MIRRORED:
        return (entry,)
    if level < space.LEVELS and value == space.value(op, level):
        level = space.LEVELS - 1 - level
    return entry._replace(prob=prob / 2), Entry(op, level, -value, prob / 2)


def augment(
    policy: Policy | Mixture,
    images,
    keys,
    *,
    masks=None,
    how: applying.How = "auto",
):
    """Images under a policy, for use inside a compiled step; `policy` is static there.

    Args:
      images: `[m, h, w, c]` uint8.
      keys: `[m]`; what becomes of an image depends on its own key alone.
      masks: integers `[m, h, w]`, moved along with their images; 0 where nothing is.
      how: as in `applying.apply_all`.

    Returns:
      Images of the same shape, and the masks where they are given.

    Raises:
      errors.InputError: as `compiled` and `tables.of`.
    """
    made = compiled(policy)
    numbers = tables.of(made.transformations, *images.shape[1:3])
    which = drawn(made, keys)
    new = applying.apply_all(numbers, images, which, keys, how=how)
    if masks is None:
        return new
    moved = applying.apply_all(
        numbers, masks[..., None], which, keys, how=how, labels=True
    )
    return new, moved[..., 0]


def drawn(made: Compiled, keys):
    """Which transformation each image gets in each layer: `[m, K]` int32."""
    shares = jnp.asarray(made.probabilities, jnp.float32)
    if len(made.weights) == 1:
        return applying.draw(shares[0], keys)
    own = jax.vmap(lambda key: jax.random.fold_in(key, applying.DRAWN + 1))(keys)
    member = applying.draw(made.weights[None], own)[:, 0]
    return applying.draw(shares[member], keys)


def apply_policy(policy: Policy | Mixture, images, key, *, masks=None) -> Any:
    """Images under a policy, each under its own draw.

    Image i depends on the key and on i alone: the same key gives the same pixels, on every
    device and in batches of any size.

    Args:
      images: `[n, h, w, c]` with c 1 or 3, or `[n, h, w]`; uint8, or real numbers from 0 to
        1, which are rounded to 256 levels (a warning says so).
      key: of `jax.random.key`.
      masks: whole numbers `[n, h, w]` of the same images. Only geometric operations act on
        them (shears, translations, rotation, flip, crops); what comes from outside is 0.

    Returns:
      uint8 of the shape of the images; `(images, masks)` where there are masks.

    Raises:
      errors.InputError: policies, images or masks that cannot be worked with.
    """
    made = compiled(policy)
    images, shape = pixels.levels(images)
    masks = None if masks is None else pixels.labels(masks, images.shape[:3])
    tables.of(made.transformations, *images.shape[1:3])
    count = len(images)
    most, most_bytes = ON_CPU if jax.default_backend() == "cpu" else ON_ACCELERATOR
    size = max(1, min(most, most_bytes // max(math.prod(images.shape[1:]), 1)))
    parts = [
        _chunk(policy, images, masks, key, start, min(size, count - start))
        for start in range(0, count, size)
    ]
    if parts:
        images, masks = jax.tree.map(lambda *x: jnp.concatenate(x), *parts)
    images = images.reshape(shape)
    return images if masks is None else (images, masks)


def _chunk(policy, images, masks, key, start: int, count: int):
    """Images of a range, filled up to a power of two: few shapes are compiled."""
    more = (1 << (count - 1).bit_length()) - count

    def part(x):
        x = x[start : start + count]
        if not more:
            return x
        return jnp.pad(x, ((0, more), *((0, 0),) * (np.ndim(x) - 1)), mode="edge")

    given = jax.tree.map(part, (images, masks))
    found = _run(policy, *given, key, np.arange(start, start + count + more))
    return jax.tree.map(lambda x: x[:count], found)


@functools.partial(jax.jit, static_argnums=0)
def _run(policy, images, masks, key, rows):
    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(rows)
    if masks is None:
        return augment(policy, images, keys), None
    return augment(policy, images, keys, masks=masks)
