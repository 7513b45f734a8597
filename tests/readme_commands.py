"""The commands that README files and docstrings tell, as words, and what they stand for."""

import ast
import importlib.util
import pathlib
import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[1]
CODE = re.compile(r"^(?: {4,}|\t)\S[^\n]*|^```.*?^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
STARTS = ("python -m ", "python launch/", "bash launch/", "launch/", "sbatch ", "make ")
PLACEHOLDER = re.compile(r"<\w+>|experiments\.NAME")  # a pattern, no command


class Command(NamedTuple):
    """One command."""

    source: str  # file, relative to the checkout
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """As it is typed."""
        return shlex.join(self.words)

    @property
    def module(self) -> str:
        """That Python runs, or the name of the experiment that a launcher starts."""
        return self.words[2] if self.words[:2] == ("python", "-m") else ""


def readmes() -> list[pathlib.Path]:
    """All of the checkout."""
    found = (
        path for depth in range(4) for path in ROOT.glob("*/" * depth + "README.md")
    )
    hidden = (".", "runs", "report", "build")
    return [x for x in found if not x.relative_to(ROOT).parts[0].startswith(hidden)]


def docstrings() -> Iterator[tuple[pathlib.Path, str]]:
    """Those of the modules below experiments/ and launch/."""
    for path in sorted([*ROOT.glob("experiments/**/*.py"), *ROOT.glob("launch/*.py")]):
        yield path, ast.get_docstring(ast.parse(path.read_text()), clean=False) or ""


def in_text(source: pathlib.Path, text: str, *, inline: bool = True) -> list[Command]:
    """Commands in code, and between backticks."""
    blocks = [match[0] for match in CODE.finditer(text)]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    if inline:
        rest = CODE.sub("", text)
        lines += [" ".join(found.split()) for found in INLINE.findall(rest)]
    name = source.relative_to(ROOT).as_posix()
    stripped = (line.strip() for line in lines)
    lines = [x for x in stripped if x.startswith(STARTS) and not PLACEHOLDER.search(x)]
    return [Command(name, _words(line)) for line in lines]


def _words(line: str) -> tuple[str, ...]:
    return tuple(shlex.split(line, comments=True))


def all_of_readmes() -> list[Command]:
    """In order of files."""
    return [
        command
        for path in readmes()
        for command in in_text(path, path.read_text(encoding="utf-8"))
    ]


def all_of_docstrings() -> list[Command]:
    """Docstrings indent commands by two or more."""
    return [
        command
        for path, text in docstrings()
        for command in in_text(path, re.sub(r"^ {2}(?=\S)", "    ", text, flags=re.M))
    ]


def python_blocks(text: str) -> list[str]:
    """What stands between ```python and ```."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def defined_flags(module: str) -> set[str]:
    """Flags that a program defines, from its source; `no` before a bool's name as well."""
    spec = importlib.util.find_spec(module)
    if spec and spec.submodule_search_locations:
        spec = importlib.util.find_spec(f"{module}.__main__")
    assert spec and spec.origin, f"no module {module}"
    source = pathlib.Path(spec.origin).read_text()
    return flags_in(source) | (
        {"numbers"} if "numbers.define_flags()" in source else set()
    )


def flags_in(source: str) -> set[str]:
    """Names in calls of `flags.DEFINE_...`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr.startswith("DEFINE_"):
                name = ast.literal_eval(node.args[0])
                found |= {name, f"no{name}"} if "bool" in node.func.attr else {name}
    return found


def flag_names(words) -> list[str]:
    """`--name=value` without dashes and value."""
    return [word[2:].partition("=")[0] for word in words if word.startswith("--")]


def write_own_files(method: str, folder: pathlib.Path) -> None:
    """The user's files that the README of a method speaks of, small."""
    path = ROOT / "tests" / method / "own_files.py"
    if path.exists():
        spec = importlib.util.spec_from_file_location(f"own_files_{method}", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.write(folder)
