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
    # step size, a text that
    # goes on for two more lines
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


def test_a_field_named_as_a_word_of_python_has_the_flag_of_that_word(command_line):
    class Inner(NamedTuple):
        with_: str = "all"  # part that is used

    config_flags.define(Inner())
    command_line("--with=one")
    assert parsed(Inner()).with_ == "one"
    assert config_flags.values(Inner()) == {"with": "all"}


def parsed(options):
    """`options` with what the command line says."""
    return config_flags.replace(options, config_flags.given(options))


def test_flags_win_over_presets_and_presets_over_defaults(command_line):
    config_flags.define(Config())
    command_line(
        "--things=9", "--rate=1e-3", "--widths=1,2,3", "--names=", "--noshuffle"
    )
    preset = Config(things=5, rate=0.5, title="preset", names=("x",), widths=(4,))
    found = parsed(preset)
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
    found = parsed(Config())
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
        config_flags.given(Config())


def test_field_of_unknown_type_is_refused(command_line):
    class Odd(NamedTuple):
        table: dict = {}  # noqa: RUF012 - of something

    with pytest.raises(TypeError, match="no flag for field table"):
        config_flags.define(Odd())


class Second(NamedTuple):
    """Of another stage, whose fields have the names of the first."""

    RESOLVED = ("outputs",)

    rate: float = 0.1  # step size of the second
    outputs: int = 0  # classes; from the data


class Models(NamedTuple):
    """Two stages and a choice."""

    MAIN = "config"
    RESOLVED = ("variant",)

    config: Config = Config()
    second: Second = Second()
    variant: str = ""  # by who trains
    snapshots: int = 3  # of a training


class Options(NamedTuple):
    """Of an experiment."""

    MAIN = "models"

    models: Models = Models()
    task: str = "plain"  # what is done


NAMES = (*Config._fields, "second.rate", "snapshots", "task")


class Twins(NamedTuple):
    """Two configurations of one class, of which each reads its own fields."""

    RESOLVED = ("first.rate", "second.outputs")

    first: Second = Second()
    second: Second = Second()


def test_a_dotted_name_hides_a_field_of_one_configuration_only():
    found = [field.name for field in config_flags.fields(Twins())]
    assert found == ["second.rate"]


class Around(NamedTuple):
    """A configuration that the data decide."""

    RESOLVED = ("inner",)

    inner: Second = Second()
    batch: int = 3  # examples


def test_a_whole_configuration_may_have_no_flags():
    assert [field.name for field in config_flags.fields(Around())] == ["batch"]


def test_flags_of_the_main_stage_are_bare_and_others_dotted(command_line):
    found = {field.name: field for field in config_flags.fields(Options())}
    assert tuple(found) == NAMES
    assert found["rate"].path == ("models", "config", "rate")
    assert found["second.rate"].path == ("models", "second", "rate")
    assert found["second.rate"].help == "step size of the second"
    config_flags.define(Options())
    assert "second.outputs" not in FLAGS and "variant" not in FLAGS
    command_line("--second.rate=3", "--rate=2", "--snapshots=1", "--widths=1")
    given = {"rate": 2.0, "widths": (1,), "second.rate": 3.0, "snapshots": 1}
    assert config_flags.given(Options()) == given
    expected = Models(Config(rate=2.0, widths=(1,)), Second(rate=3.0), snapshots=1)
    assert parsed(Options()) == Options(expected)


def test_values_are_named_like_flags_and_go_back():
    models = Models(Config(rate=7.0), Second(9.0, outputs=3), "v", 5)
    options = Options(models, "deep")
    values = config_flags.values(options)
    assert tuple(values) == NAMES
    assert (values["rate"], values["second.rate"], values["task"]) == (7.0, 9.0, "deep")
    resolved = Options(Models(second=Second(outputs=3), variant="v"))
    assert config_flags.replace(resolved, values) == options
    for name in ("second.outputs", "variant", "models.config.rate", "rates"):
        with pytest.raises(KeyError, match=name):
            config_flags.replace(options, {name: 1})


def test_flag_that_the_main_stage_does_not_have_is_unknown(command_line):
    config_flags.define(Options())
    for argument in ("--config.rate=1", "--second.outputs=2", "--variant=a"):
        with pytest.raises(flags.UnrecognizedFlagError, match=argument[2:-2]):
            command_line(argument)


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
