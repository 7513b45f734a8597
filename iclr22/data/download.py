"""Finding, checking and downloading the files of data sets.

Everything lies below one folder, `data_dir`: downloads in `<data_dir>/<data set>/`, and
copies that the user brought in any of the places listed in `_copies`. No file is handed
out before its size and checksum agree.
"""

import contextlib
import hashlib
import http.client
import os
import pathlib
import ssl
import time
import urllib.error
import urllib.parse

from absl import logging

from iclr22.data import transfer
from iclr22.data.registry import File
from iclr22.data.transfer import DownloadError

VARIABLE = "ICLR22_DATA"
DEFAULT = "~/.cache/iclr22/data"
ATTEMPTS = 4
BACKOFF = 0.5  # seconds before the second attempt; doubles after each
CHUNK = 1 << 18  # bytes

_TEMPORARY = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


def data_root(data_dir: str | os.PathLike | None = None) -> pathlib.Path:
    """The folder of all data: the argument, else ICLR22_DATA, else a cache at home."""
    return pathlib.Path(data_dir or os.environ.get(VARIABLE) or DEFAULT).expanduser()


def fetch(
    file: File, dataset: str, data_dir: str | os.PathLike | None = None
) -> pathlib.Path:
    """Path of a verified copy of `file`, downloaded if there is none yet.

    Processes may call this at the same time: one downloads, the others wait. A download
    that was cut goes on where it stopped.

    Raises:
      DownloadError: a damaged file, or none to be had; says where to put it by hand.
    """
    found = find(file, dataset, data_dir)
    if found is not None:
        return found
    target = _target(file, dataset, data_dir)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(_lock(target)) as lock:
            if not _cached(file, target):
                part = target.with_name(target.name + ".part")
                _download(file, part)
                os.replace(part, target)
                lock.write(f"downloaded from {file.url}\n")
    except (OSError, http.client.HTTPException, ValueError) as error:
        size = "size unknown" if file.size is None else f"{file.size:,} bytes"
        raise DownloadError(
            f"Could not get {target.name} ({size}) of data set {dataset}: {error}\n"
            f"Address: {file.url}\n"
            f"To do it by hand put the file at {target.absolute()}, or name a folder "
            f"that holds it with --data_dir or the variable {VARIABLE}."
        ) from error
    return target


def find(
    file: File, dataset: str, data_dir: str | os.PathLike | None = None
) -> pathlib.Path | None:
    """Path of a verified copy of `file` that is here already, or None."""
    target = _target(file, dataset, data_dir)
    if _cached(file, target):
        return target
    return _verified(file, _copies(file, dataset, data_root(data_dir)))


def converted(
    path: str, sha256: str, data_dir: str | os.PathLike | None = None
) -> pathlib.Path | None:
    """Path of a file in this project's own format that the user brought, or None.

    Args:
      path: relative path such as `images/mnist5k.npz`; the bare name is tried too.
    """
    root = data_root(data_dir)
    places = [root / path, root / pathlib.PurePosixPath(path).name]
    return _verified(File(url="", sha256=sha256), places)


def mismatch(file: File, path: pathlib.Path) -> str | None:
    """How `path` differs from what `file` promises, or None."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"expected {file.size:,} bytes, found {size:,}"
    if file.sha256:
        kind, expected, digest = "sha256", file.sha256, hashlib.sha256()
    elif file.git_blob:
        kind, expected = "git blob", file.git_blob
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    else:
        return None
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    found = digest.hexdigest()
    return None if found == expected else f"expected {kind} {expected}, found {found}"


def _target(file, dataset, data_dir):
    name = urllib.parse.unquote(urllib.parse.urlsplit(file.url).path.split("/")[-1])
    return data_root(data_dir) / dataset / name


def _lock(target):
    """Lock file beside the target; not empty once the target was downloaded by us."""
    return target.with_name(target.name + ".lock")


def _copies(file, dataset, root):
    """Where the user may have put the file: by name, or as the tail of its address."""
    path = urllib.parse.unquote(urllib.parse.urlsplit(file.url).path)
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    tails = ["/".join(parts[i:]) for i in range(len(parts) - 1, -1, -1)]
    places = [tails[0], f"raw/{dataset}/{tails[0]}", *tails[1:], *file.mirrors]
    return [root / place for place in places]


def _verified(file, paths):
    """The first of the paths that is the file; others of that name are passed over."""
    for path in paths:
        if path.is_file():
            problem = mismatch(file, path)
            if problem is None:
                return path
            logging.warning("not used: %s, %s", path, problem)
    return None


def _cached(file, target):
    """Whether the target is there and whole; a damaged one is an error."""
    if not target.is_file():
        return False
    problem = mismatch(file, target)
    if problem is None:
        return True
    lock = _lock(target)
    if lock.is_file() and lock.stat().st_size:
        target.unlink()
        os.truncate(lock, 0)
        advice = "It was deleted: run again to download it anew."
    else:
        advice = "It was not downloaded by this program: replace or remove it."
    raise DownloadError(f"{target} is damaged: {problem}. {advice}")


@contextlib.contextmanager
def _locked(path):
    """Hold the lock file, waiting for other processes; yields its stream."""
    with open(path, "a") as stream:
        try:
            import fcntl
        except ImportError:  # Windows: one process at a time is up to the user
            yield stream
            return
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logging.info("waiting for the process that holds %s", path)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield stream


def _download(file, part):
    """Fill `part` with the verified file, resuming and retrying."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(BACKOFF * 2 ** (attempt - 1))
        last = attempt == ATTEMPTS - 1
        try:
            resumed = transfer.transfer(file, part)
        except _TEMPORARY as error:
            if last or _permanent(error):
                raise
            logging.info("%s: %s; trying again", file.url, error)
            continue
        problem = mismatch(file, part)
        if problem is None:
            return
        part.unlink()  # a resumed part may be of an older version: once more, whole
        if last or not resumed:
            raise DownloadError(f"what the server sent is not that file: {problem}")


def _permanent(error):
    """Client errors stay, apart from those that ask to come back later."""
    code = getattr(error, "code", None)
    return code is not None and 400 <= code < 500 and code not in (408, 416, 425, 429)
