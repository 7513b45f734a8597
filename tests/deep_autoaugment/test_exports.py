"""Policies in other libraries: pixels against those of `apply_policy`, draws, files."""

import importlib.util

import jax
import numpy as np
import pytest
from image_helpers import as_pillow, pictures

from iclr22 import errors
from iclr22.deep_autoaugment import (
    applying,
    exports,
    files,
    policy,
    randomised,
    space,
    tables,
)
from iclr22.deep_autoaugment.exports import replay, standalone
from iclr22.deep_autoaugment.policy import Entry, Mixture, Policy

HEIGHT, WIDTH = 24, 33
ALL = space.space(cutout=9, pad=3)
RANDOM = ("flip", "cutout", "crop")


def layer(*entries):
    """A layer of `(operation, value, probability)`."""
    return tuple(Entry(op, 6, float(value), float(p)) for op, value, p in entries)


MIXED = Mixture(
    (
        Policy(
            (
                layer(("solarize", 99.0, 0.25), ("crop", 2.0, 0.75)),
                layer(("flip", 0, 1)),
            )
        ),
        Policy((layer(("rotate", -20.0, 0.5), ("color", 1.6, 0.5)),)),
    ),
    (0.3, 0.7),
)


@pytest.fixture(scope="module")
def everything():
    """A policy of all 139 transformations in two layers, and images."""
    uniform = np.full((2, len(ALL)), 1 / len(ALL))
    return policy.of_probabilities(ALL, uniform), pictures(120, HEIGHT, WIDTH)


def ours(transformations, images):
    """Each transformation on all images `[N, m, h, w, c]`, their words of chance."""
    numbers = tables.of(transformations, *images.shape[1:3])
    keys = replay.keys(jax.random.key(2), len(images))
    words = jax.vmap(lambda key: jax.random.bits(key, (1,)))(keys)[:, 0]

    @jax.jit
    def run(n):
        which = np.zeros((len(images), 1), np.int32) + n
        return applying.apply_all(numbers, images, which, keys)

    found = [np.asarray(run(n)) for n in range(len(transformations))]
    return np.stack(found), np.asarray(words).tolist()


def differences(transformations, images, apply):
    """By operation the share of differing pixels of the worst level, and the largest
    difference of levels. `apply(image, step)` is the other's."""
    expected, words = ours(transformations, images)
    size, worst = images.shape[2:0:-1], {}
    for made, of_op in zip(transformations, expected, strict=True):
        steps = [
            (made.op, made.value, standalone.place(made.op, made.value, size, word))
            for word in words
        ]
        found = [apply(x, step) for x, step in zip(images, steps, strict=True)]
        away = np.abs(np.stack(found).astype(int) - of_op).max(-1)
        share, most = worst.get(made.op, (0.0, 0))
        worst[made.op] = max(share, (away > 0).mean()), max(most, away.max())
    return worst


def by_pillow(image, step):
    return np.asarray(standalone.apply(as_pillow(image), [step])).reshape(image.shape)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [3, 1])
def test_every_transformation_of_the_file_has_our_pixels(channels):
    images = pictures(10, HEIGHT, WIDTH, channels)
    worst = differences(ALL, images, by_pillow)
    assert len(worst) == 18 and set(worst.values()) == {(0, 0)}


def test_steps_say_what_a_policy_did(everything):
    made, images = everything
    key = jax.random.key(5)
    new = np.asarray(policy.apply_policy(made, images, key))
    steps = replay.steps(made, replay.keys(key, len(images)), [(WIDTH, HEIGHT)])
    again = [
        standalone.apply(as_pillow(x), s) for x, s in zip(images, steps, strict=True)
    ]
    np.testing.assert_array_equal(new, np.stack([np.asarray(x) for x in again]))
    assert {len(s) for s in steps} == {2} and len({s[0][0] for s in steps}) > 12


def test_labels_move_with_their_image():
    labels = np.random.default_rng(0).integers(0, 256, (15, 22)).astype(np.uint8)
    values = {"shear_x": 0.2, "translate_y": -0.3, "rotate": 25.0, "flip": 0.0}
    for op, value in values.items():
        steps = [(op, value, op == "flip"), ("invert", 0.0, None)]
        moved = standalone.apply(as_pillow(labels[..., None]), steps[:1])
        np.testing.assert_array_equal(standalone.move(labels, steps), moved)
    cropped = standalone.move(labels.astype(float)[..., None], [("crop", 3.0, (5, 1))])
    expected = np.pad(labels, 3)[1:16, 5:27]
    np.testing.assert_array_equal(cropped[..., 0], expected)


