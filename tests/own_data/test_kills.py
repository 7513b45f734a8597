"""Twenty kills at random moments, some with a bit of a checkpoint flipped: same numbers."""

import random
import subprocess
import time

import helpers
import pytest

from experiments import paper
from iclr22 import record

KILLS = 20


def values(folder):
    """All numbers but times."""
    rows = record.read_results(folder / "results.csv")
    return [(*row[:6], row.value) for row in rows if "seconds" not in row.metric]


def damage(folder, chance):
    """Flip a bit in the largest file of the newest checkpoint; whether there is one."""
    steps = [x for x in folder.glob("training/**/checkpoints/*") if x.name.isdigit()]
    if not steps:
        return False
    newest = max(steps, key=lambda x: x.stat().st_mtime)
    files = [x for x in newest.rglob("*") if x.is_file()]
    if not files:
        return False
    path = max(files, key=lambda x: x.stat().st_size)
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("name", paper.there())
def test_killed_at_any_moment_ends_in_the_same_numbers(name, tmp_path):
    def start(folder):
        words = ["--quick", "--seeds=1", f"--workdir={folder}"]
        return helpers.start("-m", f"experiments.{name}", *words)

    began = time.monotonic()
    helpers.finish(start(tmp_path / "whole"), timeout=300)
    took = time.monotonic() - began
    expected = values(tmp_path / "whole")
    chance, kills, flips, round_ = random.Random(0), 0, 0, 0
    while kills < KILLS:
        folder = tmp_path / f"cut-{round_}"
        round_ += 1
        for _ in range(KILLS):
            process = start(folder)
            try:
                out, err = process.communicate(timeout=chance.uniform(0.5, took))
                assert process.returncode == 0, out + err
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
            if kills % 2:
                flips += damage(folder, chance)
        else:
            helpers.finish(start(folder), timeout=300)
        assert values(folder) == expected
    print(f"{name}: {kills} kills, {flips} flips, {round_} runs")
