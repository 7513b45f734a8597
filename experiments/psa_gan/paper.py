"""PSA-GAN: what is compared, headlines, claims, and the commands of both.

Jeha et al., "PSA-GAN: Progressive Self Attention GANs for Synthetic Time Series", ICLR 2022.
The paper's tables could not be had; as published numbers stand the ratios that the authors'
networks and callbacks reached in a run of 5,000 batches, measured for this project.
"""

from collections.abc import Iterator

from experiments.paper import Claim, Headline, Job

PLAIN_METRICS = True  # all are of the windows that the generator learned
NEED = "Series to share, fill or start from, and a score of any generator's output."

TRAINED = (
    "psa_gan",
    "psa_gan_c",
    "no_fade",
    "no_moment",
    "no_attention",
    "plain_gan",
    "timegan",
    "timegan_c",
    "synthetic",
)
ORDER = (
    "real",
    *TRAINED,
    "seasonal_bootstrap",
    "block_bootstrap",
    "shuffled",
    "noise",
    "constant",
)
TABLE = (
    "psa_gan",
    "plain_gan",
    "timegan",
    "timegan_c",
    "seasonal_bootstrap",
    "block_bootstrap",
    "noise",
    "shuffled",
    "real",
)
SHORT = tuple(x for x in TABLE if x not in ("plain_gan", "timegan_c"))  # four minutes
ABLATIONS = ("no_fade", "no_moment", "no_attention")
RATIO = "context_fid/ratio"
ENCODERS = ("spread", "whitened_spread", "agreement_of_means")
AUTHORS = {"m4_hourly": 0.58, "pjm": 2.8}  # ratio at length 32, one run, one encoder


def published(dataset: str, variant: str, setting: str, metric: str) -> float | str:
    """What the authors' code reached, or an empty string."""
    if (variant, setting, metric) != ("psa_gan", "32", RATIO):
        return ""
    return AUTHORS.get(dataset, "")


LENGTHS = {
    "m4_hourly": ("32", "64", "128"),
    **dict.fromkeys(("pjm", "climate", "sine"), ("32",)),
}
LONG = ("psa_gan", "timegan", "shuffled", "real")  # variants at length 128, one seed


def _command(dataset: str, length: str, variants=()) -> tuple[str, ...]:
    words = (f"--dataset={dataset}", f"--length={length}")
    if length == "128":
        variants = LONG
    else:
        words = (*words, "--seeds=3")
    return (*words, f"--variant={','.join(variants)}") if variants else words


def _headlines() -> Iterator[Headline]:
    yield from _of_windows()
    yield from _of_uses()


def _of_windows() -> Iterator[Headline]:
    for dataset, lengths in LENGTHS.items():
        for length in lengths:
            for variant in ("psa_gan", "plain_gan", "timegan", "timegan_c", "real"):
                key = (dataset, length, variant, RATIO)
                paper = published(dataset, variant, length, RATIO)
                what = f"{variant}, Context-FID over shuffled"
                variants = TABLE if dataset == "climate" else ()
                command = _command(dataset, length, variants)
                yield Headline(what, key, paper, command)
    for variant in ABLATIONS:
        key = ("m4_hourly", "64", variant, RATIO)
        command = _command("m4_hourly", "64", ("psa_gan", *ABLATIONS))
        yield Headline(f"{variant}, Context-FID over shuffled", key, "", command)
    command = _command("pjm", "32", ("psa_gan_c", "shuffled", "real"))
    key = ("pjm", "32", "psa_gan_c", RATIO)
    yield Headline("psa_gan_c, Context-FID over shuffled", key, "", command)


def _of_uses() -> Iterator[Headline]:
    for metric in ENCODERS:
        key = ("m4_hourly", "32, known", "all", f"encoders/{metric}")
        command = ("--dataset=m4_hourly", "--task=encoders", "--seeds=3")
        yield Headline(f"five encoders of each kind, {metric}", key, "", command)
    for variant, metric in (
        ("psa_gan", "fill/nrmse"),
        ("psa_gan", "fill/coverage"),
        *((x, "fill/nrmse") for x in ("last", "mean", "linear", "seasonal")),
        ("seasonal_week", "fill/nrmse"),
    ):
        key = ("pjm", "64, 168 hidden", variant, metric)
        command = (*_command("pjm", "64"), "--task=fill")
        yield Headline(f"{variant}, {metric}", key, "", command)


def _claims() -> Iterator[Claim]:
    for dataset, lengths in LENGTHS.items():
        for length in lengths:
            if length == "128":  # one seed decides nothing
                continue
            ours = (dataset, length, "psa_gan", RATIO)
            for other in ("timegan", "timegan_c", "plain_gan"):
                yield Claim(
                    what=f"{dataset}, length {length}: nearer to real than {other}",
                    key=ours,
                    relation="below",
                    bound=(dataset, length, other, RATIO),
                    ours=other != "timegan" or dataset not in AUTHORS,
                )
    for dataset, bound in (("m4_hourly", 0.45), ("pjm", 1.0)):
        yield Claim(
            what=f"{dataset}, length 32: Context-FID over shuffled below {bound}",
            key=(dataset, "32", "psa_gan", RATIO),
            relation="below",
            bound=bound,
            ours=True,
        )
    for variant in ABLATIONS:
        yield Claim(
            what=f"m4_hourly, length 64: worse {variant.replace('_', ' ')}",
            key=("m4_hourly", "64", "psa_gan", RATIO),
            relation="below",
            bound=("m4_hourly", "64", variant, RATIO),
        )
    for other in ("last", "mean", "seasonal", "seasonal_week"):
        yield Claim(
            what=f"pjm: a hidden week is filled better than by {other}",
            key=("pjm", "64, 168 hidden", "psa_gan", "fill/nrmse"),
            relation="below",
            bound=("pjm", "64, 168 hidden", other, "fill/nrmse"),
            ours=True,
        )

    known = ("m4_hourly", "32, known", "all")
    yield Claim(
        what="m4_hourly: whitened scores of five pairs of encoders vary by less than 5 %",
        key=(*known, "encoders/whitened_spread"),
        relation="below",
        bound=0.05,
        ours=True,
    )
    yield Claim(
        what="m4_hourly: both kinds of encoders order known generators alike, .9 or more",
        key=(*known, "encoders/agreement_of_means"),
        relation="above",
        bound=0.9,
        ours=True,
    )


FILES = {
    "m4_hourly": ("timeseries/m4_hourly.npz",),
    "pjm": ("timeseries/pjm_hourly_load.npz",),
}
HEADLINES = tuple(_headlines())
CLAIMS = tuple(_claims())
JOBS = {
    "quick": (Job("synthetic", ("--quick",), 1, ("headline",)),),
    "small": (Job("climate", (), 3, ("headline", "overlays")),),
    "paper": tuple(
        Job(
            name=f"{dataset}, length {length}",
            arguments=_command(dataset, length),
            minutes=15,
            figures=("headline",),
            needs=dataset if dataset in FILES else "",
            files=FILES.get(dataset, ()),
        )
        for dataset, lengths in LENGTHS.items()
        for length in lengths
    ),
}
