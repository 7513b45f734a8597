"""Published sets of labelled images."""

import functools
import importlib.resources

import numpy as np
from absl import logging

from iclr22.data import checks, download
from iclr22.data.images import Splits, files, labelled
from iclr22.data.images.simulated import synthetic
from iclr22.data.registry import Dataset, File, Info

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


# The same as Debian's package dataset-fashion-mnist packs them: sha256.
DEBIAN = "/usr/share/datasets", "fashion-mnist"
FASHION_DEBIAN = {
    "train-images-idx3": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}


def load_digits(data_dir: str | None = None) -> Splits:
    """1,797 handwritten digits of the package, x uint8 `[n, 8, 8, 1]`, 0 to 16."""
    del data_dir
    resource = importlib.resources.files("iclr22.data") / "files" / "digits.npz"
    arrays = checks.read_npz(resource)
    return {"train": labelled(arrays["images"], arrays["labels"])}


def load_cifar10(data_dir: str | None = None) -> Splits:
    """CIFAR-10, x uint8 `[n, 32, 32, 3]`; a JPEG-coded copy serves if here alone."""
    path = download.find(CIFAR10, "cifar10", data_dir)
    copy = None if path else download.converted(*CIFAR10_JPEG, data_dir)
    if copy:
        logging.warning("cifar10: read from the JPEG-coded copy %s", copy)
        return files.read_cifar10_jpeg(checks.read_npz(copy))
    return files.read_cifar10(path or download.fetch(CIFAR10, "cifar10", data_dir))


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
    arrays = checks.read_npz(copy)
    order = np.argsort(arrays["labels"], kind="stable").reshape(10, -1).T.ravel()
    train, test = order[:4000], order[4000:]
    return {
        "train": labelled(arrays["images"][train], arrays["labels"][train]),
        "test": labelled(arrays["images"][test], arrays["labels"][test]),
    }


def load_fashion_mnist(data_dir: str | None = None) -> Splits:
    """Fashion-MNIST, x uint8 `[n, 28, 28, 1]`; that of Debian serves if here alone."""
    if not all(download.find(x, "fashion_mnist", data_dir) for x in FASHION_MNIST):
        for root in (data_dir, DEBIAN[0]):
            paths = [
                download.converted(f"{DEBIAN[1]}/{name}-ubyte.gz", sha256, root)
                for name, sha256 in FASHION_DEBIAN.items()
            ]
            if all(paths):
                return _of_idx(paths)
    return _load_idx(FASHION_MNIST, "fashion_mnist", data_dir)


def _load_idx(published, dataset, data_dir):
    return _of_idx(download.fetch(file, dataset, data_dir) for file in published)


def _of_idx(paths):
    arrays = [files.read_idx(path) for path in paths]
    return {"train": labelled(*arrays[:2]), "test": labelled(*arrays[2:])}


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
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            notes="The files of Debian's package dataset-fashion-mnist, where it is "
            f"installed or in {DEBIAN[1]}/ below data_dir, are read instead if the "
            "originals are not there.",
        ),
    ),
}
