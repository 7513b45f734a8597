"""Files of published images, and how they are read."""

import gzip
import io
import pathlib
import tarfile

import numpy as np

from iclr22 import errors
from iclr22.data.images import Splits, labelled


def pillow():
    """The modules `PIL.Image` and `PIL.ImageOps`, imported when first needed."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise errors.InputError(
            "Reading image files needs Pillow, which is not installed: "
            "pip install 'iclr22[data]'"
        ) from error
    return Image, ImageOps


def read_idx(path) -> np.ndarray:
    """uint8 array of a gzipped IDX file: two zeros, type 8, rank, sizes, data."""
    with gzip.open(path) as stream:
        data = stream.read()
    shape = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def read_cifar10(path) -> Splits:
    """Records of a label and 32 x 32 pixels, colour planes one after the other."""
    batches = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith(".bin"):
                name = pathlib.PurePosixPath(member.name).stem
                stream = archive.extractfile(member)
                assert stream is not None, member.name  # a plain file
                batches[name] = stream.read()
    train = b"".join(batches[f"data_batch_{i}"] for i in range(1, 6))
    splits = {}
    for split, data in (("train", train), ("test", batches["test_batch"])):
        records = np.frombuffer(data, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        x = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        splits[split] = labelled(x, records[:, 0])
    return splits


def read_cifar10_jpeg(arrays) -> Splits:
    """All images share a JPEG header; the scans lie one after the other."""
    image_open = pillow()[0].open
    header, splits = arrays["jpeg_header"].tobytes(), {}
    for split in ("train", "test"):
        scans, offsets = arrays[f"{split}_scan"].tobytes(), arrays[f"{split}_offset"]
        pixels = b"".join(
            image_open(io.BytesIO(header + scans[a:b] + b"\xff\xd9")).tobytes()
            for a, b in zip(offsets[:-1], offsets[1:], strict=True)
        )
        x = np.frombuffer(pixels, np.uint8).reshape(-1, 32, 32, 3)
        splits[split] = labelled(x, arrays[f"{split}_label"])
    return splits
