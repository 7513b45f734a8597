r"""Run every landed method and write one page that says which numbers hold.

  python -m experiments.reproduce                    # --scale=small: 25 minutes
  python -m experiments.reproduce --scale=quick      # synthetic data, minutes
  python -m experiments.reproduce --scale=paper --data_dir=FOLDER       # hours
  python -m experiments.reproduce --only=diva,grda
  python -m experiments.reproduce --list             # the commands, nothing is run
  python -m experiments.reproduce --from_results     # the page from committed results

Every command runs in a process and a folder of its own below WORKDIR/runs. Started again,
what is finished is skipped and what was cut goes on. Commands on data that are not bundled
run where --data_dir or $ICLR22_DATA has the files. The page is WORKDIR/index.html.
"""

import contextlib
import hashlib
import json
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

from absl import app, flags

from experiments import page, paper, plan
from experiments import run as runner
from iclr22 import checkpoint, errors, record
from iclr22.data import download

FLAGS = flags.FLAGS
POLL_SECONDS = 0.2
QUIET_SECONDS = 60.0  # between lines of progress when nobody watches
ORIGIN = ("commit", "device", "date")
LOG_LINES = 30  # of a failed command that the page shows


def chosen(scale: str, only: list[str]) -> list[paper.Job]:
    """Jobs of a scale, of these methods if any are named, in order of methods.

    Raises:
      errors.InputError: an unknown method or scale.
    """
    if scale not in paper.SCALES:
        raise errors.nearest(scale, paper.SCALES, "scale")
    jobs = plan.jobs(scale)
    known = list(dict.fromkeys(job.method for job in jobs))
    for name in only:
        if name not in known:
            raise errors.nearest(name, known, "method")
    return [job for job in jobs if not only or job.method in only]


def command(job: paper.Job, data_dir: str | None) -> list[str]:
    """What a user would type after `python`, without --workdir."""
    root = str(download.data_root(data_dir))
    words = [word.replace("{data}", root) for word in job.arguments]
    words += [f"--data_dir={data_dir}"] if data_dir and job.needs else []
    return ["-m", f"experiments.{job.method}", *words]


def folder(workdir: pathlib.Path, scale: str, job: paper.Job) -> pathlib.Path:
    """Of one job; other arguments get another one."""
    text = json.dumps(job.arguments).encode()
    name = job.name.replace(" ", "_").replace(",", "")
    digest = hashlib.sha256(text).hexdigest()[:6]
    return workdir / "runs" / scale / f"{job.method}-{name}-{digest}"


def run_job(job: paper.Job, place: pathlib.Path, data_dir, say) -> int:
    """Exit status of a job; what it printed is in log.txt, how it ended in status.json."""
    words = [*command(job, data_dir), f"--workdir={place / 'run'}"]
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
            process.terminate()  # what it finished is on disk
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
            _note(place, spent + time.monotonic() - began, None)
            raise
    _note(place, spent + time.monotonic() - began, code)
    return code


def _note(place, seconds, code):
    found = {"code": code, "seconds": round(seconds, 1), "commit": runner.commit()}
    found["date"] = time.strftime("%Y-%m-%d")
    checkpoint.write_json(place / "status.json", found)


def status(place: pathlib.Path) -> dict:
    """How the last try ended; empty if there was none."""
    path = place / "status.json"
    return json.loads(path.read_text()) if path.exists() else {}


def run_all(jobs: list[paper.Job], workdir: pathlib.Path, scale: str, data_dir) -> None:
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
            f"follows\n  python {shlex.join(command(job, data_dir))}",
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


# What came of it.


