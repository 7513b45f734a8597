"""Transformations applied to a batch, another one to each image, traced.

    numbers = tables.of(transformations, 32, 32)
    images = applying.apply_all(numbers, images, applying.draw(probabilities, keys), keys)

On a CPU images come one after the other and each runs its own operation only; on an
accelerator images are sorted by operation and cut into segments of one operation. Both give
the same pixels. Do not `vmap` over `apply_all`: every image would run every operation; give it
more images, or use `lax.map`.
"""

import functools
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors
from iclr22.deep_autoaugment import colour, geometry, randomised
from iclr22.deep_autoaugment.tables import KINDS, Tables, for_labels

FILL = (125, 123, 114)  # of cutouts and of the padding of crops; grey: their mean
DRAWN = 1 << 20  # folded into the key of an image for its draws; layers are below
SEGMENT = 1024  # images of one operation that an accelerator takes together, at most
PIXELS = 1 << 26  # numbers in such a segment, at most

How = Literal["auto", "map", "segments"]


def draw(probabilities, keys):
    """Which transformation each image gets in each layer: `[m, K]` int32.

    Args:
      probabilities: `[K, N]`, or `[m, K, N]`; rows need not sum to 1. What has 0 is never
        drawn.
      keys: `[m]`; an image's draw depends on its own key alone.
    """
    probabilities = jnp.asarray(probabilities, jnp.float32)
    layers = probabilities.shape[-2]
    below = jnp.cumsum(probabilities, axis=-1)
    below = below / below[..., -1:]

    def one(key):  # not the numbers that `apply_all` draws from the same key
        return jax.random.uniform(jax.random.fold_in(key, DRAWN), (layers,))

    chance = jax.vmap(one)(keys)
    return (below <= chance[..., None]).sum(-1).astype(jnp.int32)


def apply_all(
    tables: Tables, images, which, keys, *, how: How = "auto", labels: bool = False
):
    """The transformations `which[i, 0]`, ..., `which[i, K-1]` one after the other.

    Args:
      tables: of `tables.of`, concrete; only the operations in it are compiled.
      images: `[m, h, w, c]` uint8 with c 1 or 3; any integers and c where `labels`.
      which: `[m, K]`, rows of the tables.
      keys: `[m]`, for flips, cutouts and crops.
      how: `map` over images with true branches, `segments` sorted by operation, or what
        suits the default device.
      labels: images are masks: what is no geometric operation leaves them alone, and they
        are filled with 0. With the same keys they move like their images.

    Returns:
      `[m, h, w, c]` of the same type.

    Raises:
      errors.InputError: an unknown `how`; channels or types that are not dealt with.
    """
    if how not in get_args(How):
        raise errors.nearest(how, get_args(How), "way")
    channels, kind = images.shape[-1], images.dtype
    if not labels and (kind != jnp.uint8 or channels not in (1, 3)):
        raise errors.InputError(
            "images: expected uint8 of 1 or 3 channels; found "
            f"{kind} of {channels}. Convert them before calling"
        )
    tables = for_labels(tables) if labels else tables
    if not np.any(tables.kind) or not len(images):
        return images
    if how == "auto":
        how = "map" if jax.default_backend() == "cpu" else "segments"
    words = jax.vmap(functools.partial(words_of, layers=which.shape[1]))(keys)
    present, rows = np.unique(tables.kind, return_inverse=True)
    branches = [
        branch(KINDS[kind], tables, how == "segments", labels) for kind in present
    ]
    run = _mapped if how == "map" else _in_segments
    return run(branches, jnp.asarray(rows, jnp.int32), images, which, words, keys)


def words_of(key, layers: int = 1):
    """The random words `[layers]` of an image; cheaper for all at once than in a branch."""
    return jax.random.bits(key, (layers,))


def branch(kind: str, tables: Tables, by_sort: bool = False, labels: bool = False):
    """`(image [h, w, c], row, word, key) -> image` of a kind; `row` in the tables, `word`
    uint32 of random bits."""
    fill = 0 if labels else None

    def act(image, row, word, key):
        def of(array):
            return jnp.asarray(array)[row]

        colour_of_fill = fill if labels else _fill(image)
        match kind:
            case "affine":
                return geometry.affine(image, of(tables.affine))
            case "shift":
                return geometry.shift(image, of(tables.shift))
            case "table":
                return colour.looked_up(image, of(tables.table))
            case "contrast" | "color" | "sharpness":
                return getattr(colour, kind)(image, of(tables.difference))
            case "autocontrast":
                return colour.autocontrast(image)
            case "equalize":
                return colour.equalize(image, by_sort)
            case "flip":
                return randomised.flip(image, word)
            case "cutout" | "crop":
                apply = getattr(randomised, kind)
                return apply(image, of(tables.amount), word, colour_of_fill)
            case "resized_crop":
                least = of(tables.amount)
                return randomised.resized_crop(image, least, key, labels=labels)
            case "noise":
                return randomised.noise(image, key)
        return image

    return act


def _fill(image):
    """The colour of fillings; a grey image has the mean of its three levels."""
    channels = image.shape[-1]
    return np.asarray(FILL if channels == 3 else [round(sum(FILL) / 3)], np.uint8)


def _mapped(branches, rows, images, which, words, keys):
    """One image after the other; of each layer only the branch that was drawn runs."""

    def one(given):
        image, which, words, key = given

        def layer(k, image):
            own = jax.random.fold_in(key, k)
            arguments = (image, which[k], words[k], own)
            return jax.lax.switch(rows[which[k]], branches, *arguments)

        return jax.lax.fori_loop(0, which.shape[0], layer, image)

    return jax.lax.map(one, (images, which, words, keys))


def _in_segments(branches, rows, images, which, words, keys):
    """Layer by layer, images sorted by branch and cut into segments of one branch."""

    def layer(images, given):
        k, which, words = given
        own = jax.vmap(functools.partial(jax.random.fold_in, data=k))(keys)
        return _one_layer(branches, rows[which], images, which, words, own), None

    layers = jnp.arange(which.shape[1])
    return jax.lax.scan(layer, images, (layers, which.T, words.T))[0]


def _one_layer(branches, chosen_branch, images, which, words, keys):
    """Segments hold images of one branch each; the last of a branch may have room."""
    count = len(images)
    most = min(SEGMENT, PIXELS // max(images[0].size, 1))
    size = max(1, min(most, -(-count // len(branches))))
    order = jnp.argsort(chosen_branch)
    number = jnp.zeros(len(branches), jnp.int32).at[chosen_branch].add(1)
    start = jnp.cumsum(number) - number
    segments = -(-number // size)
    until = jnp.cumsum(segments)

    def segment(j, images):
        which_branch = jnp.searchsorted(until, j, side="right")
        first = j - (until - segments)[which_branch]
        place = first * size + jnp.arange(size)
        valid = place < number[which_branch]
        chosen = order[jnp.where(valid, start[which_branch] + place, 0)]
        arguments = [x[chosen] for x in (images, which, words, keys)]
        functions = [jax.vmap(branch) for branch in branches]
        new = jax.lax.switch(which_branch, functions, *arguments)
        target = jnp.where(valid, chosen, count)
        return images.at[target].set(new, mode="drop")

    return jax.lax.fori_loop(0, until[-1], segment, images)
