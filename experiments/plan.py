"""What `experiments.reproduce` runs: the jobs of every paper, and what they need.

`quick` is synthetic data, to see that everything works. `small` is what two cores do in an
hour. `paper` is what the committed tables were made with, hours.
"""

import pathlib

from experiments import paper
from experiments.paper import Job
from iclr22 import data, errors
from iclr22.data import download


def jobs(scale: str) -> list[Job]:
    """Commands of every landed method at a scale, in order of methods."""
    return [
        job._replace(method=method)
        for method in paper.there()
        for job in paper.of(method).JOBS.get(scale, ())
    ]


def chosen(scale: str, only: list[str]) -> list[Job]:
    """Jobs of a scale, of these methods if any are named, in order of methods.

    Raises:
      errors.InputError: an unknown method or scale.
    """
    if scale not in paper.SCALES:
        raise errors.nearest(scale, paper.SCALES, "scale")
    for name in only:
        if name not in paper.there():
            raise errors.nearest(name, paper.there(), "method")
    return [job for job in jobs(scale) if not only or job.method in only]


def command(job: Job, data_dir: str | None) -> list[str]:
    """What a user would type after `python`, without --workdir."""
    words = paper.words(job.method, job.arguments, str(download.data_root(data_dir)))
    return [*words, f"--data_dir={data_dir}"] if data_dir and job.needs else words


def missing(job: Job, data_dir: str | None) -> str:
    """Why a job cannot run with the files that are here; empty if it can."""
    root = download.data_root(data_dir)
    lacking = [x for x in job.files if not _here(root, x)]
    if job.needs and lacking[:1] == list(job.files[:1]):
        known = data.get(job.needs).info.files
        brought = all(download.find(x, job.needs, data_dir) for x in known)
        if not brought or (lacking and not known):
            wanted = f" (as {lacking[0]})" if lacking else ""
            return f"data set {job.needs} is not in {root}{wanted}"
        lacking = lacking[1:]
    return f"{lacking[0]} is not in {root}" if lacking else ""


def _here(root: pathlib.Path, path: str) -> bool:
    return (root / path).exists() or (root / pathlib.PurePosixPath(path).name).exists()
