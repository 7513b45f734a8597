"""README files: their commands are known, run, and their tables are up to date."""

import ast
import importlib
import json
import pathlib
import re
import types

import helpers
import jax
import pytest
import readme_commands
from readme_commands import ROOT

from experiments import paper, readme
from iclr22 import errors

COMMANDS = list(dict.fromkeys(readme_commands.all_of_readmes()))
TOLD = [*COMMANDS, *dict.fromkeys(readme_commands.all_of_docstrings())]
METHODS = paper.there()


def title(command) -> str:
    return f"{command.source}: {command.text}"


def experiment_of(name):
    return importlib.import_module(f"experiments.{name}.experiment").EXPERIMENT


def split(command) -> tuple[str, tuple[str, ...]]:
    """`(method, words of its experiment)`, also where a launcher starts it; else ""."""
    words = command.words
    if command.module in [f"experiments.{name}" for name in METHODS]:
        return command.module.partition(".")[2], words[3:]
    starters = ("--", "launch/run_worker.sh", "launch/slurm.sh")
    places = [i for i, word in enumerate(words) if word in starters]
    after = words[places[0] + 1 :] if places else ()
    return (after[0], after[1:]) if after and after[0] in METHODS else ("", ())


@pytest.fixture
def own_files(tmp_path, monkeypatch):
    """Function that changes to a folder with the user's files of a method."""

    def enter(method) -> pathlib.Path:
        folder = tmp_path / (method or "no_method")
        if not folder.exists():
            folder.mkdir()
            readme_commands.write_own_files(method, folder)
        monkeypatch.chdir(folder)
        return folder

    return enter


def test_every_folder_that_needs_one_has_a_readme():
    names = ["", "launch", "iclr22/data", "experiments/benchmarks"]
    names += [f"experiments/{name}" for name in METHODS]
    missing = [name for name in names if not (ROOT / name / "README.md").exists()]
    assert not missing
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_every_method_has_its_commands_in_its_readme_and_its_docstring():
    for name in METHODS:
        places = (f"experiments/{name}/README.md", f"experiments/{name}/__main__.py")
        for place in places:
            found = [x for x in TOLD if x.source == place and split(x)[0] == name]
            assert len(found) >= 3, place


@pytest.mark.parametrize("command", TOLD, ids=title)
def test_command_is_known_and_its_flags_are_read(command, own_files):
    method, words = split(command)
    own_files(method)
    if method:
        for path in (word.partition("=")[2] for word in words if "=RUN/" in word):
            pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
            pathlib.Path(path).touch()
        helpers.parsed(experiment_of(method), *words)
    launcher = [x for x in command.words if x.startswith("launch/")]
    if launcher:
        script = ROOT / launcher[0]
        assert script.exists()
        before = command.words[: [*command.words, "--"].index("--")]
        if script.suffix == ".py":
            known = readme_commands.flags_in(script.read_text())
            assert set(readme_commands.flag_names(before)) <= known
    elif command.words[0] == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(command.words[1:]) <= set(targets)
    elif command.module == "pytest":
        paths = [x for x in command.words if "/" in x]
        assert paths and all((ROOT / path).exists() for path in paths)
    elif not method:
        known = readme_commands.defined_flags(command.module)
        assert set(readme_commands.flag_names(command.words)) <= known


@pytest.mark.parametrize("path", readme_commands.readmes(), ids=str)
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", readme_commands.readmes(), ids=str)
def test_python_names_what_exists(path):
    """Of every module of ours that a block imports, all that is taken from it is there."""
    names = {}
    for block in readme_commands.python_blocks(path.read_text(encoding="utf-8")):
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                if "iclr22" in ast.unparse(node):
                    exec(ast.unparse(node), names)  # fails where something is missing
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                owner = names.get(node.value.id)
                if isinstance(owner, types.ModuleType):
                    assert hasattr(owner, node.attr), ast.unparse(node)


def test_tables_are_up_to_date():
    helpers.finish(helpers.start("-m", "experiments.readme", "--check"))


def test_table_is_replaced_between_its_marks():
    start, end = readme.START, readme.END
    text = f"# A\n\n{start}\nold | table\n{end}\n\nmore\n"
    new = readme.renewed(text, "| new |\n| --- |")
    assert new == f"# A\n\n{start}\n| new |\n| --- |\n{end}\n\nmore\n"
    assert readme.renewed(new, "| new |\n| --- |") == new
    assert readme.renewed(f"{start}\n{end}", "x") == f"{start}\nx\n{end}"
    for bad in ("", start, f"{end}\n{start}", f"{text}{text}"):
        with pytest.raises(errors.InputError, match="expected one <!-- results -->"):
            readme.renewed(bad, "x")


