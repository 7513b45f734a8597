"""Cycles: labels, what students begin at, selection, resuming, controls."""

import functools

import jax
import numpy as np
import pair_helpers as tiny
import pytest
from helpers import assert_trees_close

from iclr22 import errors, loop
from iclr22.data import texts
from iclr22.trans_encoder import (
    artifact,
    cross_encoder,
    distillation,
    labels,
    plans,
    self_distillation,
    tasks,
)
from iclr22.trans_encoder.distillation import distil


@functools.cache
def mutual():
    """Two encoders of unequal width, two cycles, selected by a labelled set."""
    encoders = [tiny.encoder(0), tiny.encoder(1, width=24)]
    return distil(encoders, tiny.task(), tiny.OPTIONS)


def run(encoders, task=None, options=tiny.OPTIONS):
    every = plans.students(encoders, task or tiny.task(), 8)
    return distillation.Run(every, task or tiny.task(), options, None, 0, "jit")


def own(encoders, options=tiny.OPTIONS):
    return plans.beginning(encoders, options)


def test_two_identical_encoders_give_the_labels_of_one():
    one, task = tiny.encoder(), tiny.task()
    alone = run([one]).cosines(own([one]))
    both = run([one, one]).cosines(own([one, one]))
    np.testing.assert_allclose(both, alone, atol=1e-6)
    kept = mutual().cross[:1]
    scores = run([one]).scores(kept)
    np.testing.assert_allclose(run([one, one]).scores(kept * 2), scores, atol=1e-6)
    assert len(alone) == len(task.first) == 40


def test_labels_of_two_are_the_mean_of_both():
    encoders = [tiny.encoder(0), tiny.encoder(1, width=24)]
    each = [run([x]).cosines(own([x])) for x in encoders]
    both = run(encoders).cosines(own(encoders))
    np.testing.assert_allclose(both, np.mean(each, axis=0), atol=1e-6)
    first = mutual().cycles[0]
    np.testing.assert_allclose(first.cross_labels, labels.clipped(both)[0], atol=1e-6)


def test_labels_flow_from_one_phase_to_the_next():
    encoders = [tiny.encoder(0), tiny.encoder(1, width=24)]
    found, first = mutual(), mutual().cycles[0]
    assert [x.config.bert.width for x in first.bi.students] == [16, 24]
    scores = run(encoders).scores(first.cross.students)
    np.testing.assert_allclose(first.bi_labels, scores, atol=1e-6)
    cosines = run(encoders).cosines(first.bi.students)
    second = found.cycles[1].cross_labels
    np.testing.assert_allclose(second, labels.clipped(cosines)[0], atol=1e-6)
    for cycle in found.cycles:
        for given in (cycle.cross_labels, cycle.bi_labels):
            assert given.min() >= 0 and given.max() <= 1 and given.std() > 1e-4


def test_every_student_is_looked_at_and_changes():
    for kind in ("cross", "bi"):
        rows = getattr(mutual().cycles[0], kind).looks
        assert {x["student"] for x in rows} == {0, 1} and len(rows) == 6
        assert len({x["teacher"] for x in rows}) == len({x["dev"] for x in rows}) == 6


def test_the_best_of_all_cycles_is_kept():
    for kind in ("bi", "cross"):
        phases = [getattr(x, kind) for x in mutual().cycles]
        for k, kept in enumerate(getattr(mutual(), kind)):
            devs = [x["dev"] for p in phases for x in p.looks if x["student"] == k]
            assert kept.dev == max(devs)
            assert any(kept is p.students[k] for p in phases)


@functools.cache
def fresh(method, config):
    init = jax.jit(functools.partial(method.init, config, batch=None))
    return init(jax.random.key(0))