@pytest.mark.slow
def test_masks_move_as_ours(everything):
    moving = [
        ("shear_x", 0.2),
        ("translate_y", -0.3),
        ("rotate", 25),
        ("flip", 0),
        ("crop", 5),
    ]
    made = Policy((layer(*((*x, 0.2) for x in moving)),) * 2)
    images = everything[1][:40]
    masks = (
        np.random.default_rng(0).integers(0, 1000, images.shape[:3]).astype(np.int32)
    )
    key = jax.random.key(5)
    _, moved = policy.apply_policy(made, images, key, masks=masks)
    steps = replay.steps(made, replay.keys(key, len(images)), [(WIDTH, HEIGHT)])
    again = [standalone.move(x, s) for x, s in zip(masks, steps, strict=True)]
    np.testing.assert_array_equal(moved, np.stack(again))


@pytest.mark.slow
def test_resized_crops_are_a_level_apart_at_most():
    made = Policy((layer((space.RESIZED_CROP, 0.3, 1.0)),))
    images, key = pictures(20, 30, 20), jax.random.key(1)
    new = np.asarray(policy.apply_policy(made, images, key)).astype(int)
    steps = replay.steps(made, replay.keys(key, 20), [(20, 30)])
    again = [
        standalone.apply(as_pillow(x), s) for x, s in zip(images, steps, strict=True)
    ]
    assert np.abs(new - np.stack([np.asarray(x) for x in again])).max() <= 1


def test_parts_of_resized_crops():
    places = [
        standalone.part((20, 30), 0.3, np.random.default_rng(i)) for i in range(200)
    ]
    for left, top, width, height in places:
        assert 0 <= left <= 20 - width and 0 <= top <= 30 - height
        assert 0.28 < width * height / 600 <= 1 and 0.6 < width / height < 1.6
    assert standalone.part((40, 4), 0.9, np.random.default_rng(0)) == (17, 0, 5, 4)


def test_constants_are_ours():
    assert randomised.RATIO == standalone.RATIO
    assert applying.FILL == standalone.FILL and tables.ONE == standalone.ONE
    assert applying._fill(np.zeros((1, 1, 1))).tolist() == [standalone.GREY]
    assert set(space.GEOMETRIC) == standalone.MOVING
    assert set(standalone.OPERATIONS) == {*space.NAMES, space.RESIZED_CROP}


def test_shares_of_draws(everything):
    count, random = 4000, np.random.default_rng(0)
    policies = exports.plain(MIXED)
    drawn = [
        tuple(
            x[0]
            for x in standalone.draw(
                standalone.choose(policies, random), (9, 9), random
            )
        )
        for _ in range(count)
    ]
    expected = {
        **{("solarize", "flip"): 0.075, ("crop", "flip"): 0.225},
        **{("rotate",): 0.35, ("color",): 0.35},
    }
    for names, share in expected.items():
        spread = (share * (1 - share) / count) ** 0.5
        assert abs(drawn.count(names) / count - share) < 4 * spread
    assert set(drawn) == set(expected)


def test_the_written_file_needs_nothing_of_ours(tmp_path, everything):
    made, images = everything
    path = tmp_path / "augment_file.py"
    text = exports.export_policy(MIXED, "python", path=path)
    assert "iclr22" not in text and path.read_text() == text
    spec = importlib.util.spec_from_file_location("augment_file", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.POLICIES == exports.plain(MIXED)
    one, two = module.Augment(seed=3), module.Augment(seed=3)
    first = [one(as_pillow(x)) for x in images[:8]]
    two.number = 5
    assert two(as_pillow(images[5])) == first[5]
    assert module.Augment(seed=4)(as_pillow(images[0])) != first[0]
    with pytest.raises(ValueError, match="RGB or L, found CMYK"):
        one(as_pillow(images[0]).convert("CMYK"))


def test_numpy_draws_anew_and_replays(everything):
    made, images = everything
    augment = exports.export_policy(made, "numpy", seed=7)
    first, second = augment(images), augment(images)
    assert first.shape == images.shape and not np.array_equal(first, second)
    np.testing.assert_array_equal(augment(images, call=0), first)
    key = jax.random.fold_in(jax.random.key(7), 1)
    np.testing.assert_array_equal(second, policy.apply_policy(made, images, key))


def test_json_is_the_policy(tmp_path):
    path = tmp_path / "policy.json"
    text = exports.export_policy(MIXED, "json", path=path, image_size=(8, 8))
    assert files.load_policy(path) == MIXED and text == path.read_text()
    assert text == exports.export_policy(MIXED, "json", image_size=(8, 8))


def test_refusals(monkeypatch):
    with pytest.raises(errors.InputError, match="'torchvision'"):
        exports.export_policy(MIXED, "torchvison")
    noise = Policy((layer((space.NOISE, 0.0, 1.0)),))
    with pytest.raises(errors.InputError, match="the control 'noise'"):
        exports.export_policy(noise, "python")
    with pytest.raises(errors.InputError, match="needs image_size"):
        exports.export_policy(MIXED, "json")
    with pytest.raises(errors.InputError, match=r"options \[\]; found \['channels'\]"):
        exports.export_policy(MIXED, "python", channels="first")
    with pytest.raises(errors.InputError, match="sum of 0.5"):
        exports.export_policy(Policy((layer(("flip", 0, 0.5)),)), "numpy")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.InputError, match="pip install 'albumentations==2.0.8'"):
        exports.export_policy(MIXED, "albumentations")


