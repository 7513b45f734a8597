"""Reproducing everything: resuming, failures, verdicts, the page."""

import pathlib
import re

import pytest

from experiments import claims, page, plan, reproduce
from iclr22 import errors, plots, record

SCRIPT = """
import pathlib, sys, time
from iclr22 import record
folder = pathlib.Path(sys.argv[-1].removeprefix("--workdir="))
name = sys.argv[1]
folder.mkdir(parents=True, exist_ok=True)
with open(folder / "tries", "a") as file:
    file.write("x")
if name == "slow" and (folder / "tries").stat().st_size == 1:
    time.sleep(60)
if name == "bad":
    sys.exit("error: <the disk> is full")
rows = [
    record.Result("diva", "digits", variant, "random_relu", seed, "flips/auc", 0.99,
                  "0.90-0.99", 1.5, "1 x toy", "abc1234", "2026-01-02")
    for variant in ("derivative", "loo_residual") for seed in range(3)
]
record.write_results(folder / "results.csv", rows)
"""
FETCHES = re.compile(
    r"""(?:src|href|action)\s*=\s*(?!["']?(?:data:|\#))|url\(|@import|<script"""
)


def job(name, **options):
    return plan.Job("diva", name, (name,), 0.1, ("detection",), **options)


@pytest.fixture
def toy(tmp_path, monkeypatch, command_line):
    """Function that runs toy jobs as the command line does; its exit status."""
    script = tmp_path / "toy.py"
    script.write_text(SCRIPT)
    root = str(pathlib.Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    start = lambda job, _: [str(script), *job.arguments]  # noqa: E731
    monkeypatch.setattr(reproduce, "command", start)
    reproduce.define_flags()

    def run(*jobs, arguments=()):
        monkeypatch.setitem(plan.PLAN, "small", jobs)
        command_line(f"--workdir={tmp_path / 'out'}", *arguments)
        try:
            reproduce.main([])
        except SystemExit as error:
            return error.code
        return 0

    return run


def text_of(folder):
    text = (folder / "out" / "index.html").read_text(encoding="utf-8")
    assert not FETCHES.search(text)  # nothing is asked of anybody
    assert 'name="viewport"' in text and "</html>" in text
    return text


def test_finished_is_skipped_failed_is_shown_and_tried_again(toy, tmp_path, capsys):
    lacking = job("else", needs="ml1m", files=("no/such.npz",))
    jobs = (job("bad"), lacking, job("good"))
    assert toy(*jobs) == "error: failed: diva, bad"
    text = text_of(tmp_path)
    assert "error: &lt;the disk&gt; is full" in text and "is not in" in text
    for part in ("0.990", "0.90-0.99", "abc1234", "1 x toy", "holds", "2026-01-02"):
        assert part in text
    out = capsys.readouterr().out
    assert "[1/2] diva, bad: about 0.1 min" in out and "FAILED" in out
    tries = lambda: {  # noqa: E731
        path.parent.parent.name.split("-")[1]: path.stat().st_size
        for path in (tmp_path / "out").rglob("tries")
    }
    assert tries() == {"bad": 1, "good": 1}
    assert toy(*jobs) == "error: failed: diva, bad"
    assert tries() == {"bad": 2, "good": 1}
    assert toy(jobs[-1]) == 0 and tries()["good"] == 1
    assert toy(jobs[-1], arguments=["--only=dva"]).endswith("Known: diva.")


def test_interrupted_job_ends_and_continues_in_its_folder(tmp_path, toy):
    place = tmp_path / "place"

    def interrupt(_):
        if (place / "run" / "tries").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce.run_job(job("slow"), place, None, interrupt)
    cut = reproduce.status(place)
    assert cut["code"] is None and cut["seconds"] > 0
    shown = reproduce.done(job("slow"), place, None)
    assert (shown.state, shown.note) == ("not run", "interrupted")
    assert reproduce.run_job(job("slow"), place, None, lambda _: None) == 0
    assert (place / "run" / "tries").read_text() == "xx"
    assert reproduce.status(place)["seconds"] > cut["seconds"]


def rows(variant, values, metric="m", dataset="d"):
    return [
        record.Result("diva", dataset, variant, "s", seed, metric, value)
        for seed, value in enumerate(values)
    ]


def claim(relation, bound, factor=1.0, **options):
    return claims.Claim("it", ("d", "s", "a", "m"), relation, bound, factor, **options)


B = ("d", "s", "b", "m")


@pytest.mark.parametrize(
    ("given", "a", "b", "state"),
    [
        (claim("above", 1.0), [1.2, 1.3, 1.25], [], "holds"),
        (claim("above", 1.0), [0.9, 1.2, 1.1], [], "open"),
        (claim("above", 1.0), [0.5, 0.6, 0.55], [], "fails"),
        (claim("below", 1.0), [0.5], [], "holds"),
        (claim("above", B), [2, 5, 9], [1, 4, 8], "holds"),  # seed by seed
        (claim("above", B), [2, 5, 9], [1, 8], "open"),
        (claim("above", B, 2.0), [2.1, 5, 9], [1, 2, 4], "open"),
        (claim("below", B, 0.5), [1, 2, 3], [4, 6, 8], "holds"),
        (claim("near", 1.0, 0.3), [1.2, 1.3], [], "holds"),
        (claim("near", 1.0, 0.3), [1.4, 1.3], [], "fails"),
        (claim("above", B), [], [1], "not measured"),
    ],
)
def test_claims_are_judged_by_intervals(given, a, b, state):
    assert claims.judge(given, rows("a", a) + rows("b", b)).state == state


def test_verdict_counts_claims_of_the_paper_only(monkeypatch):
    good, bad = claim("above", 0.0), claim("above", 9.0)
    ours, absent = claim("above", 9.0, ours=True), good._replace(key=B)
    measured = rows("a", [1.0, 1.1])
    expected = {
        (good, ours): "holds",
        (good, bad, absent): "holds partly",
        (bad,): "does not hold",
        (ours, absent): "not judged",
    }
    for given, text in expected.items():
        monkeypatch.setitem(claims.CLAIMS, "diva", given)
        assert claims.verdict("diva", measured).text == text
    monkeypatch.setitem(claims.CLAIMS, "diva", (good, bad))
    assert "1 of 2" in claims.verdict("diva", measured).reason


def test_claims_and_plans_speak_of_what_exists():
    """Names are those of headlines, flags, data sets; committed rows bear claims."""
    for method, listed in claims.CLAIMS.items():
        path = reproduce.RESULTS / f"{method}.csv"
        if path.exists():
            found = claims.verdict(method, record.read_results(path))
            assert len(found.judgements) >= 4 and found.text != "not judged"
        assert all(x.relation in ("above", "below", "near") for x in listed)
    for scale in plan.SCALES:
        jobs = plan.PLAN[scale]
        assert len({(x.method, x.name) for x in jobs}) == len(jobs)
        assert {x.method for x in jobs} == set(claims.CLAIMS)
        for x in jobs:
            assert not x.needs or plan.missing(x, "/no/such/folder")
    assert sum(x.minutes for x in plan.PLAN["small"]) <= 60
    with pytest.raises(errors.InputError, match="Did you mean 'small'"):
        reproduce.chosen("smal", [])


def test_page_from_committed_results_needs_nothing_else(tmp_path, command_line, capsys):
    reproduce.define_flags()
    command_line("--from_results", f"--workdir={tmp_path / 'out'}")
    reproduce.main([])
    text = text_of(tmp_path)
    for path in reproduce.RESULTS.glob("*.csv"):
        assert f'id="{path.stem}"' in text
    assert text.count("<img") == len(list(reproduce.RESULTS.glob("*.png")))
    assert "--from_results" in text and str(tmp_path) in capsys.readouterr().out


def test_results_are_merged_by_what_they_measure(tmp_path, capsys):
    old = rows("a", [1, 2, 3]) + rows("b", [1, 2]) + rows("c", [5])
    new = rows("a", [7, 8]) + rows("b", [7, 8, 9]) + rows("d", [4])
    found = reproduce.merge(old, new)
    values = {v: [r.value for r in found if r.variant == v] for v in "abcd"}
    assert values == {"a": [1, 2, 3], "b": [7, 8, 9], "c": [5], "d": [4]}
    record.write_results(tmp_path / "diva.csv", old)
    with plots.figure(tmp_path / "x.png") as axis:
        axis.plot([1])
    section = page.Section("diva", new, {tmp_path / "x.png": ""}, [])
    reproduce.write_results([section], tmp_path)
    assert len(record.read_results(tmp_path / "diva.csv")) == len(found)
    assert (tmp_path / "diva.png").exists() and "4 of 6" in capsys.readouterr().out
