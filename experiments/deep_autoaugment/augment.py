"""Augmented images as files: `--task=augment --images=folder/ --policy=policy.json`.

    written = augment.write("images/", policy, "augmented/", copies=4, seed=0)

Images keep their size, folders of classes their names. The pixels are those of
`apply_policy`; what is drawn for an image follows from its path below the folder, the number
of the copy and the seed alone, so that the same call writes the same files, and images that
are added later change no others.
"""

import os
import pathlib
import zlib
from collections.abc import Iterator, Sequence
from concurrent import futures
from typing import NamedTuple

import jax
import numpy as np

from experiments import run as runner
from experiments.deep_autoaugment import kept, sources
from experiments.deep_autoaugment.sources import Source
from iclr22 import checkpoint, errors, progress, record
from iclr22.data.images.files import pillow
from iclr22.deep_autoaugment import figures, files, tables
from iclr22.deep_autoaugment import policy as policies
from iclr22.deep_autoaugment.exports import replay, standalone
from iclr22.deep_autoaugment.policy import Mixture, Policy

MANIFEST, UNREADABLE = "manifest.csv", "unreadable.csv"
ROWS, COLUMNS, SIDE = 8, 8, 64  # of the contact sheet: images, draws, pixels
LONGEST = 24  # characters of a name there
CHUNK = 512  # images in work at a time, at most, with their copies
PIXELS = 1 << 25  # of them, at most, unless a single one is larger


class Written(NamedTuple):
    """What was written."""

    sources: int  # images that were read
    files: int
    unreadable: tuple[str, ...]  # files that were left out, with the reason
    transparent: int  # images with transparent parts, drawn on white
    first: tuple[Source, ...]  # some of the images


def study(run: runner.Run) -> None:
    """`write` as a task of the experiment, and a contact sheet of the first images."""
    options = run.options
    policy = files.load_policy(kept.path_of(options.policy))
    folder = run.output("augmented")
    written = write(
        options.images,
        policy,
        folder,
        copies=options.draws,
        seed=options.seed,
        skip_unreadable=options.skip_unreadable,
    )
    rows = [
        (
            "policy of a file",
            "",
            options.seed,
            "augment/files",
            float(written.files),
            "",
        )
    ]
    run.cell("augment", lambda: {"rows": rows})
    run.facts["images"] = written.sources
    run.summary = (
        f"{written.files:,} images of {written.sources:,}, {options.draws} of each, in "
        f"{folder.name}; {MANIFEST} there says what was done to each."
    )
    if written.unreadable:
        run.summary += f" Left out: {len(written.unreadable)}, see {UNREADABLE}."
    if written.transparent:
        run.summary += f" {written.transparent} had transparent parts, drawn on white."
    _sheet(run, folder, written.first)


def check(options) -> None:
    """Refuse what would fail.

    Raises:
      errors.InputError: no images, no policy or a wrong one, no draws.
    """
    for name, what in (("images", "folder/ or images.npz"), ("policy", "policy.json")):
        path = getattr(options, name)
        if not path:
            raise errors.InputError(f"--task=augment needs --{name}={what}; found none")
        path = kept.path_of(path) if name == "policy" else path
        if not pathlib.Path(path).expanduser().exists():
            raise errors.InputError(f"--{name}: no such file or folder: {path}")
    files.load_policy(kept.path_of(options.policy))
    if options.draws < 1:
        raise errors.InputError(f"expected --draws of 1 or more; found {options.draws}")


def _sheet(run: runner.Run, folder: pathlib.Path, first: Sequence[Source]) -> None:
    """The first images and what became of them, as thumbnails."""
    image, copies = pillow()[0], run.options.draws

    def thumbnail(opened):
        small = opened.convert("RGB").resize((SIDE, SIDE), image.Resampling.BOX)
        return np.asarray(small)

    drawn = []
    for source in first:
        names = [_name(source, copy, copies) for copy in range(min(copies, COLUMNS))]
        drawn.append([thumbnail(image.open(folder / name)) for name in names])
    path = run.figure("contact_sheet", "The first images, and draws of the policy.")
    originals = np.stack([thumbnail(sources.read(x)) for x in first])
    names = [x.stem[-LONGEST:] for x in first]
    figures.contact_sheet(path, originals, np.asarray(drawn), names)


def _name(source: Source, copy: int, copies: int) -> str:
    return f"{source.stem}-{copy:0{max(2, len(str(copies - 1)))}}.png"