@pytest.mark.parametrize("order", ["first", "last"])
def test_torch_has_the_pixels(everything, order):
    torch = pytest.importorskip("torch")
    made, images = everything
    augment = exports.export_policy(made, "torch", seed=7)
    given = torch.from_numpy(images.copy())
    given = given.permute(0, 3, 1, 2) if order == "first" else given
    found = augment(given)
    assert found.shape == given.shape and found.dtype == torch.uint8
    found = found.permute(0, 2, 3, 1) if order == "first" else found
    expected = exports.export_policy(made, "numpy", seed=7)(images)
    np.testing.assert_array_equal(found.numpy(), expected)
    found[0] = 0  # it is the caller's own
    np.testing.assert_array_equal(augment(given, call=0).shape, given.shape)
    with pytest.raises(errors.InputError, match="torch.uint8"):
        augment(given.float())


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (32, 32), (45, 45)])
def test_torchvision_tensors_are_within_the_stated_tolerance(size, channels):
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    from iclr22.deep_autoaugment.exports import for_torchvision as library

    augment = library.Augment([])

    def apply(image, step):
        tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)
        return augment.transform(tensor, {"steps": [step]}).permute(1, 2, 0).numpy()

    worst = differences(ALL, pictures(10, *size, channels), apply)
    for op, (share, most) in worst.items():
        allowed = library.TOLERANCE.get(op, (0, 0))
        assert share <= allowed[0] and most <= allowed[1], op


def test_torchvision_takes_real_numbers():
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    from iclr22.deep_autoaugment.exports import for_torchvision as library

    augment = library.Augment([])
    whole = torch.from_numpy(pictures(1, 24, 24)[0]).permute(2, 0, 1)
    for made in ALL:
        where = standalone.place(made.op, made.value, (24, 24), 1 << 31)
        steps = {"steps": [(made.op, made.value, where)]}
        found = augment.transform(whole / 255, steps)
        assert found.dtype == torch.float32
        away = (255 * found - augment.transform(whole, steps).float()).abs()
        assert away.max() <= 2.5 or made.op in ("equalize", "posterize"), made