def caught(monkeypatch, **options):
    """What reaches the loop, without training: initial parameters as they are."""
    found = []

    def fit(method, config, batches, schedule, *, begin, review, measure, **rest):
        state = fresh(method, config)
        params = jax.tree.map(np.asarray, begin(state.params))
        params["norm"]["bias"] = params["norm"]["bias"] + 1  # it has learned
        state = state._replace(params=params, step=np.int32(schedule.steps))
        state = jax.tree.map(jax.numpy.asarray, state)
        found.append((method, config, batches, begin(state.params), rest["seed"]))
        measure(state.params)
        return review(state, {})

    monkeypatch.setattr(loop, "fit", fit)
    options = {"options": tiny.OPTIONS} | options
    task = options.pop("task", tiny.task())
    distil([tiny.encoder()], task, options.pop("options"), **options)
    return found


def test_every_student_begins_at_the_encoder(monkeypatch):
    plain = tiny.encoder(5)
    found = caught(monkeypatch, plain=[plain])
    assert [x[0] is cross_encoder for x in found] == [True, False, True, False]
    for method, _, _, begin, _ in found:
        wanted = plain if method is cross_encoder else tiny.encoder()
        for name in ("word", "layer_0", "norm"):
            assert_trees_close(begin[name], wanted.params[name])
    assert_trees_close(found[0][3]["pooler"], plain.params["pooler"])
    assert "pooler" not in found[1][3] and "classifier" in found[0][3]
    assert len({seed for *_, seed in found}) == 4


def test_sequential_students_begin_at_those_of_the_cycle_before(monkeypatch):
    found = caught(monkeypatch, options=tiny.OPTIONS._replace(begin="sequential"))
    start = tiny.encoder().params["norm"]["bias"]
    for i, learned in ((0, 0), (1, 0), (2, 1), (3, 1)):
        np.testing.assert_allclose(found[i][3]["norm"]["bias"], start + learned)


@pytest.mark.parametrize(("symmetric", "count"), [(True, 80), (False, 40)])
def test_pairs_are_read_in_both_orders_if_these_are_alike(
    monkeypatch, symmetric, count
):
    found = caught(monkeypatch, task=tiny.task(symmetric))
    assert [len(x[2].first) for x in found] == [count, 40, count, 40]
    cross = found[0][2]
    if symmetric:
        np.testing.assert_array_equal(cross.first[:40], cross.second[40:])
        np.testing.assert_array_equal(cross.labels[:40], cross.labels[40:])
    assert found[0][1].steps == 3 * cross.per_epoch


def test_labels_of_another_teacher_and_shuffled_ones(monkeypatch):
    given = np.linspace(-0.2, 1.1, 40)
    found = caught(monkeypatch, given=given)[0][2].labels[:40]
    np.testing.assert_allclose(found, np.clip(given, 0, 1), rtol=1e-6)
    options = tiny.OPTIONS._replace(clip=False, cycles=1)
    found = caught(monkeypatch, given=given, options=options)[0][2].labels[:40]
    np.testing.assert_allclose(found, given, rtol=1e-6)
    options = options._replace(shuffle=True)
    found = caught(monkeypatch, given=given, options=options)[0][2].labels[:40]
    assert (found != given.astype(np.float32)).any()
    np.testing.assert_allclose(np.sort(found), given, rtol=1e-6)


def test_bi_encoders_teach_bi_encoders_in_the_baseline(monkeypatch):
    encoder = tiny.encoder()
    found = self_distillation.self_distil([encoder], tiny.task(), tiny.OPTIONS)
    assert len(found) == 2 and all(len(x.students) == 1 for x in found)
    assert found[0].students[0].params.keys() == found[1].students[0].params.keys()
    assert "classifier" not in found[0].students[0].params
    assert [x["step"] for x in found[0].looks] == [2, 4, 6]


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    encoders = [tiny.encoder(0), tiny.encoder(1, width=24)]
    options, fit, calls = tiny.OPTIONS._replace(cycles=1), loop.fit, []

    def counted(*given, **options):
        calls.append(options["name"])
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fit(*given, **options)

    monkeypatch.setattr(loop, "fit", counted)
    again = functools.partial(
        distil, encoders, tiny.task(), options, directory=tmp_path
    )
    with pytest.raises(KeyboardInterrupt):
        again()
    found = again()
    names = ["cross-encoder 0", "cross-encoder 1"] + 2 * [
        "bi-encoder 0",
        "bi-encoder 1",
    ]
    assert calls == [f"cycle 1, {x}" for x in names]
    whole = mutual().cycles[0]
    for kind, phase in (("bi", whole.bi), ("cross", whole.cross)):
        for one, other in zip(getattr(found, kind), phase.students, strict=True):
            assert_trees_close(one.params, other.params, rtol=1e-5, atol=1e-6)
            assert (one.step, one.config) == (other.step, other.config)
    assert not list(tmp_path.rglob("checkpoints")) and not list(tmp_path.rglob("looks"))
    repeated = again()
    assert len(calls) == 6
    params = [[x.params for x in run.bi] for run in (repeated, found)]
    assert_trees_close(*params, rtol=0, atol=0)
    with pytest.raises(errors.InputError, match="another training"):
        distil(encoders, tiny.task(), options, directory=tmp_path, seed=1)