def done(job: paper.Job, place: pathlib.Path, data_dir) -> page.Done:
    """One line of the page."""
    shown = shlex.join(["python", *command(job, data_dir)])
    found = status(place)
    if not found:
        why = plan.missing(job, data_dir)
        state = "skipped" if why else "not run"
        return page.Done(job.title, shown, state, note=why)
    taken = {"seconds": found["seconds"]}
    if found["code"] == 0:
        taken |= _origin(record.read_results(place / "run" / "results.csv"))
        return page.Done(job.title, shown, "finished", **taken)
    taken |= {"commit": found["commit"], "date": found["date"]}
    if found["code"] is None:
        return page.Done(job.title, shown, "not run", **taken, note="interrupted")
    lines = (place / "log.txt").read_text(errors="replace").splitlines()
    note = "\n".join(lines[-LOG_LINES:]) or f"exit status {found['code']}"
    return page.Done(job.title, shown, "failed", **taken, note=note)


def _origin(rows) -> dict[str, str]:
    """What rows were measured on. (To ask JAX here would take the device.)"""
    found = {name: sorted({getattr(r, name) for r in rows}) for name in ORIGIN}
    ends = {"date": found["date"][:1] + found["date"][1:][-1:]}
    return {
        k: (" to " if k in ends else ", ").join(ends.get(k, v))
        for k, v in found.items()
    }


def sections_of_runs(jobs, workdir, scale, data_dir) -> list[page.Section]:
    """What the jobs have measured so far, by method."""
    sections = {}
    for job in jobs:
        place = folder(workdir, scale, job)
        s = sections.setdefault(
            job.method, page.Section(job.method, [], {}, [], scale != "quick")
        )
        s.runs.append(done(job, place, data_dir))
        if s.runs[-1].state != "finished":
            continue
        s.rows.extend(record.read_results(place / "run" / "results.csv"))
        for name in job.figures:
            path = place / "run" / "figures" / f"{name}.png"
            if path.exists():
                s.figures[path] = f"{job.name}: {name}"
    return list(sections.values())


def sections_of_results(only: list[str]) -> list[page.Section]:
    """The committed results, by method."""
    sections = []
    for method in paper.there():
        rows = paper.results(method)
        if not rows or (only and method not in only):
            continue
        figures = {
            x: f"{x.stem.replace('_', ' ')}, committed"
            for x in sorted((paper.ROOT / method).glob("*.png"))
        }
        commands = dict.fromkeys(x.arguments for x in paper.of(method).HEADLINES)
        runs = [_committed(method, rows, arguments) for arguments in commands]
        runs = [run for run in runs if run]
        sections.append(page.Section(method, rows, figures, runs))
    return sections


def _committed(method, rows, arguments) -> page.Done | None:
    """The command behind committed rows; its time is that of what it measured."""
    lines = [x for x in paper.of(method).HEADLINES if x.arguments == arguments]
    places = {x.key[:2] for x in lines}
    rows = [r for r in rows if (r.dataset, r.setting) in places]
    if not rows:
        return None
    cells = {(r.setting, r.variant, r.seed, r.seconds) for r in rows if r.seconds}
    return page.Done(
        f"{method}, {lines[0].key[0]}",
        paper.command(method, arguments),
        "finished",
        sum(seconds for *_, seconds in cells),
        **_origin(rows),
    )


def merge(old: list[record.Result], new: list[record.Result]) -> list[record.Result]:
    """Old rows with new ones in the place of those of the same numbers.

    What was measured with more seeds stays.
    """
    place = lambda r: (r.dataset, r.setting, r.variant, r.metric)  # noqa: E731
    seeds = lambda rows, key: {r.seed for r in rows if place(r) == key}  # noqa: E731
    keys = {place(r) for r in new}
    keys = {k for k in keys if len(seeds(new, k)) >= len(seeds(old, k))}
    kept = [r for r in old if place(r) not in keys]
    return kept + [r for r in new if place(r) in keys]


def write_results(sections: list[page.Section]) -> None:
    """Merge measured rows into the committed ones; a first figure if there is none."""
    for s in sections:
        if not s.rows:
            continue
        path = paper.ROOT / s.method / "results.csv"
        rows = merge(paper.results(s.method), s.rows)
        record.write_results(path, rows)
        fresh = sum(r in s.rows for r in rows)
        print(f"{s.method}: {fresh} of {len(s.rows)} rows taken, {len(rows)} in all")
        picture = path.with_name("headline.png")
        if s.figures and not picture.exists():
            shutil.copyfile(next(iter(s.figures)), picture)


