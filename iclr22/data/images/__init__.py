"""Published sets of labelled images."""

import functools
import gzip
import importlib.resources
import io
import pathlib
import tarfile
import zipfile
import zlib

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import download
from iclr22.data.registry import Dataset, File, Info, Splits

DIGITS = tuple("0123456789")
CIFAR10 = File(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
# Extracts in this project's own format: path below data_dir, sha256.
CIFAR10_JPEG = (
    "images/cifar10_jpeg.npz",
    "25d7f7a9b9224b1a486677f6eea019eae16d361dd10dab0761dbe5dfdaa41beb",
)
MNIST5K = (
    "images/mnist5k.npz",
    "246e0c30eeea57c8d0037d3f38c8e00651ec204cc61b8022563e9aeeb9d756f4",
)


def _idx_files(address, *sizes_and_hashes):
    kinds = "images-idx3", "labels-idx1"
    names = [f"{part}-{kind}" for part in ("train", "t10k") for kind in kinds]
    return tuple(
        File(f"{address}/{name}-ubyte.gz", size, sha256)
        for name, (size, sha256) in zip(names, sizes_and_hashes, strict=True)
    )


MNIST = _idx_files(
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)
FASHION_MNIST = _idx_files(
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)


def load_digits(data_dir: str | None = None) -> Splits:
    """1,797 handwritten digits of the package, x uint8 `[n, 8, 8, 1]`, 0 to 16."""
    del data_dir
    resource = importlib.resources.files("iclr22.data") / "files" / "digits.npz"
    arrays = read_npz(resource)
    return {"train": _split(arrays["images"], arrays["labels"])}


def load_cifar10(data_dir: str | None = None) -> Splits:
    """CIFAR-10, x uint8 `[n, 32, 32, 3]`; a JPEG-coded copy serves if here alone."""
    path = download.find(CIFAR10, "cifar10", data_dir)
    copy = None if path else download.converted(*CIFAR10_JPEG, data_dir)
    if copy:
        logging.warning("cifar10: read from the JPEG-coded copy %s", copy)
        return _cifar10_jpeg(read_npz(copy))
    return _cifar10_binary(path or download.fetch(CIFAR10, "cifar10", data_dir))


def load_mnist(data_dir: str | None = None) -> Splits:
    """MNIST, x uint8 `[n, 28, 28, 1]`; an extract of 5,000 serves if here alone.

    The extract is split by class: of the 500 images of a digit, in file order, the
    first 400 are for training, 100 for test. Classes alternate: prefixes are balanced.
    """
    whole = all(download.find(file, "mnist", data_dir) for file in MNIST)
    copy = None if whole else download.converted(*MNIST5K, data_dir)
    if copy is None:
        return _load_idx(MNIST, "mnist", data_dir)
    logging.warning("mnist: only the extract of 5,000 images is here, %s", copy)
    arrays = read_npz(copy)
    order = np.argsort(arrays["labels"], kind="stable").reshape(10, -1).T.ravel()
    train, test = order[:4000], order[4000:]
    return {
        "train": _split(arrays["images"][train], arrays["labels"][train]),
        "test": _split(arrays["images"][test], arrays["labels"][test]),
    }


def load_fashion_mnist(data_dir: str | None = None) -> Splits:
    """Fashion-MNIST, x uint8 `[n, 28, 28, 1]`."""
    return _load_idx(FASHION_MNIST, "fashion_mnist", data_dir)


def synthetic(rng, size, *, shape, top=255, splits=("train", "test")) -> Splits:
    """Ten classes, each a random pattern of 4 by 4 blocks, plus noise.

    Args:
      rng: `np.random.Generator`.
      size: training examples; half as many for test.
      shape: (height, width, channels), both sides divisible by four.
      top: largest pixel value.
    """
    height, width, channels = shape
    blocks = rng.uniform(0.2, 0.8, (len(DIGITS), 4, 4, channels))
    means = blocks.repeat(height // 4, axis=1).repeat(width // 4, axis=2)
    result = {}
    for split in splits:
        n = size if split == "train" else max(1, size // 2)
        y = rng.permutation(np.arange(n) % len(DIGITS))
        x = means[y] + 0.1 * rng.standard_normal((n, *shape))
        result[split] = _split(np.rint(top * x.clip(0, 1)).astype(np.uint8), y)
    return result


def read_npz(path) -> dict[str, np.ndarray]:
    """All arrays of an `.npz` (path or resource); pickled objects are refused."""
    broken = (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
    key = None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {}
            for key in archive.files:
                arrays[key] = np.asarray(archive[key])
            return arrays
    except broken as error:
        where = path if key is None else f"{path}, array {key!r}"
        raise errors.InputError(
            f"{where}: expected an .npz file of plain arrays as np.savez writes it, "
            f"without Python objects; found: {error}"
        ) from error


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


def _split(x, y):
    """uint8 images `[n, h, w]` or `[n, h, w, c]` and labels as one split."""
    x = x[..., None] if x.ndim == 3 else x
    return {"x": np.array(x, order="C"), "y": y.astype(np.int32)}


def _load_idx(files, dataset, data_dir):
    arrays = [_read_idx(download.fetch(file, dataset, data_dir)) for file in files]
    return {"train": _split(*arrays[:2]), "test": _split(*arrays[2:])}


def _read_idx(path):
    """uint8 array of a gzipped IDX file: two zeros, type 8, rank, sizes, data."""
    with gzip.open(path) as stream:
        data = stream.read()
    shape = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def _cifar10_binary(path):
    """Records of a label and 32 x 32 pixels, colour planes one after the other."""
    batches = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith(".bin"):
                name = pathlib.PurePosixPath(member.name).stem
                batches[name] = archive.extractfile(member).read()
    train = b"".join(batches[f"data_batch_{i}"] for i in range(1, 6))
    splits = {}
    for split, data in (("train", train), ("test", batches["test_batch"])):
        records = np.frombuffer(data, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        x = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        splits[split] = _split(x, records[:, 0])
    return splits


def _cifar10_jpeg(arrays):
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
        splits[split] = _split(x, arrays[f"{split}_label"])
    return splits


DATASETS = {
    "digits": Dataset(
        load_digits,
        functools.partial(synthetic, shape=(8, 8, 1), top=16, splits=("train",)),
        Info(
            "1,797 handwritten digits of 8 x 8 pixels; comes with the package",
            files=(),
            licence="CC BY 4.0",
            citation="E. Alpaydin and C. Kaynak (1998). Optical Recognition of "
            "Handwritten Digits. UCI Machine Learning Repository, 10.24432/C50P49.",
            class_names=DIGITS,
            notes="Pixels are 0 to 16. One split: experiments divide it by seed.",
        ),
    ),
    "cifar10": Dataset(
        load_cifar10,
        functools.partial(synthetic, shape=(32, 32, 3)),
        Info(
            "60,000 colour photographs of 32 x 32 pixels, ten classes",
            files=(CIFAR10,),
            licence="none stated; research use",
            citation="A. Krizhevsky (2009). Learning Multiple Layers of Features from "
            "Tiny Images. Technical report, University of Toronto.",
            class_names=tuple(
                "airplane automobile bird cat deer dog frog horse ship truck".split()
            ),
            notes=f"A JPEG-coded copy {CIFAR10_JPEG[0]} below data_dir is read instead "
            "if the original is not there (pixel mean within 0.0008, lossy).",
        ),
    ),
    "mnist": Dataset(
        load_mnist,
        functools.partial(synthetic, shape=(28, 28, 1)),
        Info(
            "70,000 handwritten digits of 28 x 28 pixels",
            files=MNIST,
            licence="CC BY-SA 3.0 as commonly given",
            citation="Y. LeCun, L. Bottou, Y. Bengio and P. Haffner (1998). Gradient-"
            "based learning applied to document recognition. Proc. IEEE 86(11).",
            class_names=DIGITS,
            notes=f"An extract {MNIST5K[0]} below data_dir, 500 images per class, is "
            "read instead if the original is not there: 4,000 train, 1,000 test.",
        ),
    ),
    "fashion_mnist": Dataset(
        load_fashion_mnist,
        functools.partial(synthetic, shape=(28, 28, 1)),
        Info(
            "70,000 pictures of clothing of 28 x 28 pixels, ten classes",
            files=FASHION_MNIST,
            licence="MIT",
            citation="H. Xiao, K. Rasul and R. Vollgraf (2017). Fashion-MNIST: a Novel "
            "Image Dataset for Benchmarking Machine Learning. arXiv:1708.07747.",
            class_names=(
                *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
                *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
            ),
        ),
    ),
}
