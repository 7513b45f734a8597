"""Downloads, from a server on this machine, and files that the user brought."""

import hashlib
import http.server
import os
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest

from iclr22 import data
from iclr22.data import download, transfer

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
        if fault == "silence":
            self.server.pause.wait(10)
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
        length = self.server.length or str(len(content) - start)
        if length != "none":
            self.send_header("Content-Length", length)
        self.end_headers()
        if fault == "drip":
            for byte in range(60):
                self.wfile.write(content[start + byte :][:1])
                self.wfile.flush()
                if self.server.pause.wait(0.02):
                    return
            return
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
    monkeypatch.setattr(transfer, "TIMEOUT", 10.0)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.faults, server.requests = CONTENT, [], []
    server.ranges, server.pause, server.length = True, threading.Event(), ""
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


def test_planetoid_originals_serve_as_a_mirror(shared):
    listed = (shared / "data" / "raw" / "SHA256SUMS").read_text().split()
    sums = dict(zip(listed[1::2], listed[::2], strict=True))
    name = next(name for name in sums if name.endswith("ind.cora.x"))
    file = unreachable(url="http://127.0.0.1:9/data/ind.cora.x", sha256=sums[name])
    path = data.fetch(file._replace(size=22_119), "planetoid", shared / "data")
    assert path == shared / "data" / "raw" / "planetoid" / "ind.cora.x"


def test_server_that_drips_or_keeps_silent_is_left(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "WINDOW", 0.4)
    monkeypatch.setattr(transfer, "ANSWER", 0.4)
    server.faults = ["drip"] * download.ATTEMPTS
    with pytest.raises(data.DownloadError, match="bytes in 0 s, slower than 1,000 per"):
        data.fetch(server.file, "some", tmp_path)
    server.faults = ["silence"] * download.ATTEMPTS
    with pytest.raises(data.DownloadError, match="no answer within 0 s"):
        data.fetch(server.file, "other", tmp_path)
    server.faults = ["drip", "silence"]
    assert data.fetch(server.file, "some", tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("length", ["abc", "-5", "1e6", "\u00b2", ""])
def test_malformed_length_is_not_believed(server, tmp_path, length):
    server.length = length or "none"
    assert data.fetch(server.file, "some", tmp_path).read_bytes() == CONTENT


def test_file_of_unknown_size_has_a_limit_and_is_whole(server, tmp_path, monkeypatch):
    unknown = server.file._replace(size=None, sha256=None)
    server.length = "none"
    with pytest.raises(data.DownloadError, match="nothing tells how long the file is"):
        data.fetch(unknown, "some", tmp_path)
    monkeypatch.setattr(transfer, "LARGEST", 500_000)
    with pytest.raises(data.DownloadError, match="more than 500,000 bytes sent"):
        data.fetch(unknown._replace(sha256=SHA256), "some", tmp_path)
    server.length = ""
    with pytest.raises(data.DownloadError, match="1,000,000 bytes announced; at most"):
        data.fetch(unknown, "other", tmp_path)
    assert not list(tmp_path.glob("*/set.bin*[!k]"))  # nothing but locks
