"""Policies as JSON files, and those that were published."""

import collections
import json

import jax
import numpy as np
import pytest

from iclr22 import errors
from iclr22.deep_autoaugment import baselines, files, policy
from iclr22.deep_autoaugment.policy import Entry, Mixture, Policy

FOUND = Policy(
    (
        (Entry("rotate", 12, 30.0, 0.25), Entry("identity", 6, 0.0, 0.75)),
        (Entry("cutout", 6, 16.0, 1.0),),
    )
)
ABOUT = {
    "image_size": (32, 32),
    "normalise": {"mean": [0.5], "std": [0.25]},
    "meta": {"seed": 3, "cosines": [0.1, 0.2]},
}


@pytest.mark.parametrize("found", [FOUND, baselines.autoaugment()])
def test_what_is_written_is_read(found, tmp_path):
    path = tmp_path / "policy.json"
    files.save_policy(path, found, **ABOUT)
    assert files.load_policy(path) == found
    about = json.loads(path.read_text())
    assert about["format"] == files.FORMAT and about["image_size"] == [32, 32]
    assert about["fill"] == [125, 123, 114] and about["meta"] == ABOUT["meta"]
    assert files.read(path)["normalise"] == ABOUT["normalise"]
    if isinstance(found, Mixture):
        assert len(about["policies"]) == len(about["weights"]) == 25
    else:
        first = {"op": "rotate", "level": 12, "value": 30.0, "prob": 0.25}
        assert about["layers"][0][0] == first


def test_nothing_is_written_of_a_bad_policy(tmp_path):
    bad = Policy(((FOUND.layers[0][0],),))
    with pytest.raises(errors.InputError, match="sum of 0.25"):
        files.save_policy(tmp_path / "policy.json", bad, image_size=(8, 8))
    assert not list(tmp_path.iterdir())


def written(path, **changes):
    files.save_policy(path, FOUND, **ABOUT)
    about = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in about.items() if v is not None}))
    return path


def entry(**changes):
    return {"op": "identity", "level": 6, "value": 0.0, "prob": 1.0} | changes


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"format": "deep-autoaugment-policy-9"},
            "format 'deep-autoaugment-policy-1'; fo",
        ),
        ({"format": None}, "found none"),
        ({"layers": None}, 'either "layers" or "policies"; found neither'),
        ({"policies": []}, "found both"),
        ({"layers": []}, "list of layers; found an empty one"),
        ({"layers": {}}, "list of layers; found {}"),
        ({"layers": [[entry()], []]}, "list of layer 1; found an empty one"),
        ({"layers": [[3]]}, "layer 0, entry 0: expected 'op'; found 3"),
        ({"layers": [[{"op": "flip"}]]}, "entry 0: expected 'level'; found op"),
        (
            {"layers": [[entry(op="rotat")]]},
            "layer 0, entry 0: .*Did you mean 'rotate'",
        ),
        ({"layers": [[entry(op=7)]]}, 'name of "op"; found 7'),
        ({"layers": [[entry(level=31)]]}, "level from 0 to 30; found 31"),
        ({"layers": [[entry(level=-1)]]}, "level from 0 to 30; found -1"),
        ({"layers": [[entry(level=1.5)]]}, "whole level; found 1.5"),
        ({"layers": [[entry(value="x")]]}, "number as value; found 'x'"),
        ({"layers": [[entry(value=float("nan"))]]}, "number as value; found nan"),
        ({"layers": [[entry(op="rotate", value=999)]]}, "entry 0: rotate: .*found 999"),
        ({"layers": [[entry(prob=True)]]}, "number as prob; found True"),
        ({"layers": [[entry(prob=0.4)]]}, "probabilities of layer 0: .*sum of 0.4"),
        ({"layers": [[entry(prob=-0.5), entry(prob=1.5)]]}, "found one of -0.5"),
        (
            {"layers": None, "policies": [{"layers": [[entry()]]}], "weights": [0.5]},
            "weights of the policies: .*sum of 0.5",
        ),
        (
            {"layers": None, "policies": [{"layers": [[entry()]]}]},
            "list of weights; found None",
        ),
        (
            {
                "layers": None,
                "policies": [{"layers": [[entry(op="x")]]}],
                "weights": [1],
            },
            "policy 0, layer 0, entry 0: Unknown operation",
        ),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(changes, message, tmp_path):
    path = written(tmp_path / "policy.json", **changes)
    with pytest.raises(errors.InputError, match=message) as caught:
        files.load_policy(path)
    assert (
        str(caught.value).startswith(str(path)) and str(caught.value).count("\n") == 0
    )


