"""Flags made from a configuration, and the error for an unknown name."""

from typing import Literal, NamedTuple

import pytest
from absl import flags

from experiments import flags as config_flags
from iclr22 import errors

FLAGS = flags.FLAGS


class Config(NamedTuple):
    """Fields of every kind; # not a comment."""

    things: int = 3  # number of things
    # step size, a text that goes on for two more lines
    rate: float = 0.001

    # about the next fields, no help of any
    shuffle: bool = True  # shuffle # or not
    title: str = "a # b"  # any text
    # which kind, a text that goes on below
    kind: Literal["one", "two", "three", "four", "five"] = "one"
    widths: tuple[int, ...] = (8, 16)  # sizes
    names: tuple[str, ...] = ()  # of layers
    # moved to its own line by the formatter, as happens to comments of 80
    long: float = 0.5


HELPS = {
    "things": "number of things",
    "rate": "step size, a text that goes on for two more lines",
    "shuffle": "shuffle # or not",
    "title": "any text",
    "kind": "which kind, a text that goes on below",
    "widths": "sizes",
    "names": "of layers",
    "long": "moved to its own line by the formatter, as happens to comments of 80",
}


def test_comments_become_help():
    assert config_flags.field_comments(Config) == HELPS


def test_comments_of_a_nested_class_are_found():
    class Inner(NamedTuple):
        a: int = 1  # of a
        b: int = 2  # of b

    assert config_flags.field_comments(Inner) == {"a": "of a", "b": "of b"}


def test_every_field_is_a_flag_with_type_default_and_help(command_line):
    config_flags.define(Config())
    command_line()
    for name, default in Config()._asdict().items():
        flag = FLAGS[name]
        given = list(map(str, default)) if isinstance(default, tuple) else default
        assert flag.value == given and not flag.present
        assert HELPS[name] in flag.help
    types = {name: FLAGS[name].flag_type() for name in Config._fields}
    assert types == {
        "things": "int",
        "rate": "float",
        "shuffle": "bool",
        "title": "string",
        "kind": "string enum",
        "widths": "comma separated list of strings",
        "names": "comma separated list of strings",
        "long": "float",
    }
    assert FLAGS["kind"].parser.enum_values[:2] == ["one", "two"]
    assert "comma-separated" in FLAGS["widths"].help


def test_flags_win_over_presets_and_presets_over_defaults(command_line):
    config_flags.define(Config())
    command_line(
        "--things=9", "--rate=1e-3", "--widths=1,2,3", "--names=", "--noshuffle"
    )
    preset = Config(things=5, rate=0.5, title="preset", names=("x",), widths=(4,))
    found = config_flags.parse(Config(), preset)
    assert found == preset._replace(
        things=9,  # over the preset
        rate=1e-3,  # also where it says what the default is
        widths=(1, 2, 3),
        names=(),
        shuffle=False,
    )
    assert found.title == "preset" and found.kind == "one" and found.long == 0.5
    hash(found)


def test_given_flags_have_the_type_of_their_field(command_line):
    config_flags.define(Config())
    command_line("--rate=1", "--kind=two", "--names=a,b", "--title=3", "--long=2")
    found = config_flags.parse(Config(), Config())
    assert found == Config(rate=1.0, kind="two", names=("a", "b"), title="3", long=2.0)
    assert isinstance(found.rate, float)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--kind=ten", "ten.*<one.two.three"),
        ("--things=1.5", "things=1.5"),
        ("--rate=fast", "rate=fast"),
        ("--thinks=3", "Unknown.*thinks.*Did you mean: things"),
    ],
)
def test_wrong_value_is_refused_at_the_command_line(command_line, argument, message):
    config_flags.define(Config())
    with pytest.raises(flags.Error, match=message):
        command_line(argument)


def test_wrong_entry_of_a_list_says_what_was_expected(command_line):
    config_flags.define(Config())
    command_line("--widths=8,wide")
    with pytest.raises(errors.InputError, match="--widths .* int .*found 8,wide"):
        config_flags.parse(Config(), Config())


def test_field_of_unknown_type_is_refused(command_line):
    class Odd(NamedTuple):
        table: dict = {}  # noqa: RUF012 - of something

    with pytest.raises(TypeError, match="no flag for field table"):
        config_flags.define(Odd())


def test_flags_of_one_test_do_not_reach_the_next():
    assert "things" not in FLAGS and not FLAGS.is_parsed()


def test_nearest_name_comes_first():
    text = str(errors.nearest("digts", ["mnist", "digits", "cifar10"], "data set"))
    assert text.startswith("Unknown data set 'digts'. Did you mean 'digits'")
    assert text.endswith("? Known: cifar10, digits, mnist.")
    text = str(errors.nearest("zzz", iter(["b", "a"]), "mode"))
    assert text == "Unknown mode 'zzz'. Known: a, b."
    assert isinstance(errors.nearest("a", ["b"], "mode"), ValueError)


def test_unknown_method_lists_the_nearest():
    import iclr22

    with pytest.raises(errors.InputError, match="Unknown method 'dva'.*'diva'"):
        iclr22.get("dva")
    assert iclr22.get("diva").__name__ == "iclr22.diva"
    assert set(iclr22.available()) <= set(iclr22.METHODS)
