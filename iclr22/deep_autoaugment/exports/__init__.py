"""A policy for the pipelines of others.

    augment = export_policy(policy, "torchvision")        # a transform of one image
    export_policy(policy, "python", path="augment.py")    # one file, Pillow and NumPy

`numpy`, `torch` and `tf_data` compute batches with JAX, see `arrays`; `torchvision` and
`albumentations` are transforms of one image by these libraries and Pillow; `python` is a file
without this package, `json` the policy itself. What does not have exactly the pixels of
`apply_policy` is said in `for_torchvision`, with how much it differs.
"""

import importlib
import importlib.util
import inspect
import pathlib
import pprint
import tempfile
from typing import Any

from iclr22 import checkpoint, errors
from iclr22.deep_autoaugment import files, space
from iclr22.deep_autoaugment.exports import standalone
from iclr22.deep_autoaugment.exports.arrays import as_numpy, as_tf_data, as_torch
from iclr22.deep_autoaugment.policy import Mixture, Policy, checked

Plain = list[tuple[float, list[list[tuple[float, str, float]]]]]
BATCHES: dict[str, Any] = {
    "numpy": as_numpy,
    "torch": as_torch,
    "tf_data": as_tf_data,
}
LIBRARIES = {  # what has to be installed
    "torch": "torch",
    "tf_data": "tensorflow",
    "torchvision": "torchvision",
    "albumentations": "albumentations==2.0.8",
}
OPTIONS = {  # of kinds that have any
    "torch": {"channels"},
    "json": {"image_size", "fill", "normalise", "meta"},
}
KINDS = ("numpy", "torch", "torchvision", "albumentations", "tf_data", "json", "python")


def plain(policy: Policy | Mixture) -> Plain:
    """Policies with their weights, as `standalone.POLICIES`: each is layers of
    `(probability, operation, value)`."""
    several = isinstance(policy, Mixture)
    parts = policy.policies if several else (policy,)
    weights = policy.weights if several else (1.0,)
    return [
        (
            float(w),
            [[(float(x.prob), x.op, float(x.value)) for x in y] for y in one.layers],
        )
        for w, one in zip(weights, parts, strict=True)
    ]


def export_policy(
    policy: Policy | Mixture, kind: str, *, path=None, seed: int = 0, **options
) -> Any:
    """The policy for another library.

    Args:
      kind: one of `KINDS`.
      path: of `json` and `python`, the file that is written.
      seed: of the draws, where this package or albumentations makes them.
      options: of `json` as `files.save_policy` has them, such as `image_size`; of `torch`
        `channels`.

    Returns:
      A function of images (`numpy`, `torch`, `tf_data`), a transform (`torchvision`,
      `albumentations`), or the text (`json`, `python`).

    Raises:
      errors.InputError: an unknown kind or option, a policy that cannot be applied, a
        library that is not installed, the control `noise` in what others have to apply.
    """
    if kind not in KINDS:
        raise errors.nearest(kind, KINDS, "kind of export")
    checked(policy)
    _check_library(kind)
    if options.keys() - OPTIONS.get(kind, set()):
        raise errors.InputError(
            f"the export {kind!r} has the options {sorted(OPTIONS.get(kind, ()))}; found "
            f"{sorted(options)}"
        )
    if kind in BATCHES:
        return BATCHES[kind](policy, seed=seed, **options)
    if kind == "json":
        return _json(policy, path, **options)
    policies = plain(policy)
    if any(op == space.NOISE for _, x in policies for y in x for _, op, _ in y):
        raise errors.InputError(
            f"expected operations of `space.NAMES`; found the control {space.NOISE!r}. "
            "Leave it out and let the rest sum to 1"
        )
    if kind == "python":
        return _python(policies, path)
    library = importlib.import_module(f"{__name__}.for_{kind}")
    if kind == "torchvision":
        return library.Augment(policies)
    return library.compose(policies, seed=seed)


def _check_library(kind: str) -> None:
    """Say what to install."""
    wanted = LIBRARIES.get(kind, kind)
    name = wanted.partition("==")[0]
    if kind in LIBRARIES and importlib.util.find_spec(name) is None:
        raise errors.InputError(
            f"the export {kind!r} needs {name}, which is not installed: pip install "
            f"{wanted!r}"
        )


def _json(policy, path, **options) -> str:
    if "image_size" not in options:
        raise errors.InputError(
            "the export 'json' needs image_size=(height, width), of the images that the "
            "policy is meant for; found none"
        )
    if path is not None:
        files.save_policy(path, policy, **options)
        return pathlib.Path(path).read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        return _json(policy, pathlib.Path(folder) / "policy.json", **options)


def _python(policies: Plain, path) -> str:
    """The source of `standalone` with these policies."""
    source = inspect.getsource(standalone)
    start = source.index("POLICIES = ")
    end = source.index("\n", start)
    literal = pprint.pformat(policies, width=88)
    source = f"{source[:start]}POLICIES = {literal}{source[end:]}"
    if path is not None:
        with checkpoint.atomic(path) as temporary:
            temporary.write_text(source, "utf-8")
    return source