def test_without_labels_students_are_compared():
    task = tiny.task(labelled=False)
    options = tiny.OPTIONS._replace(cycles=1)
    found = distil([tiny.encoder(0), tiny.encoder(1)], task, options)
    for phase in (found.cycles[0].cross, found.cycles[0].bi):
        rows = [x for x in phase.looks if x["student"] == 0]
        best = max(rows, key=lambda x: x["agreement"])
        assert phase.students[0].step == best["step"] == phase.students[1].step
        assert phase.students[0].criterion == pytest.approx(best["agreement"])
        assert np.isnan(phase.students[0].dev)


def test_the_best_students_are_a_model(tmp_path):
    encoders = [tiny.encoder(0), tiny.encoder(1, width=24)]
    model = artifact.of(mutual(), encoders)
    artifact.save(tmp_path / "model.npz", model)
    again = artifact.load(tmp_path / "model.npz")
    assert [x.config for x in again.bi] == [x.config for x in mutual().bi]
    for part, kept in zip(again.cross, mutual().cross, strict=True):
        assert_trees_close(part.params, kept.params, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "given", "said"),
    [
        (tiny.OPTIONS._replace(cycles=0), None, "found 1 and 0"),
        (tiny.OPTIONS._replace(rule="dev"), None, "select by agreement"),
        (tiny.OPTIONS, np.ones(3), "each of 40 different pairs; found 3"),
        (tiny.OPTIONS, np.full(40, np.nan), "non-finite"),
        (
            tiny.OPTIONS._replace(bi=tiny.OPTIONS.bi._replace(dtype="bfloat16")),
            None,
            "found a CPU",
        ),
    ],
)
def test_what_cannot_be_done_is_told_at_once(options, given, said):
    for method in (distil, self_distillation.self_distil):
        with pytest.raises(errors.InputError, match=said):
            method([tiny.encoder()], tiny.task(labelled=False), options, given=given)


def test_tasks_have_each_sentence_and_each_pair_once():
    pool = texts.make(["a", " b", "a", "c"], ["b", "a", "b ", "c"])
    found = tasks.of(pool, texts.make(["a", "d"], ["d", "e"], [1, 2]))
    assert found.sentences == ("a", "b", "c", "d", "e")
    assert found.first.tolist() == [0, 1, 2] and found.second.tolist() == [1, 0, 2]
    assert found.dev is not None and found.dev[1].tolist() == [3, 4]
    assert found.content() != tasks.of(pool).content()


@pytest.mark.parametrize(
    ("pool", "dev", "said"),
    [
        (([], []), None, "found none"),
        ((["a", "b"], ["c", " "]), None, "number 2"),
        ((["a", "b"], ["a", "b"]), None, "nothing to rank"),
        ((["a"], ["b"]), (["a", "b"], ["b", "c"]), "2 pairs, 2 without a score"),
        ((["a"], ["b"]), (["a", "b"], ["b", "c"], [1, 1]), "not all the same"),
    ],
)
def test_bad_pairs_are_told(pool, dev, said):
    with pytest.raises(errors.InputError, match=said):
        tasks.of(texts.make(*pool), dev and texts.make(*dev))