@pytest.mark.parametrize("name", METHODS)
def test_table_has_the_command_that_makes_each_row(name):
    lines = readme.results_table(name).splitlines()[2:]
    measured = paper.means(paper.results(name))
    rows = [x for x in paper.of(name).HEADLINES if x.key in measured]
    assert len(lines) == len(rows) > 0
    for line, row in zip(lines, rows, strict=True):
        what, data, _, published, command = map(str.strip, line.strip("|").split(" | "))
        assert (what, published) == (row.what, str(row.published))
        assert data == f"{row.key[0]}, {row.key[1]}"
        assert command == f"`{paper.command(name, row.arguments)}`"


def test_front_page_has_a_line_for_every_method():
    lines = readme.front_table().splitlines()[2:]
    assert len(lines) == 10
    for name in METHODS:
        (line,) = [x for x in lines if f"(experiments/{name}/README.md)" in x]
        assert f"`python -m experiments.{name}`" in line
        assert paper.of(name).NEED in line
    assert sum("to come" in line for line in lines) == 10 - len(METHODS)


# The commands run, in their quick form.


def quick_words(method, words) -> tuple[str, ...]:
    """Words of an experiment that end soon: with --quick, without large numbers."""
    several = experiment_of(method).quick.values()
    sizes = {k for x in several for k, value in x.items() if type(value) is int}
    sizes |= {"seeds", "workdir"}
    kept = [x for x in words if readme_commands.flag_names([x])[0] not in sizes]
    return tuple(dict.fromkeys([*kept, "--quick"]))


def found_in_runs(word, folder, datasets) -> str:
    """A word with a file of that name in place of RUN/...: of the newest run on the user's
    own data."""
    flag, _, path = word.partition("=RUN/")
    if not path:
        return word
    found = []
    for about in folder.glob("runs/*/*/config.json"):
        own = json.loads(about.read_text())["dataset"] not in datasets
        files = about.parent.rglob(path)
        found += [(own, x.stat().st_mtime, str(x)) for x in files]
    assert found, f"no run before has written {path}"
    return f"{flag}={max(found)[-1]}"


def quick_runs(method) -> list[tuple[str, ...]]:
    """Quick forms of all commands of the READMEs that start this experiment, once each."""
    found = (split(command) for command in COMMANDS if command.module)
    return list(dict.fromkeys(quick_words(*x) for x in found if x[0] == method))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_commands_of_an_experiment_run(method, own_files, tmp_path, monkeypatch):
    monkeypatch.setenv("ICLR22_DATA", str(tmp_path / "nothing"))
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    folder, datasets = own_files(method), experiment_of(method).datasets
    for quick in quick_runs(method):
        words = [found_in_runs(word, folder, datasets) for word in quick]
        process = helpers.start(
            "-m", f"experiments.{method}", cache, *words, cwd=folder
        )
        out, err = helpers.finish(process, timeout=600)
        assert "done in" in out and "Traceback" not in err, words


TOOLS = {
    "experiments": (),
    "experiments.readme": ("--check",),
    "experiments.benchmarks": ("--quick",),
    "experiments.reproduce": ("--scale=quick",),
}


def tools() -> list[tuple[str, ...]]:
    """Quick forms of the other commands; the benchmarks start those of each method.

    What needs hosts, a cluster or a new environment is not started here.
    """
    found = []
    for command in COMMANDS:
        if command.module in TOOLS:
            kept = [x for x in command.words[1:] if not x.startswith("--scale=")]
            found.append((*kept, *TOOLS[command.module]))
            continue
        launcher, words = "".join(command.words[1:2]), command.words[2:]
        if launcher == "launch/local_processes.py":
            quick = ("--quick",) if split(command)[0] else ()
            found.append((str(ROOT / launcher), *words, *quick))
        elif launcher == "launch/tpu_vm.py" and "VERB" not in words:
            found.append((str(ROOT / launcher), "--dry_run", *words))
    return list(dict.fromkeys(tuple(dict.fromkeys(words)) for words in found))


@pytest.mark.slow
@pytest.mark.parametrize("words", tools(), ids=" ".join)
def test_other_commands_of_the_readmes_run(words, tmp_path, monkeypatch):
    given = {"PROJECT_ID": "prj", "ZONE": "us-x1-a", "TPU_NAME": "node"}
    given |= {"ACCELERATOR_TYPE": "v5litepod-8", "ICLR22_DATA": str(tmp_path)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    if "--" in words and "--quick" in words:
        words = (*words, f"--workdir={tmp_path / 'run'}")
    helpers.finish(helpers.start(*words, cwd=tmp_path), timeout=1800)
