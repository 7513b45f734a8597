"""Files of a user of Deep AutoAugment, small, under the names that README.md uses."""

import numpy as np

from iclr22.deep_autoaugment import baselines, files

CLASSES, EACH, SIDE = ("bolt", "nut", "ring"), 24, 8


def pictures(seed: int = 0):
    """`(x [n, 8, 8, 3] uint8, y [n])`: a pattern for each class, and noise."""
    random = np.random.default_rng(seed)
    y = np.arange(len(CLASSES) * EACH) % len(CLASSES)
    patterns = random.uniform(40, 216, (len(CLASSES), SIDE, SIDE, 3))
    x = patterns[y] + 25 * random.normal(size=(len(y), SIDE, SIDE, 3))
    return np.clip(x, 0, 255).astype(np.uint8), y


def write(folder):
    """Images as an array and as a folder of files, and a policy."""
    from PIL import Image

    x, y = pictures()
    names = np.array(CLASSES)[y]
    np.savez(folder / "mine.npz", x=x, y=names)
    for place, (image, name) in enumerate(zip(x, names, strict=True)):
        path = folder / "folder" / name / f"{place:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    policy = baselines.flip_crop(pad=1)
    files.save_policy(folder / "policy.json", policy, image_size=(SIDE, SIDE))
