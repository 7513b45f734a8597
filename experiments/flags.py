"""Command-line flags made from a method's `Options`: name, type, default and help text.

`Options` is a NamedTuple of settings and of configurations, NamedTuples themselves. Its
class attribute `MAIN` names the field whose flags have bare names (`--learning_rate`);
those of other configurations are dotted (`--bpr.learning_rate`). Fields that a class lists
in `RESOLVED`, whole configurations too, have no flag: the data, the task or the variant
decide them. A dotted name there (`gru.heads`) is a field of one configuration, which others
of its class may read.

A comment beside a field, or the lines of comment right above it, are its help.
"""

import ast
import functools
import inspect
import io
import textwrap
import tokenize
import typing
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from absl import flags

from iclr22 import errors

flags.disclaim_key_flags()  # they belong to the experiment, whose --help lists them


class Field(NamedTuple):
    """One option that has a flag."""

    name: str  # of the flag
    path: tuple[str, ...]  # fields that lead to it
    default: Any
    hint: Any  # its type
    help: str


def fields(
    options,
    prefix: str = "",
    path: tuple[str, ...] = (),
    resolved: tuple[str, ...] = (),
) -> Iterator[Field]:
    """All options with a flag, those of configurations after the field's own place.

    Args:
      resolved: names without a flag besides those of `RESOLVED`.
    """
    hints = typing.get_type_hints(type(options))
    helps = field_comments(type(options))
    without = (*resolved, *getattr(options, "RESOLVED", ()))
    main = getattr(options, "MAIN", "")
    for name, default in options._asdict().items():
        here = (*path, name)
        if name in without:
            continue
        if hasattr(default, "_fields"):
            inner, dotted = prefix if name == main else f"{prefix}{name}.", f"{name}."
            below = (x.removeprefix(dotted) for x in without if x.startswith(dotted))
            yield from fields(default, inner, here, tuple(below))
        else:
            shown = name.removesuffix("_")  # of `with_` the flag is --with
            yield Field(prefix + shown, here, default, hints[name], helps[name])


def define(options) -> None:
    """Define one absl flag per option."""
    for field in fields(options):
        _define_one(field)


def _define_one(field: Field) -> None:
    name, default, hint, text = field.name, field.default, field.hint, field.help
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


def given(options) -> dict[str, Any]:
    """Values of the flags that are on the command line, by name of the flag."""
    found = {}
    for field in fields(options):
        flag = flags.FLAGS[field.name]
        if flag.present:
            found[field.name] = flag.value
            if typing.get_origin(field.hint) is tuple:
                kind = typing.get_args(field.hint)[0]
                found[field.name] = _items(field.name, kind, flag.value)
    return found


def _items(name, kind, texts) -> tuple:
    try:
        return tuple(kind(x) for x in texts)
    except ValueError as error:
        raise errors.InputError(
            f"--{name} takes values of type {kind.__name__} separated by commas; found "
            f"{','.join(texts)}"
        ) from error


def values(options) -> dict[str, Any]:
    """Every option by the name of its flag."""
    found = {}
    for field in fields(options):
        value = options
        for name in field.path:
            value = getattr(value, name)
        found[field.name] = value
    return found


def replace(options, changes: Mapping[str, Any]):
    """`options` with other values, by names of flags.

    Raises:
      KeyError: a name that is no flag.
    """
    paths = {field.name: field.path for field in fields(options)}
    for name, value in changes.items():
        options = _replaced(options, paths[name], value)
    return options


def _replaced(options, path, value):
    first, *rest = path
    if rest:
        value = _replaced(getattr(options, first), rest, value)
    return options._replace(**{first: value})


@functools.cache
def field_comments(kind) -> dict[str, str]:
    """Comments beside each annotated field of a class and right above, as help text."""
    source = textwrap.dedent(inspect.getsource(kind))
    lines = source.splitlines()
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    alone = {line for line in comments if lines[line - 1].lstrip().startswith("#")}
    texts = {}
    body = typing.cast(ast.ClassDef, ast.parse(source).body[0]).body
    for field in (x for x in body if isinstance(x, ast.AnnAssign)):
        last = field.end_lineno or field.lineno
        above = field.lineno
        while above - 1 in alone:
            above -= 1
        places = [*range(above, field.lineno), *range(field.lineno, last + 1)]
        text = " ".join(comments[line] for line in places if line in comments)
        texts[ast.unparse(field.target)] = text
    return texts
