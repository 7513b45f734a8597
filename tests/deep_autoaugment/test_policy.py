"""Policies: their parts, and what they do to batches of images and masks."""

import collections

import image_helpers
import jax
import numpy as np
import pytest

from iclr22 import errors
from iclr22.deep_autoaugment import baselines, policy, space
from iclr22.deep_autoaugment.policy import Entry, Mixture, Policy

KEY = jax.random.key(3)
IDENTITY = Entry("identity", 6, 0.0, 1.0)
ROTATE = Entry("rotate", 12, 30.0, 0.25)
INVERT = Entry("invert", 6, 0.0, 1.0)
TWO = Policy(((ROTATE, IDENTITY._replace(prob=0.75)), (INVERT,)))


def all_operations() -> Policy:
    """Two layers of all transformations of a small space."""
    made = space.space(levels=2, cutout=6, pad=2)
    return policy.of_probabilities(made, np.full((2, len(made)), 1 / len(made)))


def test_probabilities_become_a_policy():
    made = space.space(allow=["flip", "invert", "equalize"])
    shares = np.array([[0.5, 0.4, 0.09995, 5e-5], [0.0, 0.25, 0.0, 0.75]])
    found = policy.of_probabilities(made, shares)
    assert [[x.op for x in layer] for layer in found.layers] == [
        ["identity", "invert", "equalize"],
        ["invert", "flip"],
    ]
    assert [sum(x.prob for x in layer) for layer in found.layers] == pytest.approx(
        [1, 1]
    )
    assert found.layers[0][0].prob == pytest.approx(0.5 / 0.99995)
    assert hash(found) == hash(policy.of_probabilities(made, shares.tolist()))


@pytest.mark.parametrize(
    "shares, message",
    [
        ([[0.5, 0.5]], r"expected \[layers, 4\].*found \[1, 2\]"),
        ([[0.5, 0.6, -0.1, 0]], "none below 0; found -0.1"),
        ([[1, 0, 0, 0], [0, 0, 0, 0]], "layer 1 has none of 0.0001"),
        ([[np.nan, 0, 0, 1]], "non-finite"),
    ],
)
def test_bad_probabilities_are_refused(shares, message):
    made = space.space(allow=["flip", "invert", "equalize"])
    with pytest.raises(errors.InputError, match=message):
        policy.of_probabilities(made, shares)


def test_compiled_policies_are_as_long_as_the_longest():
    short = Policy(((INVERT,),))
    made = policy.compiled(Mixture((TWO, short), (0.25, 0.75)))
    assert [x.op for x in made.transformations] == ["rotate", "identity", "invert"]
    assert made.weights.tolist() == [0.25, 0.75]
    assert made.probabilities.tolist() == [
        [[0.25, 0.75, 0], [0, 0, 1]],
        [[0, 0, 1], [0, 1, 0]],
    ]


def test_the_same_value_at_another_level_is_one_transformation():
    other = ROTATE._replace(level=3)
    made = policy.compiled(
        Policy(((ROTATE._replace(prob=0.5), other._replace(prob=0.5)),))
    )
    assert len(made.transformations) == 1 and made.probabilities.tolist() == [[[1.0]]]


def test_a_mirrored_policy_goes_to_both_sides():
    found = policy.mirrored(TWO)
    assert found.layers[0] == (
        Entry("rotate", 12, 30.0, 0.125),
        Entry("rotate", 0, -30.0, 0.125),
        IDENTITY._replace(prob=0.75),
    )
    assert found.layers[1] == TWO.layers[1]
    both = policy.mirrored(Mixture((TWO, TWO), (0.5, 0.5)))
    assert both.policies == (found, found)


@pytest.mark.parametrize(
    "bad, message",
    [
        (Policy(()), "one layer"),
        (Policy(((ROTATE,),)), "layer 0: .*sum of 0.25"),
        (Policy(((IDENTITY,), ())), "layer 1: .*sum of 0"),
        (Policy(((ROTATE._replace(prob=-0.5), IDENTITY._replace(prob=1.5)),)), "-0.5"),
        (Policy(((IDENTITY._replace(op="idenity"),),)), "Did you mean 'identity'"),
        (Policy(((IDENTITY._replace(op="rotate", value=999.0),),)), "-360 to 360"),
        (Mixture((TWO,), (0.5, 0.5)), "1 policies and 2 weights"),
        (Mixture((TWO, TWO), (0.5, 0.6)), "weights of the policies.*sum of 1.1"),
        ({"layers": []}, "found dict. Read a file"),
    ],
)
def test_bad_policies_are_refused(bad, message):
    with pytest.raises(errors.InputError, match=message):
        policy.checked(bad)


