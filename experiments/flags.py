"""Command-line flags made from a method's `Config`: type, default and help text."""

import ast
import inspect
import io
import textwrap
import tokenize
import typing

from absl import flags

from iclr22 import errors

flags.disclaim_key_flags()  # they belong to the experiment, whose --help lists them


def define(config) -> None:
    """Define one absl flag per field of a NamedTuple configuration."""
    hints = typing.get_type_hints(type(config))
    helps = field_comments(type(config))
    for name, default in config._asdict().items():
        _define_one(name, default, hints[name], helps.get(name, ""))


def _define_one(name, default, hint, text):
    if typing.get_origin(hint) is typing.Literal:
        options = [str(x) for x in typing.get_args(hint)]
        flags.DEFINE_enum(name, default, options, text)
    elif hint is bool:
        flags.DEFINE_bool(name, default, text)
    elif hint is int:
        flags.DEFINE_integer(name, default, text)
    elif hint is float:
        flags.DEFINE_float(name, default, text)
    elif hint is str:
        flags.DEFINE_string(name, default, text)
    elif typing.get_origin(hint) is tuple:
        flags.DEFINE_list(name, [str(x) for x in default], text + " (comma-separated)")
    else:
        raise TypeError(f"no flag for field {name} of type {hint}")


def parse(config, base):
    """`base` with every field replaced that was given on the command line.

    Args:
      config: the configuration that `define` was called with.
      base: the settings of the chosen data set.
    """
    hints = typing.get_type_hints(type(config))
    given = {}
    for name in config._fields:
        if flags.FLAGS[name].present:
            value = flags.FLAGS[name].value
            if typing.get_origin(hints[name]) is tuple:
                value = _items(name, typing.get_args(hints[name])[0], value)
            given[name] = value
    return base._replace(**given)


def _items(name, kind, texts) -> tuple:
    try:
        return tuple(kind(x) for x in texts)
    except ValueError as error:
        raise errors.InputError(
            f"--{name} takes values of type {kind.__name__} separated by commas; found "
            f"{','.join(texts)}"
        ) from error


def field_comments(kind) -> dict[str, str]:
    """Comments beside each annotated field of a class and right below, as help text."""
    source = textwrap.dedent(inspect.getsource(kind))
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    fields = [x for x in ast.parse(source).body[0].body if isinstance(x, ast.AnnAssign)]
    texts = {}
    for field in fields:
        lines = list(range(field.lineno, field.end_lineno + 1))
        while lines[-1] + 1 in comments and not _code_on(source, lines[-1] + 1):
            lines.append(lines[-1] + 1)
        text = " ".join(comments[line] for line in lines if line in comments)
        texts[field.target.id] = text
    return texts


def _code_on(source: str, line: int) -> bool:
    return not source.splitlines()[line - 1].lstrip().startswith("#")