def write(
    images,
    policy: Policy | Mixture,
    output,
    *,
    copies: int = 1,
    seed: int = 0,
    skip_unreadable: bool = False,
) -> Written:
    """Write `<output>/<folders>/<name>-00.png` for each image and copy, and `manifest.csv`
    with what was done to each (file, source, copy, operations with their values).

    Args:
      images: a folder, with folders in it or not, of images (grey or RGB, of any sizes), or
        an `.npz` with `x` uint8 `[n, h, w]`, `[n, h, w, c]` or `[n, c, h, w]`. Transparent
        parts are drawn on white, which is told.
      output: a folder, not within `images`.
      copies: of each image.
      skip_unreadable: leave out files that cannot be read and list them in
        `unreadable.csv`, instead of refusing all.

    Raises:
      errors.InputError: no images, files that are not readable (all are looked at before
        anything is written), images that are too small for an operation, no copies.
    """
    if copies < 1:
        raise errors.InputError(f"copies: expected 1 or more; found {copies}")
    images, output = (
        pathlib.Path(images).expanduser(),
        pathlib.Path(output).expanduser(),
    )
    if images.is_dir():
        if output.resolve().is_relative_to(images.resolve()):
            raise errors.InputError(
                f"{output}: expected a folder outside of {images}, or the next call would "
                "read what this one wrote"
            )
        found = sources.in_folder(images, skip_unreadable)
    else:
        found = sources.in_array(images)
    _check_sizes(policy, found.sources)
    rows = _written(found.sources, policy, output, copies, seed)
    header = ("file", "source", "copy", "operations")
    record.write_csv(output / MANIFEST, header, rows)
    if found.unreadable:
        cells = [x.split(": ", 1) for x in found.unreadable]
        record.write_csv(output / UNREADABLE, ("file", "why"), cells)
    count, first = len(found.sources), tuple(found.sources[:ROWS])
    return Written(
        count, count * copies, tuple(found.unreadable), found.transparent, first
    )


def _check_sizes(policy, found: Sequence[Source]) -> None:
    """All operations can be applied to images of these sizes."""
    transformations = policies.compiled(policy).transformations
    for width, height in {source.size for source in found}:
        try:
            tables.of(
                transformations, min(height, tables.LARGEST), min(width, tables.LARGEST)
            )
        except errors.InputError as error:
            name = next(x.name for x in found if x.size == (width, height))
            raise errors.InputError(f"{name}: {error}") from None


def _written(found, policy, output, copies: int, seed: int) -> Iterator[tuple]:
    """Write the files, chunk after chunk; yields the rows of the manifest."""
    base, done = jax.random.key(seed), 0
    bar = progress.Bar(len(found), "images")
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in _chunks(found, copies):
            pairs = [(source, copy) for source in chunk for copy in range(copies)]
            marks = [(zlib.crc32(os.fsencode(x.name)), copy) for x, copy in pairs]
            keys = _keys(base, np.asarray(marks, np.uint32))
            steps = replay.steps(policy, keys, [source.size for source, _ in pairs])
            names = [_name(x, copy, copies) for x, copy in pairs]
            images = list(pool.map(sources.read, chunk))

            def save(i, images=images, steps=steps, names=names):
                image = standalone.apply(images[i // copies], steps[i])
                path = output / names[i]
                path.parent.mkdir(parents=True, exist_ok=True)
                with checkpoint.writing(path):
                    image.save(path, "PNG")

            for _ in pool.map(save, range(len(pairs))):
                pass
            for (source, copy), name, done_to in zip(pairs, names, steps, strict=True):
                yield name, source.name, copy, told(done_to)
            done += len(chunk)
            bar.update(done)
    bar.close()


def _chunks(found: Sequence[Source], copies: int) -> Iterator[list[Source]]:
    """So many images, and pixels, as are in memory at a time."""
    chunk: list[Source] = []
    pixels = 0
    for source in found:
        size = source.size[0] * source.size[1]
        if chunk and (pixels + size > PIXELS or (len(chunk) + 1) * copies > CHUNK):
            yield chunk
            chunk, pixels = [], 0
        chunk.append(source)
        pixels += size
    yield chunk


def _keys(base, marks: np.ndarray):
    """A key for each image and copy `[m, 2]`."""
    return _fold(base, marks[replay.padded(len(marks))])[: len(marks)]


@jax.jit
def _fold(base, marks):
    def fold(mark):
        return jax.random.fold_in(jax.random.fold_in(base, mark[0]), mark[1])

    return jax.vmap(fold)(marks)


def told(steps: Sequence[replay.Step]) -> str:
    """Steps in words, such as `translate_x 0.45; cutout 16 at 25 0 39 9; flip: no`."""
    words = []
    for op, value, where in steps:
        text = op
        if isinstance(where, bool):
            text += ": yes" if where else ": no"
        elif value:
            text += f" {value:.6g}"
        if isinstance(where, tuple):
            text += f" at {' '.join(map(str, where))}"
        words.append(text)
    return "; ".join(words)