def list_jobs(jobs, data_dir) -> None:
    """Print the commands."""
    for job in jobs:
        why = plan.missing(job, data_dir)
        text = shlex.join(["python", *command(job, data_dir)])
        print(
            text
            + f"  # about {job.minutes:g} min"
            + (f"; skipped: {why}" if why else "")
        )
    able = [job for job in jobs if not plan.missing(job, data_dir)]
    print(f"# {len(able)} of {len(jobs)}, about {sum(j.minutes for j in able):g} min")


def main(argv) -> None:
    """Run what is left, write the page, end with 1 if a command failed."""
    del argv
    began, workdir = time.monotonic(), pathlib.Path(FLAGS.workdir)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what runs ends with us
    try:
        jobs = chosen(FLAGS.scale, FLAGS.only)
        if FLAGS.list:
            return list_jobs(jobs, FLAGS.data_dir)
        if FLAGS.from_results:
            sections = sections_of_results(FLAGS.only)
        else:
            sections = _measured(jobs, workdir)
    except errors.InputError as error:
        sys.exit(f"error: {error}")
    where = _write(sections, workdir, time.monotonic() - began)
    if FLAGS.write_results and not FLAGS.from_results:
        if FLAGS.scale == "quick":
            sys.exit(
                "error: numbers of --scale=quick are synthetic; nothing was written"
            )
        write_results(sections)
    failed = [r.title for s in sections for r in s.runs if r.state == "failed"]
    print(f"page {where}")
    if failed:
        sys.exit(f"error: failed: {'; '.join(failed)}")


def _measured(jobs, workdir):
    """Sections after all runs; the page is written also when they are cut short."""
    options = workdir, FLAGS.scale, FLAGS.data_dir
    try:
        with checkpoint.held(workdir):
            run_all(jobs, *options)
    except KeyboardInterrupt:
        where = _write(sections_of_runs(jobs, *options), workdir, 0.0)
        print(f"\ninterrupted; the same command goes on from here. Page {where}")
        sys.exit(130)
    return sections_of_runs(jobs, *options)


def _write(sections, workdir, seconds) -> pathlib.Path:
    words = [f"--scale={FLAGS.scale}"] if not FLAGS.from_results else ["--from_results"]
    words += [f"--only={','.join(FLAGS.only)}"] if FLAGS.only else []
    facts = {
        "command": shlex.join(["python", "-m", "experiments.reproduce", *words]),
        "commit": runner.commit(),
        "device": _origin([r for s in sections for r in s.rows])["device"],
        "date": time.strftime("%Y-%m-%d"),
        "seconds of this run": round(seconds, 1),
    }
    summary = (
        "Every number was measured by this project; mean and 95 % interval over seeds. "
        "Verdicts are computed: a claim holds if the interval of the measured difference "
        "agrees, pairing equal seeds, and stays open if it holds both answers.\n"
    )
    if FLAGS.scale == "quick" and not FLAGS.from_results:
        summary += "Quick runs on synthetic data: their numbers mean nothing.\n"
    return page.write(workdir / "index.html", sections, summary=summary, facts=facts)


def define_flags() -> None:
    """Of the command line."""
    flags.DEFINE_enum("scale", "small", paper.SCALES, "how much is run")
    flags.DEFINE_list("only", [], "methods; all if empty")
    flags.DEFINE_string("workdir", "report", "the page, and runs/ with one folder each")
    flags.DEFINE_string("data_dir", None, "folder of data files; default $ICLR22_DATA")
    flags.DEFINE_bool("list", False, "print the commands and end")
    flags.DEFINE_bool("from_results", False, "page of the committed results, no runs")
    flags.DEFINE_bool(
        "write_results", False, "merge rows into experiments/<method>/results.csv"
    )


if __name__ == "__main__":
    define_flags()
    app.run(main)