def test_every_image_has_its_own_draw():
    images = image_helpers.pictures(200, 12, 12)
    got = np.asarray(policy.apply_policy(TWO, images, KEY))
    plain = (got == 255 - images).all((1, 2, 3))
    turned = np.stack([image_helpers.by_pillow("rotate", x, 30.0) for x in images])
    rotated = (got == 255 - turned).all((1, 2, 3))
    assert (plain | rotated).all()
    assert abs((rotated & ~plain).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 200)


def test_an_image_is_the_same_in_any_batch(monkeypatch):
    images, found = image_helpers.pictures(21, 16, 20), all_operations()
    whole = np.asarray(policy.apply_policy(found, images, KEY))
    assert whole.dtype == np.uint8 and whole.shape == images.shape
    assert (whole != images).any()
    part = np.asarray(policy.apply_policy(found, images[:9], KEY))
    assert (part == whole[:9]).all()
    monkeypatch.setattr(policy, "ON_CPU", (8, 1 << 24))
    assert (np.asarray(policy.apply_policy(found, images, KEY)) == whole).all()
    other = np.asarray(policy.apply_policy(found, images, jax.random.key(4)))
    assert (other != whole).any()


def test_masks_move_with_their_images():
    """Columns and rows as grey levels move just like the same numbers as labels."""
    ops = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate", "flip")
    made = space.space(allow=ops, levels=3)
    found = policy.of_probabilities(made, np.full((2, len(made)), 1 / len(made)))
    images = np.tile(
        np.arange(1, 1 + 14 * 16, dtype=np.uint8).reshape(1, 14, 16), (20, 1, 1)
    )
    new, masks = policy.apply_policy(found, images, KEY, masks=images.astype(np.int32))
    assert masks.dtype == np.int32 and new.shape == masks.shape == (20, 14, 16)
    assert (np.asarray(new) == np.asarray(masks)).all()
    assert (np.asarray(masks) == 0).any() and (np.asarray(masks) != images).any()


def test_masks_leave_images_alone_and_stay_under_colours():
    images, found = image_helpers.pictures(20, 16, 20), all_operations()
    masks = np.random.default_rng(0).integers(1, 5, (20, 16, 20)).astype(np.uint8)
    new, moved = policy.apply_policy(found, images, KEY, masks=masks)
    assert (
        np.asarray(new) == np.asarray(policy.apply_policy(found, images, KEY))
    ).all()
    assert moved.dtype == np.uint8 and set(np.unique(moved)) <= set(range(5))
    made = space.space(allow=["invert", "equalize", "cutout", "color"], cutout=6)
    colours = policy.of_probabilities(made, np.full((1, len(made)), 1 / len(made)))
    _, still = policy.apply_policy(colours, images, KEY, masks=masks.tolist())
    assert (np.asarray(still) == masks).all()


def test_grey_and_real_images():
    grey = image_helpers.pictures(6, 12, 14, 1)
    found = Policy(((INVERT,),))
    got = np.asarray(policy.apply_policy(found, grey[..., 0], KEY))
    assert got.shape == (6, 12, 14) and (got == 255 - grey[..., 0]).all()
    assert (np.asarray(policy.apply_policy(found, grey / 255, KEY)) == 255 - grey).all()
    compiled = jax.jit(lambda x: policy.apply_policy(found, x, KEY))
    assert (np.asarray(compiled(grey / np.float32(255))) == 255 - grey).all()
    nothing = policy.apply_policy(found, grey[:0], KEY)
    assert nothing.shape == (0, 12, 14, 1)


def test_members_of_a_mixture_are_as_frequent_as_their_weights():
    black = Policy(((Entry("brightness", 6, 0.0, 1.0),), (INVERT,)))
    mixed = Mixture((Policy(((INVERT,),)), black), (0.3, 0.7))
    images = np.full((1000, 2, 2, 3), 9, np.uint8)
    got = np.asarray(policy.apply_policy(mixed, images, KEY))[:, 0, 0, 0]
    found = collections.Counter(got.tolist())
    assert set(found) == {246, 255}
    assert abs(found[255] / 1000 - 0.7) < 4 * np.sqrt(0.7 * 0.3 / 1000)


