"""A method is three folders: in a checkout with three more, everything knows it."""

import json
import pathlib
import textwrap

import helpers
import pytest

ROOT = pathlib.Path(__file__).parents[2]
NAME = "pebble"
FILES = {
    "iclr22/pebble/__init__.py": '''
        """Pebble: a line through pebbles.

        More about it.
        """

        from iclr22.pebble.line import (
            Config,
            State,
            apply,
            evaluate,
            example,
            init,
            loss,
            train_step,
        )
        ''',
    "iclr22/pebble/line.py": '''
        """Least squares by gradient descent."""

        from typing import NamedTuple

        import jax.numpy as jnp
        import numpy as np
        import optax

        from iclr22 import gradients, parallel

        State = gradients.State


        class Config(NamedTuple):
            """Of the line."""

            pebble_rate: float = 0.2  # step size of the line


        def init(config, key, batch):
            optimizer = optax.sgd(config.pebble_rate)
            return gradients.start(optimizer, key, jnp.zeros(batch["x"].shape[1]))


        def apply(config, params, inputs, *, key=None):
            return inputs @ params


        def loss(config, params, batch, *, key=None, axis_name=None):
            error = apply(config, params, batch["x"]) - batch["y"]
            total = jnp.sum(batch["weight"] * error**2)
            return total, {"loss": total, "weight": jnp.sum(batch["weight"])}


        def train_step(config, state, batch, *, axis_name=None):
            def objective(params, batch, key):
                return loss(config, params, batch)

            optimizer = optax.sgd(config.pebble_rate)
            return gradients.update(
                optimizer, state, objective, batch, axis_name=axis_name
            )


        def evaluate(config, params, batch, *, axis_name=None):
            return parallel.reduce(loss(config, params, batch)[1], axis_name)


        def example(size=32, seed=0):
            rng = np.random.default_rng(seed)
            x = rng.normal(size=(size, 3)).astype(np.float32)
            y = (x @ np.array([1.0, -1.0, 0.5])).astype(np.float32)
            return Config(), {"x": x, "y": y, "weight": np.ones(size, np.float32)}
        ''',
    "iclr22/pebble/pipeline.py": '''
        """Training."""

        from typing import NamedTuple

        from iclr22 import loop
        from iclr22.data import batching
        from iclr22.pebble import line
        from iclr22.pebble.line import Config


        class Options(NamedTuple):
            """All that is trained."""

            MAIN = "line"

            line: Config = Config()
            steps: int = 100  # updates


        def train(data, options, *, directory, seed=0, mode="jit"):
            return loop.fit(
                line,
                options.line,
                batching.make(data, 8, seed=seed),
                loop.Schedule(options.steps),
                seed=seed,
                mode=mode,
                directory=directory,
            )
        ''',
    "experiments/pebble/__init__.py": "",
    "experiments/pebble/__main__.py": '''
        """Pebble.

          python -m experiments.pebble
        """

        from experiments import run
        from experiments.pebble.experiment import EXPERIMENT

        if __name__ == "__main__":
            run.main(EXPERIMENT)
        ''',
    "experiments/pebble/experiment.py": '''
        """What is measured."""

        from typing import NamedTuple

        from experiments.options import Experiment
        from iclr22 import plots
        from iclr22.pebble import line, pipeline


        class Options(NamedTuple):
            """Of a run."""

            MAIN = "models"

            models: pipeline.Options = pipeline.Options()


        def study(run):
            run.trains({"line": run.options.models.line})
            _, data = line.example(40)
            del data["weight"]

            def once(seed):
                folder = run.workdir / "training" / str(seed)
                models = run.options.models
                state = pipeline.train(data, models, directory=folder, seed=seed)
                said = float(state.params[0])
                return {"rows": [("line", "plain", seed, "test/error", said, 1.5)]}

            for seed in run.seeds:
                run.cell(f"line-{seed}", lambda seed=seed: once(seed))
            with plots.figure(run.figure("line", "A line.")) as axis:
                axis.plot([0, 1])


        EXPERIMENT = Experiment(
            method="pebble",
            study=study,
            options=Options(),
            datasets=("beach",),
            quick={"": {"steps": 4}},
        )
        ''',
    "experiments/pebble/paper.py": '''
        """Published numbers, headlines, claims, jobs."""

        from experiments.paper import Claim, Headline, Job

        NEED = "Whoever has pebbles."
        KEY = ("beach", "plain", "line", "test/error")
        HEADLINES = (Headline("error of the line", KEY, 1.5, ("--seeds=3",)),)
        CLAIMS = (Claim("the line fits", KEY, "below", 1.5),)
        JOBS = {"quick": (Job("all", ("--quick",), 0.1, ("line",)),)}
        ''',
    "experiments/pebble/benchmark.py": '''
        """Time of nothing."""

        from absl import app, flags

        from experiments.benchmarks import numbers

        CALLS = ((), ("--pebbles=2",))
        QUICK = ("--pebbles=1",)
        SCALING = {"pebble": (512, {})}


        def main(argv):
            numbers.write([numbers.Number("throw", 1.25, "ms")])


        if __name__ == "__main__":
            flags.DEFINE_integer("pebbles", 0, "how many")
            numbers.define_flags()
            app.run(main)
        ''',
    "experiments/pebble/README.md": """
        # Pebble

        <!-- results -->
        <!-- end of results -->
        """,
    "experiments/pebble/results.csv": """
        method,dataset,variant,setting,seed,metric,value,published,seconds
        pebble,beach,line,plain,0,test/error,1.25,1.5,2
        pebble,beach,line,plain,1,test/error,1.27,1.5,2
        """,
    "tests/pebble/test_pebble.py": """
        from iclr22 import pebble


        def test_pebble():
            assert pebble.Config().pebble_rate == 0.2
        """,
}
# What the shared code makes of it, told by a process that knows nothing of this file.
ASK = """
import json, pathlib, runpy, sys
import iclr22
from experiments import __main__ as listing, page, paper, plan, readme, sections, verdicts
from experiments.benchmarks import __main__ as benchmarks
from experiments.benchmarks import scaling

name, path = sys.argv[1:]
found = sections.of_results([name])
page.write(path, found, summary="", facts={})
print(json.dumps({
    "available": iclr22.available(),
    "title": iclr22.index()[name],
    "stages": list(iclr22.trained()),
    "listing": listing.lines(),
    "front": readme.front_table(),
    "table": readme.results_table(name),
    "readmes": [str(x.relative_to(readme.ROOT)) for x in readme.files()],
    "verdict": verdicts.verdict(name, paper.results(name)).text,
    "jobs": [job.title for job in plan.chosen("quick", [name])],
    "benchmarks": [call.title for call in benchmarks.calls([name], False)],
    "problem": scaling.problem_of(name).size,
}))
sys.argv[1:] = ["--help"]
sys.stdout.flush()
runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """This checkout, by links, with the three folders of another method."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("iclr22", "experiments", "tests"):
        (folder / name).mkdir()
        for path in (ROOT / name).iterdir():
            if path.name != "__pycache__":
                (folder / name / path.name).symlink_to(path)
    for name in ("setup.cfg", "README.md", "launch"):
        (folder / name).symlink_to(ROOT / name)
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
    return folder


