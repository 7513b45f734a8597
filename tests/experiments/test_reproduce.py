"""Reproducing everything: resuming, failures, verdicts, the page."""

import importlib
import pathlib
import re
import types

import pytest

from experiments import execute, page, paper, plan, reproduce, sections, verdicts
from experiments.paper import Claim, Headline, Job
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
    record.Result("toy", "digits", variant, "random_relu", seed, "flips/auc", 0.99,
                  "0.90-0.99", 1.5, "1 x toy", "abc1234", "2026-01-02")
    for variant in ("derivative", "loo_residual") for seed in range(3)
]
record.write_results(folder / "results.csv", rows)
"""
FETCHES = re.compile(
    r"""(?:src|href|action)\s*=\s*(?!["']?(?:data:|\#))|url\(|@import|<script"""
)


KEY = ("digits", "random_relu", "derivative", "flips/auc")


def job(name, **options):
    return Job(name, (name,), 0.1, ("detection",), method="toy", **options)


@pytest.fixture
def toy_paper(monkeypatch):
    """The only paper, its claims to be filled in."""
    there = types.SimpleNamespace(
        NEED="Nobody.",
        HEADLINES=(Headline("flips found", KEY, "0.90-0.99"),),
        CLAIMS=(Claim("flips are found", KEY, "above", 0.90),),
        JOBS={},
    )
    monkeypatch.setattr(paper, "there", lambda: ["toy"])
    monkeypatch.setattr(paper, "of", {"toy": there}.__getitem__)
    return there


@pytest.fixture
def toy(tmp_path, monkeypatch, command_line, toy_paper):
    """Function that runs toy jobs as the command line does; its exit status."""
    script = tmp_path / "toy.py"
    script.write_text(SCRIPT)
    root = str(pathlib.Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    monkeypatch.setattr(plan, "command", lambda job, _: [str(script), *job.arguments])
    reproduce.define_flags()

    def run(*jobs, arguments=()):
        toy_paper.JOBS = {"small": jobs}
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
    assert toy(*jobs) == "error: failed: toy, bad"
    text = text_of(tmp_path)
    assert "error: &lt;the disk&gt; is full" in text and "is not in" in text
    for part in ("0.990", "0.90-0.99", "abc1234", "1 x toy", "holds", "2026-01-02"):
        assert part in text
    out = capsys.readouterr().out
    assert "[1/2] toy, bad: about 0.1 min" in out and "FAILED" in out

    def tries():
        return {
            path.parent.parent.name.split("-")[1]: path.stat().st_size
            for path in (tmp_path / "out").rglob("tries")
        }

    assert tries() == {"bad": 1, "good": 1}
    assert toy(*jobs) == "error: failed: toy, bad"
    assert tries() == {"bad": 2, "good": 1}
    assert toy(jobs[-1]) == 0 and tries()["good"] == 1
    assert toy(jobs[-1], arguments=["--only=tyo"]).endswith("Known: toy.")


def test_interrupted_job_ends_and_continues_in_its_folder(tmp_path, toy):
    place = tmp_path / "place"

    def interrupt(_):
        if (place / "run" / "tries").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute.run_job(job("slow"), place, None, interrupt)
    cut = execute.status(place)
    assert cut["code"] is None and cut["seconds"] > 0
    shown = sections.done(job("slow"), place, None)
    assert (shown.state, shown.note) == ("not run", "interrupted")
    assert execute.run_job(job("slow"), place, None, lambda _: None) == 0
    assert (place / "run" / "tries").read_text() == "xx"
    assert execute.status(place)["seconds"] > cut["seconds"]


def rows(variant, values, metric="m", dataset="d"):
    return [
        record.Result("toy", dataset, variant, "s", seed, metric, value)
        for seed, value in enumerate(values)
    ]


def claim(relation, bound, factor=1.0, **options):
    return Claim("it", ("d", "s", "a", "m"), relation, bound, factor, **options)


B = ("d", "s", "b", "m")


@pytest.mark.parametrize(
    ("given", "a", "b", "state"),
    [
        (claim("above", 1.0), [1.2, 1.3, 1.25], [], "holds"),
        (claim("above", 1.0), [0.9, 1.2, 1.1], [], "open"),
        (claim("above", 1.0), [0.5, 0.6, 0.55], [], "fails"),
        (claim("below", 1.0), [0.5], [], "open"),  # measured once
        (claim("above", B), [5, 6], [1], "open"),
        (claim("below", 1.0), [0.5, 0.6, 0.55], [], "holds"),
        (claim("above", B, plus=2.0), [4, 7, 9.1], [1, 3, 5], "holds"),
        (claim("above", B, plus=4.0), [4, 7, 9.1], [1, 3, 5], "open"),
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
    assert verdicts.judge(given, rows("a", a) + rows("b", b)).state == state


def test_verdict_counts_claims_of_the_paper_only(toy_paper):
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
        toy_paper.CLAIMS = given
        assert verdicts.verdict("toy", measured).text == text
    toy_paper.CLAIMS = (good, bad)
    assert "1 of 2" in verdicts.verdict("toy", measured).reason


@pytest.mark.parametrize("method", paper.there())
def test_paper_speaks_of_what_exists(method):
    """Committed rows bear the claims and the line of the front page."""
    here = importlib.import_module(f"experiments.{method}.paper")
    assert here.NEED.strip() and "\n" not in here.NEED
    assert all(x.relation in ("above", "below", "near") for x in here.CLAIMS)
    assert all(isinstance(x, Claim) for x in here.CLAIMS)
    assert all(isinstance(x, Headline) for x in here.HEADLINES)
    rows = paper.results(method)
    found = verdicts.verdict(method, rows)
    assert len(found.judgements) >= 4 and found.text != "not judged"
    assert here.HEADLINES[0].key in paper.means(rows)
    assert (paper.ROOT / method / "headline.png").exists()
    assert set(here.JOBS) <= set(paper.SCALES)


def test_jobs_of_all_papers_run_where_their_data_are():
    for scale in paper.SCALES:
        jobs = plan.jobs(scale)
        assert len({(x.method, x.name) for x in jobs}) == len(jobs)
        assert [x.method for x in jobs] == sorted(x.method for x in jobs)
        assert {x.method for x in jobs} == set(paper.there())
        for x in jobs:
            assert not x.needs or plan.missing(x, "/no/such/folder")
    minutes = sum(x.minutes for x in plan.jobs("small"))
    assert minutes <= 12 * len(paper.there())  # two hours of ten methods
    with pytest.raises(errors.InputError, match="Did you mean 'small'"):
        plan.chosen("smal", [])


def test_job_is_missing_its_data_or_what_is_beside_them(tmp_path, monkeypatch):
    monkeypatch.delenv("ICLR22_DATA", raising=False)
    data, weights = "images/mnist.npz", "weights/network.npz"
    both = job("it", needs="mnist", files=(data, weights))
    assert "data set mnist" in plan.missing(both, str(tmp_path))
    assert f"(as {data})" in plan.missing(both, str(tmp_path))
    (tmp_path / "mnist.npz").touch()  # a mirror without its folders
    assert plan.missing(both, str(tmp_path)).startswith(weights)
    (tmp_path / "weights").mkdir()
    (tmp_path / weights).touch()
    assert plan.missing(both, str(tmp_path)) == ""
    assert plan.missing(job("synthetic"), str(tmp_path)) == ""


def test_command_is_what_a_user_types():
    needed = Job("it", ("--weights={data}/w.npz",), 1, needs="mnist", method="toy")
    words = ["-m", "experiments.toy", "--weights=/mirror/w.npz", "--data_dir=/mirror"]
    assert plan.command(needed, "/mirror") == words
    assert plan.command(needed._replace(needs=""), "/mirror") == words[:-1]
    text = "python -m experiments.toy '--title=a b' --weights=DATA/w.npz"
    assert paper.command("toy", ("--title=a b", "--weights={data}/w.npz")) == text


def test_page_from_committed_results_needs_nothing_else(tmp_path, command_line, capsys):
    reproduce.define_flags()
    command_line("--from_results", f"--workdir={tmp_path / 'out'}")
    reproduce.main([])
    text = text_of(tmp_path)
    for method in paper.there():
        assert f'id="{method}"' in text
    assert text.count("<img") == len(list(paper.ROOT.glob("*/*.png")))
    assert "--from_results" in text and str(tmp_path) in capsys.readouterr().out


def test_time_of_a_committed_command_is_that_of_its_cells_once(toy_paper, monkeypatch):
    first, again = ("d", "s", "a", "m"), ("d", "t", "a", "m")
    toy_paper.HEADLINES = (
        Headline("it", first),
        Headline("the same command", ("d", "s", "b", "m")),
        Headline("with more", again, arguments=("--more",)),
        Headline("never run", ("e", "s", "a", "m"), arguments=("--e",)),
    )
    measured = [
        record.Result("toy", *key[:1], key[2], key[1], seed, "m", 1.0, "", seconds)
        for key, seed, seconds in (
            (first, 0, 2.5),
            (("d", "s", "b", "m"), 0, 2.5),  # of the same cell
            (first, 1, 4.0),
            (again, 0, 2.5),  # of that cell too
            (again, 0, 8.0),
        )
    ]
    monkeypatch.setattr(paper, "results", lambda method: measured)
    (section,) = sections.of_results([])
    found = {run.command: run.seconds for run in section.runs}
    command = "python -m experiments.toy"
    assert found == {command: 6.5, f"{command} --more": 8.0}


def test_numbers_of_quick_runs_are_not_written_to_the_results(
    tmp_path, command_line, toy_paper
):
    reproduce.define_flags()
    command_line("--scale=quick", "--write_results", f"--workdir={tmp_path / 'out'}")
    with pytest.raises(SystemExit, match="are synthetic"):
        reproduce.main([])
    assert not list(tmp_path.iterdir())


def test_results_are_merged_by_what_they_measure(tmp_path, monkeypatch, capsys):
    old = rows("a", [1, 2, 3]) + rows("b", [1, 2]) + rows("c", [5])
    new = rows("a", [7, 8]) + rows("b", [7, 8, 9]) + rows("d", [4])
    found = sections.merge(old, new)
    values = {v: [r.value for r in found if r.variant == v] for v in "abcd"}
    assert values == {"a": [1, 2, 3], "b": [7, 8, 9], "c": [5], "d": [4]}
    monkeypatch.setattr(paper, "ROOT", tmp_path)
    (tmp_path / "toy").mkdir()
    record.write_results(tmp_path / "toy" / "results.csv", old)
    with plots.figure(tmp_path / "x.png") as axis:
        axis.plot([1])
    section = page.Section("toy", new, {tmp_path / "x.png": ""}, [])
    sections.write_results([section])
    assert len(paper.results("toy")) == len(found)
    assert (tmp_path / "toy" / "headline.png").exists()
    assert "4 of 6" in capsys.readouterr().out
