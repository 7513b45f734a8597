"""Where the time of a run goes: a JAX trace, and its slowest operations as a table.

  python -m experiments.cold_brew --profile               # any experiment: writes and prints
  python -m experiments.profiling runs/cold_brew/.../profile   # the table of a trace again

The trace can be opened in TensorBoard, XProf or https://ui.perfetto.dev. Its first minute
is kept: traces of long runs are too large to read.
"""

import collections
import contextlib
import gzip
import json
import pathlib
import sys
import threading
import zlib
from typing import NamedTuple

import jax
from absl import app

from iclr22 import errors, parallel

SECONDS = 60.0  # of a run that are traced at most
SLOWEST = 10
DEVICE_THREADS = ("XLA Ops",)  # of accelerators whose events do not name operations


class Operation(NamedTuple):
    """What one kind of operation took in all."""

    name: str
    milliseconds: float  # without what ran inside it
    calls: int
    share: float  # of all operations


@contextlib.contextmanager
def trace(folder, seconds: float = SECONDS):
    """Trace what runs in the block, its first `seconds`, into `folder`."""
    index, count = parallel.part()
    folder = pathlib.Path(folder, f"process-{index}" if count > 1 else "")
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # Python calls would fill the file
    lock, running = threading.Lock(), [True]

    def stop():
        with lock:
            if running.pop() if running else False:
                jax.profiler.stop_trace()

    jax.profiler.start_trace(str(folder), profiler_options=options)
    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield folder
    finally:
        timer.cancel()
        stop()


def slowest(folder, count: int = SLOWEST) -> list[Operation]:
    """The operations of the newest trace below a folder that took longest.

    Raises:
      errors.InputError: no trace, one that cannot be read, or one without operations.
    """
    files = sorted(pathlib.Path(folder).rglob("*.trace.json.gz"))
    if not files:
        raise errors.InputError(
            f"expected a *.trace.json.gz below {folder}; found none. This version of JAX "
            "may write xplane files only: open the folder in TensorBoard or XProf."
        )
    newest = max(files, key=lambda path: path.stat().st_mtime)
    try:
        with gzip.open(newest, "rt", encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
    except (OSError, EOFError, ValueError, KeyError, zlib.error) as error:
        raise errors.InputError(
            f"{newest}: expected a trace in Chrome's format; found {error!r}"
        ) from error
    totals = _totals(events)
    if not totals:
        raise errors.InputError(
            f"{newest} has no operations of a device: nothing was computed while it was "
            "written. Results that a run finds on disk are not computed again: --noresume."
        )
    whole = sum(own for own, _ in totals.values())
    ranked = sorted(totals.items(), key=lambda item: -item[1][0])[:count]
    return [
        Operation(name, own / 1e3, calls, own / max(whole, 1e-9))
        for name, (own, calls) in ranked
    ]


def _totals(events) -> dict[str, tuple[float, int]]:
    """Microseconds without inner operations, and calls, by `module/operation`."""
    lanes = collections.defaultdict(list)
    titles = {
        (e["pid"], e["tid"]): e["args"].get("name", "")
        for e in events
        if e.get("name") == "thread_name"
    }
    for event in events:
        lane = event.get("pid"), event.get("tid")
        if event.get("ph") != "X":
            continue
        details = event.get("args") or {}
        if "hlo_op" in details:
            name = f"{details.get('hlo_module', '')}/{details['hlo_op']}"
        elif titles.get(lane) in DEVICE_THREADS:
            name = event["name"]
        else:
            continue
        lanes[lane].append((event["ts"], -event.get("dur", 0.0), name))
    totals: dict[str, list] = {}
    for lane in lanes.values():
        for name, own in _own_times(sorted(lane)):
            total = totals.setdefault(name, [0.0, 0])
            total[0] += own
            total[1] += 1
    return {name: tuple(total) for name, total in totals.items()}


def _own_times(lane):
    """`(name, own time)` of events `(start, -duration, name)`, sorted, maybe nested."""
    found, open_ = [], []  # open_: (end, index in found)
    for start, negative, name in lane:
        while open_ and start >= open_[-1][0]:
            open_.pop()
        if open_:
            found[open_[-1][1]][1] += negative
        open_.append((start - negative, len(found)))
        found.append([name, -negative])
    return [(name, max(own, 0.0)) for name, own in found]


def table(operations: list[Operation]) -> str:
    """Lines of text, slowest first."""
    lines = [f"{'total ms':>10s} {'calls':>8s} {'share':>6s}  operation"]
    lines += [
        f"{x.milliseconds:10.2f} {x.calls:8d} {100 * x.share:5.1f}%  {x.name}"
        for x in operations
    ]
    return "\n".join(lines)


def main(argv) -> None:
    """Print the slowest operations of traces that are there."""
    if len(argv) < 2:
        sys.exit("error: expected folders of traces, for instance RUN/profile")
    for folder in argv[1:]:
        try:
            print(table(slowest(folder)))
        except errors.InputError as error:
            sys.exit(f"error: {error}")


if __name__ == "__main__":
    app.run(main)