@pytest.mark.parametrize(
    "content, message",
    [
        (b'{"format": 1,\n "layers": [}', "line 2: expected JSON"),
        (b"", "line 1: expected JSON"),
        (b"[1]", "JSON object; found list"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"[" * 200000, "policy.json: expected JSON|line 1: expected JSON"),
    ],
)
def test_broken_json_is_refused(content, message, tmp_path):
    path = tmp_path / "policy.json"
    path.write_bytes(content)
    with pytest.raises(errors.InputError, match=message):
        files.load_policy(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(errors.InputError, match="found none there"):
        files.load_policy(tmp_path / "none.json")


PUBLISHED = "data/images/deepaa_published_policies.json"


def marginals(layer):
    found = collections.Counter()
    for x in layer:
        found[x.op] += x.prob
    return found


def test_published_policies_have_the_shares_of_the_sheet(shared):
    found = files.load_published(shared / PUBLISHED, "cifar_2", least=0)
    layers = [marginals(x) for x in found.layers]
    assert len(layers) == 6
    assert layers[0]["solarize"] == pytest.approx(0.154, abs=1e-3)
    assert layers[0]["identity"] == pytest.approx(0.025, abs=1e-3)
    assert layers[1]["cutout"] == pytest.approx(0.991, abs=1e-3)
    assert layers[4]["flip"] == pytest.approx(0.780, abs=1e-3)
    assert layers[5]["identity"] == pytest.approx(0.991, abs=1e-3)
    expected = sum(1 - x["identity"] for x in layers)
    assert expected == pytest.approx(4.72, abs=0.01)
    values = {x.op: x.value for x in found.layers[0]} | {"cutout": 16.0}
    assert all(x.value == 16.0 for x in found.layers[1] if x.op == "cutout")
    assert -30 <= values["rotate"] <= 30
    imagenet = files.load_published(shared / PUBLISHED, "imagenet_1", 0)
    assert len(imagenet.layers) == 5
    assert marginals(imagenet.layers[1])["resized_crop"] == pytest.approx(
        0.743, abs=1e-3
    )


def test_draws_of_a_published_policy_are_as_frequent_as_its_shares(shared):
    count = 100_000
    found = files.load_published(shared / PUBLISHED, "cifar_2")
    made = policy.compiled(found)
    run = jax.jit(lambda keys: policy.drawn(made, keys))
    which = np.asarray(run(jax.random.split(jax.random.key(1), count)))
    ops = np.array([x.op for x in made.transformations])
    for layer, drawn in zip(found.layers, which.T, strict=True):
        counted = collections.Counter(ops[drawn].tolist())
        for op, share in marginals(layer).items():
            spread = np.sqrt(share * (1 - share) / count)
            assert abs(counted[op] / count - share) < 4 * spread + 1e-9, op


def test_other_published_policies_are_refused(shared, tmp_path):
    with pytest.raises(errors.InputError, match="cifar_1.*cifar_2"):
        files.load_published(shared / PUBLISHED, "cifar")
    path = tmp_path / "policies.json"
    path.write_text(
        json.dumps({"mine": {"op": ["Warp"], "mag_index": [0], "probs": [[1]]}})
    )
    with pytest.raises(
        errors.InputError, match="mine: expected op, mag_index and probs"
    ):
        files.load_published(path, "mine")
