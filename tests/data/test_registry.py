"""Registry, downloads (from a server on this machine), images and own data."""

import gzip
import hashlib
import http.server
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import threading
import types

import jax
import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data import domains, download, images, registry
from iclr22.data.tracks import files as track_files

ROOT = pathlib.Path(__file__).parents[2]
CONTENT = np.random.default_rng(0).bytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends `server.content`; `server.faults` holds one fault per coming request."""

    def do_GET(self):
        content, start = self.server.content, 0
        wanted = self.headers.get("Range")
        self.server.requests.append(wanted)
        fault = self.server.faults.pop(0) if self.server.faults else None
        if isinstance(fault, int):
            self.send_error(fault)
            return
        if wanted and self.server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            end = f"{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", f"bytes {start}-{end}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        half = (start + len(content)) // 2
        self.wfile.write(content[start:half])
        self.wfile.flush()
        if fault == "cut":
            return
        if fault == "pause":
            self.server.pause.wait(10)
        self.wfile.write(content[half:])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "BACKOFF", 0.001)
    monkeypatch.setattr(download, "TIMEOUT", 10.0)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.faults, server.requests = CONTENT, [], []
    server.ranges, server.pause = True, threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}/some/where/set.bin"
    server.file = data.File(server.url, len(CONTENT), SHA256)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.pause.set()
    server.shutdown()
    thread.join()
    server.server_close()


def unreachable(**changes):
    file = data.File("http://127.0.0.1:9/some/where/set.bin", len(CONTENT), SHA256)
    return file._replace(**changes)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): (
            path.read_bytes(),
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


# Registry


def test_synthetic_of_every_data_set_repeats_and_matches_its_split_names():
    for name in data.names():
        dataset = data.get(name)
        first, second = (
            dataset.synthetic(np.random.default_rng(3), 40) for _ in range(2)
        )
        if isinstance(first, data.DomainData):
            assert len(first.x) == len(first.y) == len(first.domain) == 40, name
        elif isinstance(first, data.Fold):
            assert all(len(part.frame) for part in first), name
        elif not isinstance(first, data.Events):
            assert "train" in getattr(first, "masks", first), name  # a graph, or splits
        assert jax.tree.structure(first) == jax.tree.structure(second), name
        pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one, other, name)
        assert dataset.info.licence and dataset.info.citation, name
        for file in dataset.info.files:
            assert file.url.startswith("http"), name
            checked = file.sha256 or file.git_blob
            read = {domains.DG60_FILE, *map(track_files.FILES.get, track_files.CONTENT)}
            assert checked or file in read, name  # what was read from it is checked


@pytest.mark.parametrize("name", sorted(images.DATASETS))
def test_synthetic_images_are_learnable(name):
    splits = data.get(name).synthetic(np.random.default_rng(0), 200)
    shape = {"digits": (8, 8, 1), "cifar10": (32, 32, 3)}.get(name, (28, 28, 1))
    for split, n in (("train", 200), ("test", 100)):
        if split in splits:
            assert splits[split]["x"].shape == (n, *shape)
            assert splits[split]["x"].dtype == np.uint8
            assert splits[split]["y"].dtype == np.int32
    assert splits["train"]["x"].max() <= (16 if name == "digits" else 255)
    x, y = splits["train"]["x"].reshape(200, -1).astype(float), splits["train"]["y"]
    means = np.stack([x[y == label].mean(axis=0) for label in range(10)])
    guess = ((x[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (guess == y).mean() > 0.9


def test_unknown_name_lists_the_nearest():
    with pytest.raises(errors.InputError, match="'cifar10'"):
        data.get("cifar_10")


def test_name_defined_twice_is_an_error():
    one = types.SimpleNamespace(__name__="one", DATASETS={"a": None})
    two = types.SimpleNamespace(__name__="two", DATASETS={"a": None})
    with pytest.raises(ValueError, match="'a' is defined in one and again in two"):
        registry.merge([one, two])


def test_import_does_not_load_parsers():
    code = (
        "from iclr22 import data; import sys; data.names(); print('PIL' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.split() == ["False"], done.stderr


# Downloads


def test_fetch_downloads_once_and_verifies(server, tmp_path):
    path = data.fetch(server.file, "demo", tmp_path)
    assert path == tmp_path / "demo" / "set.bin"
    assert path.read_bytes() == CONTENT
    assert data.fetch(server.file, "demo", tmp_path) == path
    assert server.requests == [None]
    assert not list(tmp_path.rglob("*.part"))


def test_fetch_takes_a_git_blob_id_of_unknown_size(server, tmp_path):
    blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
    file = data.File(server.url, git_blob=blob)
    assert data.fetch(file, "demo", tmp_path).read_bytes() == CONTENT
    with pytest.raises(data.DownloadError, match="expected git blob 00, found"):
        data.fetch(file._replace(git_blob="00"), "other", tmp_path)


def test_fetch_resumes_after_a_cut(server, tmp_path):
    server.faults = ["cut"]
    assert data.fetch(server.file, "demo", tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=500000-"]


def test_fetch_resumes_in_a_later_run(server, tmp_path):
    server.faults = ["cut", 503, 503, 503]
    with pytest.raises(data.DownloadError, match="503"):
        data.fetch(server.file, "demo", tmp_path)
    assert (tmp_path / "demo" / "set.bin.part").stat().st_size == 500_000
    assert not (tmp_path / "demo" / "set.bin").exists()
    assert data.fetch(server.file, "demo", tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == "bytes=500000-"


@pytest.mark.parametrize("size", [len(CONTENT), None], ids=["size", "no_size"])
@pytest.mark.parametrize(
    "part, ranges, requests",
    [
        (CONTENT[:1000], False, ["bytes=1000-"]),  # the server ignores Range
        (b"older" * 10, True, ["bytes=50-", None]),  # a part of something else
        (CONTENT + b"more", True, None),  # 416, or known to be too long
        (CONTENT, True, None),  # complete, but not yet moved
    ],
)
def test_fetch_copes_with_a_part(server, tmp_path, part, ranges, requests, size):
    server.ranges = ranges
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "set.bin.part").write_bytes(part)
    path = data.fetch(server.file._replace(size=size), "demo", tmp_path)
    assert path.read_bytes() == CONTENT
    assert requests in (None, server.requests)


@pytest.mark.parametrize("fault", [500, 503, 429, 408])
def test_fetch_retries_what_is_temporary(server, tmp_path, fault):
    server.faults = [fault, fault]
    assert data.fetch(server.file, "demo", tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 3


def test_fetch_does_not_retry_what_stays(server, tmp_path):
    server.faults = [404]
    with pytest.raises(data.DownloadError, match="404"):
        data.fetch(server.file, "demo", tmp_path)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"sha256": "ab" * 32}, f"expected sha256 {'ab' * 32}, found {SHA256}"),
        ({"size": 2_000_000}, "expected 2,000,000 bytes, found 1,000,000"),
        ({"size": 1000}, "expected 1,000 bytes, found"),
    ],
)
def test_fetch_refuses_other_content(server, tmp_path, changes, message):
    with pytest.raises(data.DownloadError, match=message):
        data.fetch(server.file._replace(**changes), "demo", tmp_path)
    assert len(server.requests) == 1
    assert [p.name for p in (tmp_path / "demo").iterdir()] == ["set.bin.lock"]


def test_offline_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(download, "BACKOFF", 0.0)
    monkeypatch.setenv("ICLR22_DATA", str(tmp_path))
    with pytest.raises(data.DownloadError) as caught:
        data.fetch(unreachable(), "demo")
    where = str(tmp_path / "demo" / "set.bin")
    for text in ("set.bin (1,000,000 bytes)", "http://127.0.0.1:9/some/where/set.bin"):
        assert text in str(caught.value)
    for text in (where, "data set demo", "--data_dir", "ICLR22_DATA"):
        assert text in str(caught.value)
    pathlib.Path(where).write_bytes(CONTENT)
    assert str(data.fetch(unreachable(), "demo")) == where


def test_damaged_download_is_deleted_and_a_file_of_the_user_is_not(server, tmp_path):
    path = data.fetch(server.file, "demo", tmp_path)
    path.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(
        data.DownloadError, match=f"expected sha256 {SHA256}, found .*del"
    ):
        data.fetch(server.file, "demo", tmp_path)
    assert not path.exists()
    path.write_bytes(b"mine")
    with pytest.raises(data.DownloadError, match="found 4. .* replace or remove it"):
        data.fetch(server.file, "demo", tmp_path)
    assert path.read_bytes() == b"mine"


def test_final_name_never_shows_half_a_file(server, tmp_path):
    server.faults = ["pause"]
    thread = threading.Thread(target=data.fetch, args=(server.file, "demo", tmp_path))
    thread.start()
    part, path = (tmp_path / "demo" / name for name in ("set.bin.part", "set.bin"))
    while not (part.exists() and part.stat().st_size):
        assert thread.is_alive()
    assert not path.exists()
    server.pause.set()
    thread.join()
    assert path.read_bytes() == CONTENT and not part.exists()


def test_several_processes_download_once(server, tmp_path):
    code = (
        "import sys; from iclr22 import data; "
        "print(data.fetch(data.File(sys.argv[1], int(sys.argv[2]), sys.argv[3]),"
        " 'demo', sys.argv[4]).stat().st_size)"
    )
    server.faults = ["pause"]
    arguments = [sys.executable, "-c", code, *map(str, server.file[:3]), str(tmp_path)]
    processes = [
        subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(3)
    ]
    threading.Timer(2.0, server.pause.set).start()
    assert [int(p.communicate(timeout=30)[0]) for p in processes] == [len(CONTENT)] * 3
    assert server.requests == [None]


MIRRORS = [
    "set.bin",
    "raw/demo/set.bin",
    "where/set.bin",
    "some/where/set.bin",
    "own/copy",
]


@pytest.mark.parametrize("place", MIRRORS)
def test_mirror_is_used_and_left_alone(tmp_path, place):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    before = contents(tmp_path)
    file = unreachable(mirrors=("own/copy",))
    assert data.fetch(file, "demo", tmp_path) == path
    assert contents(tmp_path) == before
    path.parent.chmod(0o755)


def test_mirror_with_other_content_is_passed_over(server, tmp_path):
    (tmp_path / "set.bin").write_bytes(CONTENT[::-1])
    path = data.fetch(server.file, "demo", tmp_path)
    assert path == tmp_path / "demo" / "set.bin" and path.read_bytes() == CONTENT
    assert (tmp_path / "set.bin").read_bytes() == CONTENT[::-1]


def test_converted_is_found_by_path_and_by_name_and_checked(tmp_path):
    arguments = "images/set.npz", SHA256, tmp_path
    assert data.converted(*arguments) is None
    (tmp_path / "set.npz").write_bytes(CONTENT)
    assert data.converted(*arguments) == tmp_path / "set.npz"
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "set.npz").write_bytes(b"other")
    assert data.converted(*arguments) == tmp_path / "set.npz"
    (tmp_path / "images" / "set.npz").write_bytes(CONTENT)
    assert data.converted(*arguments) == tmp_path / "images" / "set.npz"


def test_unwritable_folder_is_one_clear_error(tmp_path):
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write to a read-only folder")
    with pytest.raises(
        data.DownloadError, match="Permission denied.*\n.*\n.*--data_dir"
    ):
        data.fetch(unreachable(), "demo", tmp_path)
    tmp_path.chmod(0o755)


# Images


def test_digits_counts():
    train = data.get("digits").load(None)["train"]
    assert train["x"].shape == (1797, 8, 8, 1) and train["x"].dtype == np.uint8
    assert train["x"].max() == 16 and train["x"].flags.writeable
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(train["y"]).tolist() == counts


def test_canonical_cifar10_is_read_without_extracting(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, (6, 4), dtype=np.uint8)
    pixels = rng.integers(0, 256, (6, 4, 32, 32, 3), dtype=np.uint8)
    names = ["test_batch", *(f"data_batch_{i}" for i in range(5, 0, -1)), "readme"]
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz") as archive:
        for name, y, x in zip(names, labels, pixels, strict=False):
            planes = x.transpose(0, 3, 1, 2).reshape(4, -1)
            record = np.concatenate([y[:, None], planes], axis=1).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(record)
            archive.addfile(member, io.BytesIO(record))
    splits = images._cifar10_binary(tmp_path / "c.tar.gz")
    np.testing.assert_array_equal(splits["test"]["x"], pixels[0])
    np.testing.assert_array_equal(
        splits["train"]["x"], pixels[:0:-1].reshape(-1, 32, 32, 3)
    )
    np.testing.assert_array_equal(splits["train"]["y"], labels[:0:-1].ravel())
    assert splits["train"]["y"].dtype == np.int32


def test_canonical_mnist_is_read_from_a_mirror(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 256, shape, dtype=np.uint8)
        for shape in ((7, 28, 28), (7,), (3, 28, 28), (3,))
    ]
    files = []
    for file, array in zip(images.MNIST, arrays, strict=True):
        sizes = np.array(array.shape, ">i4").tobytes()
        idx = gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())
        (tmp_path / file.url.rpartition("/")[2]).write_bytes(idx)
        files.append(data.File(file.url, len(idx), hashlib.sha256(idx).hexdigest()))
    monkeypatch.setattr(images, "MNIST", tuple(files))
    splits = images.load_mnist(tmp_path)
    np.testing.assert_array_equal(splits["train"]["x"][..., 0], arrays[0])
    np.testing.assert_array_equal(splits["test"]["y"], arrays[3])


def test_mnist_extract_is_stratified(shared):
    splits = data.get("mnist").load(shared / "data")
    for split, count in (("train", 400), ("test", 100)):
        assert splits[split]["x"].shape == (10 * count, 28, 28, 1)
        assert np.bincount(splits[split]["y"]).tolist() == [count] * 10
    assert sorted(splits["train"]["y"][:10]) == list(range(10))


def test_cifar10_copy_begins_as_known(shared):
    pytest.importorskip("PIL")
    copy = data.converted(*images.CIFAR10_JPEG, shared / "data")
    arrays = images.read_npz(copy)
    assert tuple(arrays["class_names"]) == data.get("cifar10").info.class_names
    assert np.bincount(arrays["train_label"]).tolist() == [5000] * 10
    for split in ("train", "test"):
        arrays[f"{split}_offset"] = arrays[f"{split}_offset"][:1001]
        arrays[f"{split}_label"] = arrays[f"{split}_label"][:1000]
    train = images._cifar10_jpeg(arrays)["train"]
    mean = train["x"].mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(mean, [0.491, 0.482, 0.447], atol=0.02)


@pytest.mark.slow
def test_cifar10_copy_counts_and_mean(shared):
    pytest.importorskip("PIL")
    splits = data.get("cifar10").load(shared / "data")
    assert splits["train"]["x"].shape == (50_000, 32, 32, 3)
    assert splits["test"]["x"].shape == (10_000, 32, 32, 3)
    assert np.bincount(splits["test"]["y"]).tolist() == [1000] * 10
    mean = splits["train"]["x"].mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(mean, [0.49125, 0.48209, 0.44652], atol=1e-5)


def test_planetoid_originals_serve_as_a_mirror(shared):
    listed = (shared / "data" / "raw" / "SHA256SUMS").read_text().split()
    sums = dict(zip(listed[1::2], listed[::2], strict=True))
    name = next(name for name in sums if name.endswith("ind.cora.x"))
    file = unreachable(url="http://127.0.0.1:9/data/ind.cora.x", sha256=sums[name])
    path = data.fetch(file._replace(size=22_119), "planetoid", shared / "data")
    assert path == shared / "data" / "raw" / "planetoid" / "ind.cora.x"


def test_missing_pillow_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(errors.InputError, match=r"pip install 'iclr22\[data\]'"):
        images.pillow()


# The user's own data


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "own.npz", **arrays)
    return tmp_path / "own.npz"


X, Y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 1, 2])


def test_own_arrays_come_back(tmp_path):
    path = saved(tmp_path, x=X, y=Y, x_test=X[:2], y_test=Y[:2], names=[*"abcd"])
    splits, class_names = data.from_file(path)
    np.testing.assert_array_equal(splits["train"]["x"], X)
    assert splits["train"]["y"].dtype == np.int32
    assert splits["train"]["names"].tolist() == [*"abcd"]
    assert splits["test"]["names"].tolist() == ["0", "1"]
    assert class_names == ("0", "1", "2")


@pytest.mark.parametrize("kind", [float, np.uint8, bool])
def test_own_labels_may_be_any_whole_numbers(tmp_path, kind):
    splits, class_names = data.from_file(saved(tmp_path, x=X, y=(Y > 0).astype(kind)))
    assert splits["train"]["y"].tolist() == [0, 1, 1, 1] and class_names == ("0", "1")


@pytest.mark.parametrize("kind", ["U", "S"])
def test_own_labels_may_be_strings(tmp_path, kind):
    y = np.array(["dog", "cat", "dog", "ant"]).astype(kind)
    splits, class_names = data.from_file(saved(tmp_path, z=X, y=y, z_test=X, y_test=y))
    assert class_names == ("ant", "cat", "dog")
    assert splits["train"]["y"].tolist() == splits["test"]["y"].tolist() == [2, 1, 2, 0]
    splits, class_names = data.from_file(
        saved(tmp_path, z=X, y=y, class_names=["dog", "cat", "ant"], flipped=Y > 0)
    )
    assert splits["train"]["y"].tolist() == [0, 1, 0, 2]
    assert splits["train"]["flipped"].tolist() == [False, True, True, True]
    assert "x" not in splits["train"] and class_names == ("dog", "cat", "ant")


WRONG = [
    ({"x": X}, "expected the array y and x .* found x"),
    ({"y": Y}, "expected the array y and x .* found y"),
    ({"x": X, "y": Y[:3]}, r"same n; found x \(4, 3\), y \(3,\)"),
    ({"x": X, "y": Y[:, None]}, r"y \(4, 1\)"),
    ({"x": X, "y": np.array(1)}, r"y \(\)"),
    ({"z": X[:, 0], "y": Y}, r"z \[n, features\] .* found z \(4,\)"),
    ({"x": X, "y": Y, "names": ["a"]}, r"found names \(1,\)"),
    ({"x": X, "y": Y, "flipped": Y}, "flipped of type bool; found int64"),
    (
        {"x": np.where(X % 3 == 2, np.inf, X), "y": Y},
        "infinity in 4 examples, first in number 0",
    ),
    ({"x": X, "z": np.where(X == 5, np.nan, X), "y": Y}, "z of train.*NaN.* number 1"),
    ({"x": X.astype(str), "y": Y}, "real numbers; found <U"),
    ({"x": X, "y": Y - 1}, "whole numbers from 0 to at most 3; found -1 in place 0"),
    ({"x": X, "y": Y / 2}, "whole numbers .* found 0.5 in place 1"),
    ({"x": X, "y": Y * np.nan}, "whole numbers .* found nan"),
    ({"x": X, "y": Y + 100}, "found 100 in place 0. Number the classes from 0"),
    ({"x": X, "y": Y * 1j}, "whole numbers .* found type complex128"),
    ({"x": X, "y": Y, "class_names": ["a", "b"]}, "at most 1; found 2 in place 3"),
    ({"x": X, "y": [*"abca"], "class_names": [*"ab"]}, "among class_names.* also c"),
    ({"x": X, "y": Y * 0}, "at least two classes in y, to train; found 1"),
    ({"x": X[:0], "y": Y[:0]}, "at least two classes in y, to train; found 0"),
    ({"x": X, "y": Y, "x_test": X}, "expected the array y_test and x_test"),
    ({"x": X, "y": Y, "x_test": X[:, 1:], "y_test": Y}, "same shapes per example"),
    ({"x": X, "y": Y, "z_test": X, "y_test": Y}, "same shapes per example"),
    ({"x": X, "y": Y, "x_test": X, "y_test": [*"abca"]}, "both as numbers or both"),
]


@pytest.mark.parametrize("arrays, message", WRONG)
def test_own_arrays_with_an_error_are_refused(tmp_path, arrays, message):
    with pytest.raises(errors.InputError, match=message):
        data.from_file(saved(tmp_path, **arrays))


class Trap:
    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)


def test_pickles_are_never_executed(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    trap = np.array([Trap()], dtype=object)
    with pytest.raises(errors.InputError, match="'x': .* without Python objects"):
        data.from_file(saved(tmp_path, x=trap, y=Y))
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    os.replace(tmp_path / "a.npy", tmp_path / "own.npz")
    with pytest.raises(errors.InputError, match="without Python objects"):
        data.from_file(tmp_path / "own.npz")
    (tmp_path / "own.npz").write_bytes(trap.dumps())
    with pytest.raises(errors.InputError, match="without Python objects"):
        data.from_file(tmp_path / "own.npz")
    assert not (tmp_path / "sprung").exists()


def test_own_file_that_is_missing_damaged_or_of_another_kind(tmp_path):
    with pytest.raises(errors.InputError, match="found nothing there"):
        data.from_file(tmp_path / "no.npz")
    (tmp_path / "own.csv").write_text("1,2")
    with pytest.raises(errors.InputError, match="found another kind of file"):
        data.from_file(tmp_path / "own.csv")
    whole = saved(tmp_path, x=X, y=Y).read_bytes()
    for broken in (b"", b"text", whole[:100], whole[:200] + b"????" + whole[204:]):
        (tmp_path / "own.npz").write_bytes(broken)
        with pytest.raises(errors.InputError, match="expected an .npz file"):
            data.from_file(tmp_path / "own.npz")
    np.save(tmp_path / "own.npy", X)
    os.replace(tmp_path / "own.npy", tmp_path / "own.npz")
    with pytest.raises(errors.InputError, match="expected an .npz file"):
        data.from_file(tmp_path / "own.npz")


def picture(path, colour, mode="RGB", size=(40, 20)):
    image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.new("RGB", size, colour).convert(mode).save(path)


def test_image_folder_with_train_and_test(tmp_path):
    for split, n in (("train", 2), ("test", 1)):
        for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200))):
            for i, suffix in enumerate((".png", ".JPG")[:n]):
                picture(tmp_path / split / name / f"{i}{suffix}", colour)
    (tmp_path / ".cache").mkdir()
    splits, class_names = data.from_file(tmp_path, image_size=16)
    assert class_names == ("blue", "red")
    assert splits["train"]["x"].shape == (4, 16, 16, 3)
    assert splits["train"]["x"].dtype == np.uint8
    assert splits["train"]["y"].tolist() == [0, 0, 1, 1]
    assert splits["test"]["names"].tolist() == ["test/blue/0.png", "test/red/0.png"]
    np.testing.assert_array_equal(splits["test"]["x"][1, 3, 5], [200, 0, 0])


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_image_folder_without_splits_gives_rgb(tmp_path, mode):
    for name in ("a", "train"):  # a class may be called train
        picture(
            tmp_path / name / ("x.jpg" if mode == "CMYK" else "x.png"), "white", mode
        )
    splits, class_names = data.from_file(tmp_path)
    assert splits.keys() == {"train"} and class_names == ("a", "train")
    assert splits["train"]["x"].shape == (2, 32, 32, 3)
    assert splits["train"]["x"].min() > 250


def test_image_folder_errors(tmp_path):
    with pytest.raises(errors.InputError, match="at least two folders .* found none"):
        data.from_file(tmp_path)
    picture(tmp_path / "a" / "1.png", "red")
    with pytest.raises(errors.InputError, match="at least two folders .* found a"):
        data.from_file(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(errors.InputError, match="of the class b; found none"):
        data.from_file(tmp_path)
    (tmp_path / "b" / "2.png").write_bytes(b"not an image")
    whole = (tmp_path / "a" / "1.png").read_bytes()
    (tmp_path / "b" / "3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(errors.InputError, match=r"2 that are not: .*2\.png.*3\.png"):
        data.from_file(tmp_path)
    with pytest.raises(errors.InputError, match="image_size of 1 or more, found 0"):
        data.from_file(tmp_path, image_size=0)


def test_image_folder_with_a_class_in_test_only(tmp_path):
    for place in ("train/a", "train/b", "test/a", "test/c"):
        picture(tmp_path / place / "1.png", "red")
    with pytest.raises(errors.InputError, match="only classes of train.* only c"):
        data.from_file(tmp_path)
