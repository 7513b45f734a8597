r"""Run every landed method and write one page that says which numbers hold.

  python -m experiments.reproduce                    # --scale=small: an hour
  python -m experiments.reproduce --scale=quick      # synthetic data, minutes
  python -m experiments.reproduce --scale=paper --data_dir=FOLDER       # hours
  python -m experiments.reproduce --only=diva,grda
  python -m experiments.reproduce --list             # the commands, nothing is run
  python -m experiments.reproduce --from_results     # the page from committed results

Every command runs in a process and a folder of its own below WORKDIR/runs. Started again,
what is finished is skipped and what was cut goes on. Commands on data that are not bundled
run where --data_dir or $ICLR22_DATA has the files. The page is WORKDIR/index.html.
"""

import pathlib
import shlex
import signal
import sys
import time

from absl import app, flags

from experiments import execute, origin, page, paper, plan, sections
from iclr22 import checkpoint, errors

FLAGS = flags.FLAGS


def list_jobs(jobs: list[paper.Job], data_dir: str | None) -> None:
    """Print the commands."""
    able = [job for job in jobs if not plan.missing(job, data_dir)]
    for job in jobs:
        line = shlex.join(["python", *plan.command(job, data_dir)])
        line += f"  # about {job.minutes:g} min"
        if job not in able:
            line += f"; skipped: {plan.missing(job, data_dir)}"
        print(line)
    print(f"# {len(able)} of {len(jobs)}, about {sum(j.minutes for j in able):g} min")


def main(argv) -> None:
    """Run what is left, write the page, end with 1 if a command failed."""
    del argv
    began, workdir = time.monotonic(), pathlib.Path(FLAGS.workdir)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what runs ends with us
    if FLAGS.write_results and FLAGS.scale == "quick" and not FLAGS.from_results:
        sys.exit("error: numbers of --scale=quick are synthetic; no --write_results")
    try:
        jobs = plan.chosen(FLAGS.scale, FLAGS.only)
        if FLAGS.list:
            return list_jobs(jobs, FLAGS.data_dir)
        if FLAGS.from_results:
            found = sections.of_results(FLAGS.only)
        else:
            found = _measured(jobs, workdir)
    except errors.InputError as error:
        sys.exit(f"error: {error}")
    where = _write(found, workdir, time.monotonic() - began)
    if FLAGS.write_results and not FLAGS.from_results:
        sections.write_results(found)
    failed = [run.title for s in found for run in s.runs if run.state == "failed"]
    print(f"page {where}")
    if failed:
        sys.exit(f"error: failed: {'; '.join(failed)}")


def _measured(jobs, workdir) -> list[page.Section]:
    """Sections after all runs; the page is written also when they are cut short."""
    options = workdir, FLAGS.scale, FLAGS.data_dir
    try:
        with checkpoint.held(workdir):
            execute.run_all(jobs, *options)
    except KeyboardInterrupt:
        where = _write(sections.of_runs(jobs, *options), workdir, 0.0)
        print(f"\ninterrupted; the same command goes on from here. Page {where}")
        sys.exit(130)
    return sections.of_runs(jobs, *options)


def _write(found: list[page.Section], workdir, seconds) -> pathlib.Path:
    words = ["--from_results" if FLAGS.from_results else f"--scale={FLAGS.scale}"]
    words += [f"--only={','.join(FLAGS.only)}"] if FLAGS.only else []
    facts = {
        "command": shlex.join(["python", "-m", "experiments.reproduce", *words]),
        "commit": origin.commit(),
        "device": sections.origin_of([r for s in found for r in s.rows])["device"],
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
    return page.write(workdir / "index.html", found, summary=summary, facts=facts)


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