@pytest.mark.parametrize("op", space.GEOMETRIC)
def test_torchvision_moves_masks_and_boxes(op):
    torch = pytest.importorskip("torch")
    vision = pytest.importorskip("torchvision")
    value = {"crop": 3.0, "rotate": 20.0, "flip": 0.0, "resized_crop": 0.5}.get(op, 0.2)
    augment = exports.export_policy(Policy((layer((op, value, 1.0)),)), "torchvision")
    picture = np.zeros((40, 44, 3), np.uint8)
    picture[15:25, 15:24] = 255
    mask = vision.tv_tensors.Mask(torch.from_numpy(picture[..., 0] // 255))
    box = vision.tv_tensors.BoundingBoxes(
        [[15.0, 15.0, 24.0, 25.0]], format="XYXY", canvas_size=(40, 44)
    )
    for seed in range(4):
        torch.manual_seed(seed)
        image, moved, boxes = augment(as_pillow(picture), mask, box)
        torch.manual_seed(seed)
        steps = augment.make_params([as_pillow(picture)])["steps"]
        assert image == standalone.apply(as_pillow(picture), steps)
        assert isinstance(moved, vision.tv_tensors.Mask)
        np.testing.assert_array_equal(moved, standalone.move(mask.numpy(), steps))
        rows, columns = np.nonzero(moved.numpy())
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(boxes[0].numpy().clip(0), found, atol=1.6)


@pytest.mark.parametrize("channels", [3, 1])
def test_albumentations_has_the_pixels(channels):
    pytest.importorskip("albumentations")
    from iclr22.deep_autoaugment.exports import for_albumentations as library

    def apply(image, step):
        transform = library._transform(1.0, *step[:2])
        return transform(image=image.copy())["image"]

    fixed = tuple(x for x in ALL if x.op not in RANDOM)
    worst = differences(fixed, pictures(10, HEIGHT, WIDTH, channels), apply)
    assert len(worst) == 15 and set(worst.values()) == {(0, 0)}


def test_albumentations_draws_moves_and_is_kept(everything):
    albumentations = pytest.importorskip("albumentations")
    made, images = everything
    one = Policy((layer(("crop", 3.0, 1.0)), layer(("flip", 0.0, 1.0))))
    augment = exports.export_policy(one, "albumentations", seed=1)
    number = np.arange(1, HEIGHT * WIDTH + 1, dtype=np.int32).reshape(HEIGHT, WIDTH)
    places = set()
    for _ in range(40):
        found = augment(image=images[1], mask=number)
        kept = found["mask"] > 0
        source = images[1].reshape(-1, 3)[found["mask"] - 1]
        np.testing.assert_array_equal(found["image"][kept], source[kept])
        assert (found["image"][~kept] == standalone.FILL).all()
        places.add(int(found["mask"][12, 12]))
    assert len(places) > 15  # of 98
    again = albumentations.from_dict(albumentations.to_dict(augment))
    assert again(image=images[1])["image"].shape == images[1].shape
    several = exports.export_policy(MIXED, "albumentations", seed=1)
    assert several(image=images[1])["image"].dtype == np.uint8


def test_albumentations_draws_by_probability():
    pytest.importorskip("albumentations")
    one = Policy((layer(("invert", 0, 0.2), ("identity", 0, 0.8)),))
    mixed = Mixture((one, Policy((layer(("invert", 0, 1)),))), (0.75, 0.25))
    for made, share in ((one, 0.2), (mixed, 0.4)):
        augment = exports.export_policy(made, "albumentations", seed=5)
        black = np.zeros((4, 4, 3), np.uint8)
        count = sum(augment(image=black)["image"].any() for _ in range(1000))
        assert abs(count - 1000 * share) < 4 * (1000 * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("op", ["translate_x", "rotate", "shear_y", "flip", "crop"])
def test_albumentations_boxes_and_points_follow(op):
    albumentations = pytest.importorskip("albumentations")
    value = {"translate_x": 0.25, "rotate": 20.0, "shear_y": 0.2, "crop": 3.0}.get(
        op, 0.0
    )
    made = Policy((layer((op, value, 1.0)),))
    transform = exports.export_policy(made, "albumentations", seed=3)
    points = albumentations.KeypointParams(format="xy", remove_invisible=False)
    augment = albumentations.Compose(
        transform.transforms,
        keypoint_params=points,
        bbox_params=albumentations.BboxParams(format="pascal_voc", label_fields=[]),
        seed=3,
    )
    image = np.zeros((40, 40, 3), np.uint8)
    image[18:23, 20:25] = 255
    found = augment(image=image, keypoints=[(22, 20)], bboxes=[(20, 18, 25, 23)])
    rows, columns = np.nonzero(found["image"][:, :, 0] == 255)
    x, y = found["keypoints"][0]
    assert abs(columns.mean() - x) < 0.6 and abs(rows.mean() - y) < 0.6
    left, top, right, bottom = found["bboxes"][0]
    assert left - 1 <= columns.min() and columns.max() + 1 <= right + 1
    assert top - 1 <= rows.min() and rows.max() + 1 <= bottom + 1


def test_tf_data_follows_the_number_of_the_batch(everything):
    tensorflow = pytest.importorskip("tensorflow")
    made, images = everything
    labels = np.arange(len(images))
    data = tensorflow.data.Dataset.from_tensor_slices((images, labels))
    apply = exports.export_policy(made, "tf_data", seed=7)
    batches = data.batch(40).enumerate().map(apply, num_parallel_calls=2)
    augment = exports.export_policy(made, "numpy", seed=7)
    for number, (x, y) in enumerate(batches):
        part = slice(40 * number, 40 * number + 40)
        np.testing.assert_array_equal(x.numpy(), augment(images[part], call=number))
        np.testing.assert_array_equal(y.numpy(), labels[part])
    assert batches.element_spec[0].shape.as_list() == [None, HEIGHT, WIDTH, 3]
