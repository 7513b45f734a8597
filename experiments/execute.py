"""Runs the jobs of `plan`, each in a process and a folder of its own.

What is finished is skipped, what was cut goes on where it was.
"""

import contextlib
import hashlib
import json
import pathlib
import shlex
import subprocess
import sys
import time
from collections.abc import Callable

from experiments import origin, plan
from experiments.paper import Job
from iclr22 import checkpoint

POLL_SECONDS = 0.2
QUIET_SECONDS = 60.0  # between lines of progress when nobody watches


def folder(workdir: pathlib.Path, scale: str, job: Job) -> pathlib.Path:
    """Of one job; other arguments get another one."""
    text = json.dumps(job.arguments).encode()
    name = job.name.replace(" ", "_").replace(",", "")
    digest = hashlib.sha256(text).hexdigest()[:6]
    return workdir / "runs" / scale / f"{job.method}-{name}-{digest}"


def status(place: pathlib.Path) -> dict:
    """How the last try ended; empty if there was none."""
    path = place / "status.json"
    return json.loads(path.read_text()) if path.exists() else {}


def run_job(
    job: Job, place: pathlib.Path, data_dir: str | None, say: Callable[[float], None]
) -> int:
    """Exit status of a job; what it printed is in log.txt, how it ended in status.json.

    Args:
      say: called with its seconds so far, again and again.
    """
    words = [*plan.command(job, data_dir), f"--workdir={place / 'run'}"]
    place.mkdir(parents=True, exist_ok=True)
    spent = status(place).get("seconds", 0.0)  # of runs that were cut
    began = time.monotonic()
    with open(place / "log.txt", "ab") as log:
        log.write(f"$ {shlex.join(['python', *words])}\n".encode())
        log.flush()
        process = subprocess.Popen(
            [sys.executable, *words], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            while (code := process.poll()) is None:
                say(time.monotonic() - began)
                time.sleep(POLL_SECONDS)
        except BaseException:
            _end(process)
            _note(place, spent + time.monotonic() - began, None)
            raise
    _note(place, spent + time.monotonic() - began, code)
    return code


def _end(process):
    """What it finished is on disk."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
    process.wait()


def _note(place, seconds, code):
    found = {"code": code, "seconds": round(seconds, 1), "commit": origin.commit()}
    found["date"] = time.strftime("%Y-%m-%d")
    checkpoint.write_json(place / "status.json", found)


def run_all(
    jobs: list[Job], workdir: pathlib.Path, scale: str, data_dir: str | None
) -> None:
    """All jobs that are not finished, one after the other."""
    places = {job: folder(workdir, scale, job) for job in jobs}
    todo = [
        job
        for job in jobs
        if status(places[job]).get("code") != 0 and not plan.missing(job, data_dir)
    ]
    for number, job in enumerate(todo, start=1):
        left = sum(x.minutes for x in todo[number - 1 :])
        head = f"[{number}/{len(todo)}] {job.title}"
        print(
            f"{head}: about {job.minutes:g} min on two cores, {left:g} min with what "
            f"follows\n  python {shlex.join(plan.command(job, data_dir))}",
            flush=True,
        )
        code = run_job(job, places[job], data_dir, _Say(head, job.minutes))
        seconds = status(places[job])["seconds"]
        ended = "finished" if code == 0 else f"FAILED with exit status {code}"
        print(f"{head}: {ended} after {seconds:.0f} s", flush=True)


class _Say:
    """Tells how long a job has been running: live on a terminal, else now and then."""

    def __init__(self, head, minutes):
        self._head, self._minutes, self._last = head, minutes, 0.0
        self._live = sys.stdout.isatty()

    def __call__(self, seconds):
        if seconds - self._last < (1.0 if self._live else QUIET_SECONDS):
            return
        self._last = seconds
        text = f"{self._head}: {seconds / 60:.1f} of about {self._minutes:g} min"
        start, end = ("\r\x1b[K", "\r") if self._live else ("", "\n")
        print(f"{start}{text}", end=end, flush=True)