@pytest.mark.parametrize(
    "images, masks, message",
    [
        (
            np.zeros((2, 8, 8, 3), np.uint16),
            None,
            "from 0 to 1|256 levels|real numbers",
        ),
        (
            np.full((2, 8, 8, 3), 1.5),
            None,
            "real numbers from 0 to 1; found 1.5 to 1.5",
        ),
        (np.zeros((2, 8, 8, 4), np.uint8), None, "c 1 or 3.*found .2, 8, 8, 4."),
        (np.zeros((8, 8), np.uint8), None, r"expected \[n, h, w, c\]"),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 9), int), "as the images"),
        (np.zeros((2, 8, 8, 3), np.uint8), np.full((2, 8, 8), 0.5), "whole numbers"),
        (np.zeros((2, 5, 5, 3), np.uint8), None, "cutout of 6 pixels"),
    ],
)
def test_bad_images_and_masks_are_refused(images, masks, message):
    if images.dtype == np.uint16:
        images = images + np.uint16(300)
    with pytest.raises(errors.InputError, match=message):
        policy.apply_policy(all_operations(), images, KEY, masks=masks)


def test_baselines_are_policies_of_known_operations():
    for name, make in baselines.BASELINES.items():
        found = make()
        assert policy.checked(found) is found, name
        hash(found)
        if name not in ("none", "deep_ta"):
            for each in policy.members(found).policies:
                assert [x.op for x in (*each.layers[0], *each.layers[1])] == [
                    "crop",
                    "flip",
                ]
    assert baselines.none().layers == ((IDENTITY,),)
    assert len(baselines.flip_crop().layers) == 2
    small = baselines.rand_augment(3, 5, pad=1, flip=False, cutout=2)
    assert [len(x) for x in small.layers] == [1, 23, 23, 23, 1]


def marginals(layer):
    found = collections.Counter()
    for x in layer:
        found[x.op] += x.prob
    return dict(found)


def test_baselines_draw_operations_as_published():
    rand = baselines.rand_augment(2, 30).layers[2]
    assert marginals(rand) == pytest.approx({op: 1 / 14 for op in marginals(rand)})
    strongest = {x.op: abs(x.value) for x in rand}
    assert strongest["rotate"] == pytest.approx(30) and strongest["solarize"] == 0
    assert strongest["posterize"] == 4 and strongest["shear_x"] == pytest.approx(0.3)
    weakest = baselines.rand_augment(1, 0).layers[2]
    assert {x.value for x in weakest if x.op == "color"} == {1.0}
    wide = baselines.trivial_wide().layers[2]
    assert len(wide) == 3 + 11 * 31
    assert marginals(wide) == pytest.approx({op: 1 / 14 for op in marginals(wide)})
    assert max(x.value for x in wide if x.op == "rotate") == 135
    uniform = baselines.uniform().layers[2]
    assert marginals(uniform)["identity"] == 0.5 and len(marginals(uniform)) == 15
    deep = baselines.deep_ta(3)
    assert len(deep.layers) == 3 and len(marginals(deep.layers[0])) == 17
    assert marginals(deep.layers[0])["crop"] == pytest.approx(1 / 17)


def test_autoaugment_has_its_pairs():
    found = baselines.autoaugment()
    assert len(found.policies) == 25 and sum(found.weights) == pytest.approx(1)
    first, second = found.policies[1].layers[2:4]
    assert marginals(first) == pytest.approx({"identity": 0.3, "rotate": 0.7})
    assert sorted(x.value for x in first) == pytest.approx([-60 / 9, 0.0, 60 / 9])
    assert sorted(x.value for x in second) == pytest.approx([-0.45, 0.0, 0.45])
    used = {x.op for each in found.policies for layer in each.layers for x in layer}
    assert used == set(space.NAMES) - {"shear_x"}


def test_bad_baselines_are_refused():
    with pytest.raises(
        errors.InputError, match="magnitude from 0 to 30; found 2 and 31"
    ):
        baselines.rand_augment(2, 31)
    with pytest.raises(errors.InputError, match="depth from 1"):
        baselines.deep_ta(0)
