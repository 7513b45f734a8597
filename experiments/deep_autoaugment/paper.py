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
DIGITS = "1348 images, 60 x 4 groups", "1348 images, 300 x 64"  # search, classifiers
PHOTOS = "10000 images, 60 x 4 groups", "5000 images, 3000 x 128"
SEARCH = ("--dataset=cifar10", "--variant=", "--layers=4", "--paths=4", "--seeds=1")
BUDGET = ("--train.steps=3000", "--train.batch=128", "--train.warm_up=100", "--seeds=3")
TRAIN = ("--dataset=cifar10", "--task=train", "--train_size=5000", *BUDGET)
POLICY = "--policy=cifar10"
GREY = {"mnist": 4000, "fashion_mnist": 10000}  # images that are learned from
SHARES = {  # metric: in words
    "search/control_share": "noise in the first layer [%]",
    "search/flip_share": "flips in a layer [%]",
    "search/default_share": "crop, flip and cutout in layers 2 to 4 [%]",
}


def published(dataset: str, variant: str) -> float | str:
    """The paper's number, of all 50,000 images, or an empty string."""
    return ACCURACY.get((dataset, "wrn-28-10"), {}).get(variant, "")


def _headlines() -> Iterator[Headline]:
    for data, (search, train) in (("digits", DIGITS), ("cifar10", PHOTOS)):
        for variant in ORDER:
            own = (f"--variant={variant}",)
            if data == "cifar10":
                of = (*TRAIN, *own, *((POLICY,) if variant == ORDER[0] else ()))
            else:
                usual = variant in ("deep_autoaugment", "flip_crop", "none")
                of = () if usual else ("--task=train", *own)
            key = (data, train, variant, TEST)
            yield Headline(f"{TOLD[variant]}, accuracy [%]", key, arguments=of)
        of = SEARCH if data == "cifar10" else ()
        for variant in ("deep_autoaugment", "uniform", "none"):
            told = {"uniform": "equal chances"}.get(variant, TOLD[variant])
            key = (data, search, variant, COSINE)
            yield Headline(f"{told}, cosine of gradients", key, arguments=of)
        for metric, what in SHARES.items():
            for variant, told in (("deep_autoaugment", ""), ("uniform", ", by chance")):
                key = (data, search, variant, metric)
                yield Headline(f"{what}{told}", key, arguments=of)
        key = (data, search, "deep_autoaugment", "search/network_accuracy")
        yield Headline("the network that is asked, accuracy [%]", key, arguments=of)

    for data, images in GREY.items():
        setting = f"{images} images, 60 x 4 groups"
        of = (f"--dataset={data}", "--variant=", "--seeds=1")
        for variant, told in (("deep_autoaugment", ""), ("uniform", ", by chance")):
            key = (data, setting, variant, "search/flip_share")
            yield Headline(f"{SHARES[key[3]]}{told}", key, arguments=of)
        for variant in ("deep_autoaugment", "uniform", "none"):
            told = {"uniform": "equal chances"}.get(variant, TOLD[variant])
            key = (data, setting, variant, COSINE)
            yield Headline(f"{told}, cosine of gradients", key, arguments=of)


def _claims() -> Iterator[Claim]:
    for data, (search, train) in (("digits", DIGITS), ("cifar10", PHOTOS)):

        def key(metric, variant="deep_autoaugment", setting=search, data=data):
            return data, setting, variant, metric

        for other in ("flip_crop", "none", "rand_augment"):
            yield Claim(
                f"{data}: the policy that was learned is better than {TOLD[other]}",
                key(TEST, setting=train),
                "above",
                key(TEST, other, train),
                ours=other == "none",
            )
        for other, told in (("uniform", "equal chances"), ("none", "no augmentation")):
            yield Claim(
                f"{data}: its gradients point better than those of {told}, held out",
                key(COSINE),
                "above",
                key(COSINE, other),
            )
        yield Claim(
            f"{data}: the noise control keeps less than its share by chance",
            key("search/control_share"),
            "below",
            key("search/control_share", "uniform"),
            ours=True,
        )
        if data == "digits":
            yield Claim(
                "digits: flips get less than their share by chance",
                key("search/flip_share"),
                "below",
                key("search/flip_share", "uniform"),
                ours=True,
            )
        else:
            yield Claim(
                f"{data}: later layers find what others add by hand, crop, flip, cutout",
                key("search/default_share"),
                "above",
                key("search/default_share", "uniform"),
            )


HEADLINES = tuple(_headlines())
CLAIMS = tuple(_claims())
FIGURES = ("headline", "policy", "health", "contact_sheet")
JOBS = {
    "quick": (Job("digits", ("--quick",), 1, ("headline",)),),
    "small": (Job("digits", (), 4, FIGURES),),
    "paper": (
        Job("digits", (), 4, FIGURES),
        Job(
            "cifar10",
            (*SEARCH, "--data_dir={data}"),
            40,
            FIGURES[1:],
            needs="cifar10",
            files=("images/cifar10_jpeg.npz",),
        ),
    ),
}