def run(checkout, *words, **options):
    """`(stdout, stderr)` of Python in that checkout."""
    process = helpers.start(*words, cwd=checkout, root=checkout)
    return helpers.finish(process, timeout=300, **options)


def test_lists_tables_jobs_and_flags_have_it(checkout, tmp_path):
    page = tmp_path / "index.html"
    out, err = run(checkout, "-c", ASK, NAME, page, expect=1)  # as --help ends
    line, help_text = out.split("\n", 1)
    found = json.loads(line)
    assert NAME in found["available"] and NAME in found["stages"]
    assert found["title"] == "Pebble: a line through pebbles"
    assert found["verdict"] == "holds" and found["problem"] == 512
    assert found["jobs"] == ["pebble, all"]
    assert found["benchmarks"] == ["pebble", "pebble --pebbles=2"]
    assert f"experiments/{NAME}/README.md" in found["readmes"]
    command = f"python -m experiments.{NAME}"
    (listed,) = [x for x in found["listing"] if x.startswith(f"{NAME} ")]
    for text in ("holds", command, "Whoever has pebbles."):
        assert text in listed and text in found["front"]
    assert f"`{command} --seeds=3`" in found["table"] and "1.26" in found["table"]
    html = page.read_text(encoding="utf-8")
    for text in (f'id="{NAME}"', "the line fits", "holds", f"{command} --seeds=3"):
        assert text in html
    for text in ("--pebble_rate:", "step size of the line", "--steps:", "beach"):
        assert text in help_text, err


def test_contract_of_methods_and_its_own_tests_are_collected(checkout):
    paths = ("tests/house/test_methods.py", f"tests/{NAME}")
    out, _ = run(
        checkout, "-m", "pytest", "-vv", "-p", "no:cacheprovider", *paths, "-k", NAME
    )
    passed = [line for line in out.splitlines() if "PASSED" in line]
    assert any(f"test_steps_learn[{NAME}]" in line for line in passed)
    assert any(f"test_pmap_on_eight_devices_equals_jit[{NAME}]" in x for x in passed)
    assert any("test_pebble.py" in line for line in passed) and len(passed) > 8


@pytest.mark.slow
def test_its_job_and_its_benchmark_run(checkout, tmp_path):
    words = (f"--only={NAME}", "--scale=quick", f"--workdir={tmp_path}")
    out, _ = run(checkout, "-m", "experiments.reproduce", *words)
    assert "[1/1] pebble, all: finished" in out
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "beach-synthetic" in html and "<img" in html
    words = (f"--only={NAME}", "--quick", f"--csv={tmp_path / 'all.csv'}")
    out, _ = run(checkout, "-m", "experiments.benchmarks", *words)
    assert "| pebble | throw |  | 1.25 ms |" in out
