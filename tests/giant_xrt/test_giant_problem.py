"""Who is seen while features are learned, and what is planned."""

import types

import helpers
import numpy as np
import pytest

from experiments.giant_xrt import fit, problem
from experiments.giant_xrt.experiment import EXPERIMENT
from iclr22 import errors, graph
from iclr22.data import text_graphs
from iclr22.giant_xrt import pipeline, plan


def run_of(*words):
    return helpers.parsed(EXPERIMENT, "--quick", *words)


def codes(found, rows):
    """Links as numbers, of nodes as they are numbered in the whole."""
    edges = rows[text_graphs.undirected_edges(found)]
    return set(map(tuple, edges.T.tolist()))


def test_hidden_nodes_and_held_links_are_not_seen():
    found = problem.load(run_of("--hide=0.2", "--held_links=0.25"), 1)
    n = len(found.whole.texts)
    assert len(found.hidden) == round(0.2 * n) == n - len(found.rows)
    assert not set(found.rows) & set(found.hidden)
    assert found.seen.texts == tuple(found.whole.texts[i] for i in found.rows)
    seen, every = codes(found.seen, found.rows), codes(found.whole, np.arange(n))
    held = set(map(tuple, found.held.T.tolist()))
    assert held and not seen & held and seen | held <= every
    inside = {x for x in every if not set(x) & set(found.hidden)}
    assert seen | held == inside
    assert 0.15 < len(held) / len(inside) < 0.35
    for masks in found.kinds.values():
        away = set(found.hidden)
        assert all(set(np.flatnonzero(x)) <= away for x in masks["test"])
        assert not any(set(np.flatnonzero(x)) & away for x in masks["train"])


def test_classifiers_do_not_see_held_links_either():
    run = run_of("--hide=0.2", "--held_links=0.25")
    found = problem.load(run, 0)
    links = fit.Measured(run, run.options.models, found, 0)._links()
    ends = graph.links(links)
    given = set(map(tuple, np.stack([ends.senders, ends.receivers]).T.tolist()))
    held = set(map(tuple, found.held.T.tolist()))
    assert not given & (held | {x[::-1] for x in held})
    assert not {x for pair in given for x in pair} & set(found.hidden)


def test_a_generated_graph_is_another_for_every_seed():
    run = run_of()
    one, two, again = (problem.load(run, seed) for seed in (0, 1, 0))
    assert one.whole.texts == again.whole.texts != two.whole.texts


def test_rounds_fit_into_the_minutes_that_are_given(caplog):
    run = run_of()
    found = problem.load(run, 0)
    run.options = run.options._replace(minutes=0.0)
    with caplog.at_level("INFO", logger="absl"):
        whole = fit.planned(run, found)
    assert whole == run.options.models and "levels 4 > 16 > 240" in caplog.text
    steps = pipeline.Rounds(steps=(5000,))
    models = run.options.models._replace(rounds=steps)
    run.options = run.options._replace(minutes=0.2, models=models)
    short = fit.planned(run, found).rounds
    assert sum(short.steps) < 10_000
    config = models.matcher._replace(encoder=found.encoder.config)
    made = plan.make((4, 16, 240), [3], config, short)
    assert made.seconds <= 12.1
    run.options = run.options._replace(minutes=1e-4)
    with pytest.raises(errors.InputError, match="minutes"):
        fit.planned(run, found)


def test_an_unknown_variant_is_refused():
    with pytest.raises(errors.InputError, match="Did you mean 'giant'"):
        options = pipeline.Options(variant="gaint")
        pipeline.train(types.SimpleNamespace(), types.SimpleNamespace(), options)
