"""Fashion-MNIST as Debian packs it."""

import gzip
import hashlib
import struct

import numpy as np

from iclr22 import data
from iclr22.data.images import published


def test_debians_copy_is_read_where_the_original_is_not(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    parts, known = {}, {}
    (tmp_path / published.DEBIAN[1]).mkdir()
    for name in published.FASHION_DEBIAN:
        count = 5 if name.startswith("train") else 3
        shape = (count, 28, 28) if "images" in name else (count,)
        parts[name] = random.integers(0, 10, shape).astype(np.uint8)
        head = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}i", *shape)
        packed = gzip.compress(head + parts[name].tobytes())
        (tmp_path / published.DEBIAN[1] / f"{name}-ubyte.gz").write_bytes(packed)
        known[name] = hashlib.sha256(packed).hexdigest()
    monkeypatch.setattr(published, "FASHION_DEBIAN", known)
    found = data.get("fashion_mnist").load(str(tmp_path))
    np.testing.assert_array_equal(
        found["train"]["x"][..., 0], parts["train-images-idx3"]
    )
    np.testing.assert_array_equal(found["test"]["y"], parts["t10k-labels-idx1"])
