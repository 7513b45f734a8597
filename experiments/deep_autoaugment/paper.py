"""Deep AutoAugment: published numbers, headlines, claims, and the commands that measure them.

Test accuracies in percent of arXiv:2203.06172, of the papers that it compares with where
those are quoted there.
"""

from collections.abc import Iterator

from experiments.paper import Claim, Headline, Job

NEED = "Image classes unlike photographs: an augmentation policy from a few thousand images."

ACCURACY = {  # data set and network of the paper: by variant; 200 epochs of 50,000 images
    ("cifar10", "wrn-28-10"): {
        "flip_crop": 96.1,
        "autoaugment": 97.4,
        "rand_augment": 97.3,
        "uniform": 97.33,
        "trivial_ra": 97.46,
        "trivial_wide": 97.46,
        "deep_autoaugment": 97.56,
    },
    ("cifar100", "wrn-28-10"): {
        "flip_crop": 81.2,
        "autoaugment": 82.9,
        "rand_augment": 83.3,
        "uniform": 82.82,
        "trivial_ra": 83.54,
        "trivial_wide": 84.33,
        "deep_autoaugment": 84.02,
    },
    ("imagenet", "resnet-50"): {
        "flip_crop": 76.3,
        "autoaugment": 77.6,
        "rand_augment": 77.6,
        "uniform": 77.63,
        "trivial_ra": 77.85,
        "trivial_wide": 78.07,
        "deep_autoaugment": 78.30,
    },
}
ORDER = (
    "deep_autoaugment",
    "published",
    "autoaugment",
    "rand_augment",
    "trivial_ra",
    "trivial_wide",
    "uniform",
    "deep_ta",
    "flip_crop",
    "none",
)
TOLD = {  # variant: in words
    "deep_autoaugment": "the policy that was learned",
    "published": "the paper's policy",
    "autoaugment": "AutoAugment's policy",
    "rand_augment": "RandAugment",
    "trivial_ra": "TrivialAugment",
    "trivial_wide": "TrivialAugment, wide",
    "uniform": "UniformAugment",
    "deep_ta": "TrivialAugment, six deep",
    "flip_crop": "flip and crop",
    "none": "no augmentation",
}
TEST, COSINE = "test/accuracy", "search/cosine"
REAL = ("--dataset=cifar10", "--preset=small", "--seeds=3")


def published(dataset: str, variant: str) -> float | str:
    """The paper's number, of all 50,000 images, or an empty string."""
    return ACCURACY.get((dataset, "wrn-28-10"), {}).get(variant, "")


def _headlines() -> Iterator[Headline]:
    for data, images, steps, arguments in MEASURED:
        for variant in ("deep_autoaugment", "flip_crop", "none"):
            key = (data, f"{images}, {steps}", variant, TEST)
            yield Headline(f"{TOLD[variant]}, accuracy [%]", key, "", arguments)


MEASURED = (  # data set, images, updates of classifiers, arguments
    ("digits", "1348 images", "600 x 64", ()),
)
HEADLINES = tuple(_headlines())


def _claims() -> Iterator[Claim]:
    for data, images, steps, _ in MEASURED:
        setting = f"{images}, {steps}"
        yield Claim(
            f"{data}: better than flip and crop",
            (data, setting, "deep_autoaugment", TEST),
            "above",
            (data, setting, "flip_crop", TEST),
        )


CLAIMS = tuple(_claims())
JOBS = {
    "quick": (Job("digits", ("--quick",), 1, ("headline",)),),
    "small": (Job("digits", (), 3, ("headline", "policy", "health")),),
    "paper": (Job("digits", (), 3, ("headline", "policy", "health")),),
}
