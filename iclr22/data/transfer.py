"""One request for a file: resumed where it was cut, bounded in time and size."""

import os
import sys
import threading
import time
import urllib.error
import urllib.request

from absl import logging

TIMEOUT = 30.0  # seconds without a byte
ANSWER = 60.0  # seconds until the server has sent its header
WINDOW = 60.0  # seconds over which speed is taken
SLOWEST = 1000.0  # bytes per second of a window
LARGEST = 8 << 30  # bytes of a file whose size is not known
CHUNK = 1 << 18  # bytes
REPORT = 16 << 20  # bytes between two lines of progress


class DownloadError(OSError):
    """A file that is neither here nor could be downloaded."""


def transfer(file, part) -> bool:
    """One request, the result appended to `part`; True if an older part was used.

    Args:
      file: a `registry.File`.
      part: path of what is there of it, or will be.

    Raises:
      DownloadError: a file that is too large, or of which nothing tells that it is whole.
      OSError: what the network makes of it; a server slower than SLOWEST is left.
    """
    start = part.stat().st_size if part.exists() else 0
    if start and start == file.size:
        return True
    if file.size is not None and start > file.size:
        part.unlink()
        start = 0
    headers = {"User-Agent": "iclr22"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(file.url, headers=headers)
    try:
        with _open(request) as response:
            resumed = start > 0 and response.status == 206
            _copy(response, part, start if resumed else 0, file)
    except DownloadError:  # what is there is of no use
        part.unlink(missing_ok=True)
        raise
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # the part does not fit what the server has now
            part.unlink(missing_ok=True)
        raise
    return resumed


def _open(request):
    """The response to a request; a server that never ends its header is left."""
    found = []

    def ask():
        try:
            found.append(urllib.request.urlopen(request, timeout=TIMEOUT))
        except BaseException as error:  # raised below
            found.append(error)

    thread = threading.Thread(target=ask, name="download", daemon=True)
    thread.start()
    thread.join(ANSWER)
    if not found:
        raise TimeoutError(f"no answer within {ANSWER:.0f} s")
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _copy(response, part, start, file):
    """Write the body of a response from byte `start` of `part` on."""
    length = response.headers.get("Content-Length", "")
    end = start + int(length) if length.isascii() and length.isdigit() else file.size
    limit = LARGEST if file.size is None else file.size
    if end is None and not (file.sha256 or file.git_blob or _chunked(response)):
        raise DownloadError(
            "nothing tells how long the file is, nor whether it is whole"
        )
    if file.size is None and end is not None and end > limit:
        raise DownloadError(f"{end:,} bytes announced; at most {limit:,} are taken")
    with open(part, "ab" if start else "wb") as out:
        done = start
        began, window = time.monotonic(), done
        while chunk := response.read1(CHUNK):
            out.write(chunk)
            done += len(chunk)
            if done > limit:
                if file.size is None:
                    raise DownloadError(
                        f"more than {limit:,} bytes sent; no more are taken"
                    )
                return
            if done // REPORT > (done - len(chunk)) // REPORT or done == end:
                _report(part.stem, done, end)
            seconds = time.monotonic() - began
            if seconds > WINDOW:
                if done - window < SLOWEST * seconds and done != end:
                    raise TimeoutError(
                        f"{done - window:,} bytes in {seconds:.0f} s, slower than "
                        f"{SLOWEST:,.0f} per second"
                    )
                began, window = time.monotonic(), done
        out.flush()
        os.fsync(out.fileno())
    if end is not None and done < end:
        raise ConnectionError(f"connection closed after {done:,} of {end:,} bytes")


def _chunked(response):
    """Whether the transfer itself says where it ends."""
    return response.headers.get("Transfer-Encoding", "").lower() == "chunked"


def _report(name, done, end):
    """Progress: one line that is overwritten on a terminal, else a log entry."""
    text = f"{name}: {done / 1e6:.1f} of {(end or done) / 1e6:.1f} MB"
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\n" if done == end else f"\r{text}")
    else:
        logging.info("%s", text)
