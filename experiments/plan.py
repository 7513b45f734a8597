"""What `experiments.reproduce` runs: the jobs of every paper, and what they need.

`quick` is synthetic data, to see that everything works. `small` is what two cores do in an
hour. `paper` is what the committed tables were made with, hours.
"""

import pathlib

from experiments import paper
from experiments.paper import Job
from iclr22 import data
from iclr22.data import download


def jobs(scale: str) -> list[Job]:
    """Commands of every landed method at a scale, in order of methods."""
    return [
        job._replace(method=method)
        for method in paper.there()
        for job in paper.of(method).JOBS.get(scale, ())
    ]


def missing(job: Job, data_dir: str | None) -> str:
    """Why a job cannot run with the files that are here; empty if it can."""
    root = download.data_root(data_dir)
    lacking = [x for x in job.files if not _here(root, x)]
    if job.needs and not data.get(job.needs).info.files and lacking:
        return f"data set {job.needs} is not in {root} (as {lacking[0]})"
    if job.needs and lacking[:1] == list(job.files[:1]):
        known = data.get(job.needs).info.files
        if not all(download.find(file, job.needs, data_dir) for file in known):
            wanted = f" (as {lacking[0]})" if lacking else ""
            return f"data set {job.needs} is not in {root}{wanted}"
        lacking = lacking[1:]
    return f"{lacking[0]} is not in {root}" if lacking else ""


def _here(root: pathlib.Path, path: str) -> bool:
    return (root / path).exists() or (root / pathlib.PurePosixPath(path).name).exists()
