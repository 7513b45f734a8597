"""Sections of the page, one per method: what came of its jobs, or its committed results."""

import pathlib
import shlex
import shutil

from experiments import execute, paper, plan
from experiments.page import Done, Section
from experiments.paper import Job
from iclr22 import record

ORIGIN = ("commit", "device", "date")
LOG_LINES = 30  # of a failed command that the page shows


def of_runs(
    jobs: list[Job], workdir: pathlib.Path, scale: str, data_dir: str | None
) -> list[Section]:
    """What the jobs have measured so far."""
    sections = {}
    for job in jobs:
        place = execute.folder(workdir, scale, job)
        fresh = Section(job.method, [], {}, [], judged=scale != "quick")
        section = sections.setdefault(job.method, fresh)
        section.runs.append(done(job, place, data_dir))
        if section.runs[-1].state != "finished":
            continue
        section.rows.extend(record.read_results(place / "run" / "results.csv"))
        for name in job.figures:
            path = place / "run" / "figures" / f"{name}.png"
            if path.exists():
                section.figures[path] = f"{job.name}: {name}"
    return list(sections.values())


def done(job: Job, place: pathlib.Path, data_dir: str | None) -> Done:
    """How a job ended, with the end of its log if it failed."""
    shown = shlex.join(["python", *plan.command(job, data_dir)])
    found = execute.status(place)
    if not found:
        why = plan.missing(job, data_dir)
        state = "skipped" if why else "not run"
        return Done(job.title, shown, state, note=why)
    seconds = found["seconds"]
    if found["code"] == 0:
        origin = origin_of(record.read_results(place / "run" / "results.csv"))
        return Done(job.title, shown, "finished", seconds, **origin)
    origin = {"commit": found["commit"], "date": found["date"]}
    if found["code"] is None:
        note = "interrupted"
        return Done(job.title, shown, "not run", seconds, **origin, note=note)
    lines = (place / "log.txt").read_text(errors="replace").splitlines()
    note = "\n".join(lines[-LOG_LINES:]) or f"exit status {found['code']}"
    return Done(job.title, shown, "failed", seconds, **origin, note=note)


def origin_of(rows: list[record.Result]) -> dict[str, str]:
    """What rows were measured on. (To ask JAX here would take the device.)"""
    found = {name: sorted({getattr(row, name) for row in rows}) for name in ORIGIN}
    dates = found.pop("date")
    origin = {name: ", ".join(values) for name, values in found.items()}
    return origin | {"date": " to ".join(dict.fromkeys(dates[:1] + dates[-1:]))}


def of_results(only: list[str]) -> list[Section]:
    """The committed results, of these methods if any are named."""
    sections = []
    for method in paper.there():
        rows = paper.results(method)
        if not rows or (only and method not in only):
            continue
        figures = {
            path: f"committed figure: {path.stem.replace('_', ' ')}"
            for path in sorted((paper.ROOT / method).glob("*.png"))
        }
        sections.append(Section(method, rows, figures, _committed(method, rows)))
    return sections


def _committed(method: str, rows: list[record.Result]) -> list[Done]:
    """The commands behind committed rows; the time of each is that of the cells that its
    rows come from, those of another command left out."""
    lines_of, told, found = {}, set(), []
    for line in paper.of(method).HEADLINES:
        lines_of.setdefault(line.arguments, []).append(line)
    for arguments, lines in lines_of.items():
        places = {line.key[:2] for line in lines}
        own = [row for row in rows if (row.dataset, row.setting) in places]
        if not own:
            continue
        # Rows of a cell have its seconds, to the millisecond.
        cells = {(x.dataset, x.seed, x.seconds) for x in own if x.seconds} - told
        told |= cells
        done = Done(
            f"{method}, {lines[0].key[0]}",
            paper.command(method, arguments),
            "finished",
            sum(float(seconds) for *_, seconds in cells),
            **origin_of(own),
        )
        found.append(done)
    return found


def merge(old: list[record.Result], new: list[record.Result]) -> list[record.Result]:
    """Old rows with new ones in the place of those of the same numbers.

    What was measured with more seeds stays.
    """

    def seeds(rows):
        found = {}
        for row in rows:
            found.setdefault(_place(row), set()).add(row.seed)
        return found

    before, after = seeds(old), seeds(new)
    taken = {k for k, v in after.items() if len(v) >= len(before.get(k, ()))}
    kept = [row for row in old if _place(row) not in taken]
    return kept + [row for row in new if _place(row) in taken]


def _place(row):
    return row.dataset, row.setting, row.variant, row.metric


def write_results(sections: list[Section]) -> None:
    """Merge measured rows into the committed ones; a first figure if there is none."""
    for section in sections:
        if not section.rows:
            continue
        path = paper.ROOT / section.method / "results.csv"
        rows = merge(paper.results(section.method), section.rows)
        record.write_results(path, rows)
        fresh = sum(row in section.rows for row in rows)
        print(
            f"{section.method}: {fresh} of {len(section.rows)} rows taken, {len(rows)} "
            "in all"
        )
        picture = path.with_name("headline.png")
        if section.figures and not picture.exists():
            shutil.copyfile(next(iter(section.figures)), picture)
