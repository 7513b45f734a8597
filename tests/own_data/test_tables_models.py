"""Kept models that were damaged: refused when they are loaded, not when they predict."""

import json

import jax
import numpy as np
import pytest
from helpers import numbers, started

from iclr22 import cold_brew, data, errors, grda
from iclr22.cold_brew import artifact as students
from iclr22.cold_brew import perceptron, scaling, teacher
from iclr22.grda import adversarial, artifact

DAMAGES = (pytest.param(12), pytest.param(60, marks=pytest.mark.slow))


def student():
    """With random parameters: 5 features, rows of width 3, 3 classes, both guesses."""
    rows = {"x": numbers(8, 5), "extra": numbers(8, 0, 3)}
    one, two = (perceptron.Config(outputs=3, layers=1, width=6) for _ in range(2))
    wide = rows | {"extra": numbers(8, 3, 3)}
    config = teacher.Config(classes=3, hidden=4, layers=2)
    found = data.degree_corrected_sbm(np.random.default_rng(0), 12, 3, features=5)
    batch = teacher.prepare(config, found.graph)
    bare = teacher.without_embeddings(started(teacher, config, batch))
    chain = students.Chain(
        mlp1=(one, started(perceptron, one, rows)),
        bare=(config, bare),
        handover="logits",
        lookup=students.Lookup(neighbors=3),
        dictionary=numbers(9, 3, seed=5),
    )
    scale = scaling.scale_of(numbers(30, 5), "columns")
    names = np.arange(9).astype(str)
    mlp2 = (two, started(perceptron, two, wide))
    return students.Student(chain, mlp2, names, tuple("abc"), scale, tuple("vwxyz"))


def model():
    """A regression with random parameters on five domains."""
    found = data.generate_domains(
        np.random.default_rng(0), domains=5, points=4, sources=3
    )
    config = adversarial.Config(outputs=2, regression=True, hidden=6)
    z = numbers(5, 2)
    links = found.graph._replace(nodes=z)
    batch = {"x": numbers(4, 5, 2), "graph": links}
    params = adversarial.init(config, jax.random.key(0), batch).params
    return artifact.Model(
        stage="adversarial",
        config=config,
        members=(jax.device_get(params),),
        embeddings=z,
        embedding_scale=artifact.scale_of(z),
        sample_scale=artifact.scale_of(found.x),
        graph=found.graph,
        domain_names=np.array([*"pqrst"]),
        class_names=(),
        feature_names=("a", "b"),
        target_scale=artifact.Scale(np.array([285.0, 3.0]), np.array([7.0, 2.0])),
    )


def ask_student(path):
    return cold_brew.predict(cold_brew.load(path), numbers(4, 5)).probabilities


def ask_model(path):
    return grda.predict(grda.load(path), numbers(4, 2), np.array([*"pqrs"]))


KEPT = {
    "student": (student, cold_brew.save, ask_student),
    "grda": (model, artifact.save, ask_model),
}


def damage(number, arrays):
    """One array or one entry of the description changed; always the same for a number."""
    rng = np.random.default_rng(number)
    arrays = dict(arrays)
    names = sorted(set(arrays) - {"json"})
    name = names[number % len(names)]
    array = arrays[name]
    kind = number // len(names) % 6 if number % 3 else 6
    if kind == 0:
        arrays[name] = array[..., :-1]
    elif kind == 1:
        arrays[name] = np.concatenate([array, array])
    elif kind == 2:
        arrays[name] = np.full(array.shape, "text")
    elif kind == 3:
        arrays[name] = np.full(array.shape, np.nan)
    elif kind == 4:
        del arrays[name]
    elif kind == 5:
        arrays[name] = array.T[None]
    else:
        about = json.loads(str(arrays["json"]))
        place = about["about"]
        while True:
            key = sorted(place)[rng.integers(len(place))]
            if not isinstance(place[key], dict):
                break
            place = place[key]
        others = [None, -1, 0, 7, "other", [], ["a"], 1e9, {"a": 1}]
        place[key] = others[rng.integers(len(others))]
        arrays["json"] = np.asarray(json.dumps(about))
    return arrays


@pytest.mark.parametrize("damages", DAMAGES)
@pytest.mark.parametrize("kind", KEPT)
def test_damaged_models_are_refused_or_say_the_same(kind, damages, tmp_path):
    make, save, ask = KEPT[kind]
    path = tmp_path / "kept.npz"
    save(path, make())
    expected = ask(path)
    assert np.isfinite(expected).all()
    with np.load(path) as file:
        arrays = dict(file)
    refused = 0
    for number in range(damages):
        np.savez(path, **damage(number, arrays))
        try:
            said = ask(path)
        except errors.InputError as error:
            assert "kept.npz" in str(error) and len(str(error)) < 600
            refused += 1
            continue
        assert said.shape == expected.shape and np.isfinite(said).all(), number
    assert refused > damages / 2
