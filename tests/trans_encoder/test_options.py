"""Flags: what the pairs and the encoder decide, who reads which, what is refused."""

import helpers
import pytest

from experiments import options as option_lib
from experiments.trans_encoder import paper
from experiments.trans_encoder.experiment import EXPERIMENT, Options
from iclr22 import errors
from iclr22.trans_encoder import pipeline


def resolve(quick=False, own=False, dataset="facts", **given):
    given = {name.replace("__", "."): value for name, value in given.items()}
    return option_lib.resolve(EXPERIMENT, given, dataset=dataset, own=own, quick=quick)


def test_without_weights_encoders_are_tuned_first():
    found = resolve().models
    assert (found.start, found.cross_begin) == ("contrast", "start")
    assert found.distillation.bi.pooling == "mean" and found.noise == 0.4
    named = resolve(dataset="stsb", encoder=__file__).models
    assert named == pipeline.Options()  # as published
    assert named.distillation.bi.batch == 128 and named.distillation.cycles == 3


def test_the_flag_of_a_field_with_a_line_below_its_name():
    run = helpers.parsed(
        EXPERIMENT,
        *("--task=score", f"--model={__file__}", f"--pairs={__file__}", "--with=bi"),
    )
    assert run.options.with_ == "bi" and run.own


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"top": 3}, "--top is read by --task=mine; this run has --task=distil"),
        ({"with": "bi"}, "--with is read by --task=embed|score"),
        ({"tsdae__batch": 4}, "--variant=tsdae"),
        ({"contrast__batch": 4, "start": "sif"}, "--start=contrast"),
        ({"second_width": 16}, "--variant=mutual"),
        ({"near": 5}, "your own data"),
        ({"model": "x"}, "--model is read by"),
        ({"variant": ("tsdae",), "cycles": 2}, "--cycles is read by"),
    ],
)
def test_flags_that_change_nothing_are_refused(given, said):
    with pytest.raises(errors.InputError) as caught:
        resolve(**given)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"variant": ("selv",)}, "Did you mean 'self'"),
        ({"variant": ()}, "--variant expects some of self"),
        ({"second_encoder": __file__}, "--second_encoder needs --encoder"),
        ({"variant": ("mutual",), "encoder": __file__}, "mutual needs two encoders"),
        ({"encoder": "none"}, "--encoder: no such file or folder: none"),
        ({"dev": "none.csv"}, "none.csv: expected pairs with scores"),
        ({"width": 40}, "--width that is a multiple of 16; found 40"),
        ({"batch": 0}, "--batch of 1 or more; found 0"),
        ({"cross__epochs": 0}, "--cross.epochs of 1 or more; found 0"),
        ({"noise": -1.0}, "--noise of 0 or more; found -1"),
        ({"noise": float("nan")}, "--noise of 0 or more; found nan"),
        ({"dtype": "bfloat16"}, "bfloat16"),
        ({"task": "score"}, "--task=score needs --model=RUN/model.npz"),
        ({"task": "mine", "model": "none.npz"}, "no such file or folder: none.npz"),
        ({"task": "embed", "model": __file__}, "--task=embed needs --sentences="),
        ({"task": "score", "model": __file__}, "--task=score needs --pairs="),
    ],
)
def test_what_cannot_be_done_is_refused(given, said):
    with pytest.raises(errors.InputError) as caught:
        resolve(**given)
    assert said in str(caught.value)


def test_defaults_are_the_published_ones():
    assert Options().models.distillation.cross.learning_rate == 2e-5
    assert Options().models.start == "encoder"


def test_published_numbers_span_both_encoders():
    assert paper.published("stsb", "mutual_cross", "test/spearman") == "83.61-84.65"
    assert paper.published("mrpc", "cross", "test/auc") == 0.7621
    for wrong in (("facts", "cross"), ("stsb", "static"), ("mrpc", "cross")):
        assert paper.published(*wrong, "test/spearman") == ""
    for table in (paper.SPEARMAN, paper.ROBERTA):
        assert all(len(x) == len(paper.SETS) for x in table.values())
    means = {x: sum(v) / 7 for x, v in paper.SPEARMAN.items()}
    assert abs(means["bi"] - 78.65) < 0.005  # as the paper's last column says
    assert abs(means["mutual_cross"] - 79.90) < 0.005
