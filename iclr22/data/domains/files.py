"""The original file of DG-60, and how it is read."""

import hashlib

import numpy as np

from iclr22 import errors
from iclr22.data import pickles

KEYS = {  # ours, theirs
    "x": "data",
    "y": "label",
    "domain": "domain",
    "adjacency": "A",
    "angle": "angle",
}
SHA256 = {  # of the arrays of DG-60 as float64
    "x": "1959b831ed2f1797c069277b5e8b066d49125a910e3072f291878ec6e507a07c",
    "y": "edbc532c880b1011eef597fcf7d7f3217c6c62fc4f9e96f2d2d3fbffc8c3bde3",
    "domain": "8894a875032052807c69f4f6a0d3458b6373d62f83199e340da9cb4e13edb187",
    "adjacency": "d0cc5b42bf96f7c29cb8ac827de4754c0a4b6fe5cee6dc67b3b219864fbf82aa",
    "angle": "3982410b2acbefb40178929babd7363c9a06d072ddbbe2feb6d0212f2b63cbab",
}


def read_dg60(path) -> dict[str, np.ndarray]:
    """Arrays of DG-60 from the authors' pickle, by our names; nothing in it is executed.

    Raises:
      errors.InputError: another array, or something else than arrays.
    """
    found = read_pickle(path)
    for key, theirs in KEYS.items():
        content = np.asarray(found.get(theirs, ()), np.float64).tobytes()
        if hashlib.sha256(content).hexdigest() != SHA256[key]:
            raise errors.InputError(
                f"{path}: expected the array {theirs} of DG-60, with sha256 {SHA256[key]} "
                "as float64; found another or none. Remove the file to get it anew."
            )
    return {key: found[theirs] for key, theirs in KEYS.items()}


def read_pickle(path) -> dict[str, np.ndarray]:
    """Arrays by name from a pickle, without executing anything in it."""
    found = pickles.read(path)
    if isinstance(found, dict) and all(
        isinstance(x, np.ndarray) for x in found.values()
    ):
        return found
    raise errors.InputError(
        f"{path}: expected a pickle of a dict of arrays of numbers; found something else "
        "in it. It was not executed; get the file anew."
    )
