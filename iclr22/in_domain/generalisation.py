"""The report for whoever deploys a regressor: how far each factor generalises, a page.

    page = write(folder, {"random": report, "extrapolation": other}, certificate=found)

HTML that refers to nothing outside itself, the same as Markdown beside its figures, and
`certificate.json` where there is a certificate.
"""

import html
import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from iclr22 import checkpoint, errors, report
from iclr22.in_domain import certificate_figures, figures
from iclr22.in_domain.certificate_files import Certificate
from iclr22.in_domain.evaluating import Report

READ = 0.9  # R2 from which a factor counts as read
DROP = 0.1  # of R2, from the random split, that counts


class Block(NamedTuple):
    """A heading, a paragraph, a table (head and lines of cells) or a figure."""

    kind: str
    text: str = ""
    lines: tuple[tuple[str, ...], ...] = ()
    path: pathlib.Path | None = None


def verdicts(reports: Mapping[str, Report]) -> dict[str, str]:
    """What the splits say of each factor, in words.

    Args:
      reports: of one predictor's training on each split, by the split's name.

    Raises:
      errors.InputError: no reports, or of several grids.
    """
    names = _names(reports)
    return {name: _verdict(j, reports) for j, name in enumerate(names)}


def write(
    folder,
    reports: Mapping[str, Report],
    *,
    certificate: Certificate | None = None,
    images: Mapping[str, Callable] | None = None,
    title: str = "How far a model generalises",
    facts: Mapping[str, object] | None = None,
) -> pathlib.Path:
    """Write `generalisation.html` and `.md`, figures and `certificate.json`.

    Args:
      folder: where to; it is made.
      reports: by the name of the split.
      certificate: of the model that is deployed.
      images: by split, rows of its report to images `[n, h, w, c]`, for the gallery.
      facts: model, data, commit and the like.

    Raises:
      errors.InputError: as of `verdicts`.
    """
    names, folder = _names(reports), pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    blocks = [
        *_said(reports, certificate),
        *_scores(folder, names, reports),
        *_certified(folder, reports, certificate),
        *_details(folder, reports, images or {}),
    ]
    lines = tuple((str(k), str(v)) for k, v in (facts or {}).items())
    if lines:
        table = Block("table", lines=(("", ""), *lines))
        blocks += [Block("heading", "How it was made"), table]
    if certificate:
        certificate.write(folder / "certificate.json")
    text = "\n\n".join([f"# {title}", *map(_markdown, blocks)]) + "\n"
    with checkpoint.atomic(folder / "generalisation.md") as temporary:
        temporary.write_text(text, "utf-8", errors="backslashreplace")
    page = _page(title, blocks)
    with checkpoint.atomic(folder / "generalisation.html") as temporary:
        temporary.write_text(page, "utf-8", errors="backslashreplace")
    return folder / "generalisation.html"


def _names(reports):
    if not reports:
        raise errors.InputError("expected the report of a split or more; found none")
    grids = {x.grid for x in reports.values()}
    if len(grids) > 1:
        raise errors.InputError("expected reports of one grid; found several")
    return next(iter(grids)).names


def _verdict(j: int, reports) -> str:
    """Of factor `j`: whether it is read, and on which splits no longer."""
    found = {split: float(x.r_squared[j]) for split, x in reports.items()}
    if "random" not in found:
        parts = ", ".join(f"{v:.2f} on {_told(k)}" for k, v in found.items())
        return f"R2 {parts}; there is no random split to compare with"
    start = found["random"]
    if start < READ:
        return f"is not read, even on images like those of training: R2 {start:.2f}"
    worse = {k: v for k, v in found.items() if v < start - DROP}
    if not worse:
        return f"is read on every split, R2 {min(found.values()):.2f} or more"
    parts = [f"{_told(k)} ({v:.2f})" for k, v in worse.items()]
    text = f"is read where images are like those of training (R2 {start:.2f}), "
    text += f"less on {', '.join(parts)}"
    beaten = [k for k, v in worse.items() if v < reports[k].clamp[j]]
    if beaten:
        text += (
            f"; on {', '.join(map(_told, beaten))} it does not reach the clamp oracle"
        )
    return text


def _said(reports, certificate):
    known = {x.factor: x.verdict for x in certificate.bands} if certificate else {}
    head = ("factor", "what the splits say") + (("certificate",) if known else ())
    lines = []
    for name, text in verdicts(reports).items():
        lines.append((name, text) + ((known.get(name, ""),) if known else ()))
    return [Block("heading", "Verdict"), Block("table", lines=(head, *lines))]


def _scores(folder, names, reports):
    """R2 by split and factor, beside the two oracles."""
    table = {
        split: {name: [float(v)] for name, v in zip(names, x.r_squared, strict=True)}
        | {"mean": [x.scores["rsquared"]]}
        for split, x in reports.items()
    }
    figures.heat_map(folder / "r_squared.png", table, rows="split")
    lines: list[tuple[str, ...]] = [("split", "predictor", *names, "mean")]
    for split, x in reports.items():
        for told, values in (
            ("model", x.r_squared),
            ("clamp oracle", x.clamp),
            ("train mean", x.train_mean),
        ):
            cells = [f"{v:.3f}" for v in (*values, np.mean(values))]
            lines.append((_told(split), told, *cells))
    counts = {k: x.histogram for k, x in reports.items()}
    figures.histogram(folder / "out_of_distribution.png", counts)
    return [
        Block("heading", "R2 of every factor on every split"),
        Block("paragraph", WHAT),
        Block(
            "figure",
            "R2: 1 is perfect, 0 as bad as 0.5.",
            path=_at(folder, "r_squared"),
        ),
        Block("table", lines=tuple(lines)),
        Block(
            "figure",
            "How many factors of a test image have a value that training lacks.",
            path=_at(folder, "out_of_distribution"),
        ),
    ]


WHAT = (
    "R2 compares squared errors with the variance of the factor over the whole grid. The "
    "clamp oracle knows true values but never leaves the range of training; the train "
    "mean sees no image."
)


def _certified(folder, reports, certificate):
    if certificate is None:
        return []
    grid = next(iter(reports.values())).grid
    lines = [("factor", "trusted", "band", "coverage", "95 % interval", "images")]
    for x in certificate.bands:
        units = x.half_width_units
        width = f"±{x.half_width_steps:.3g} steps"
        cells = (width if units is None else f"±{units:.3g} ({width})",)
        cells += (f"{x.coverage:.3f}", f"{x.interval[0]:.3f} to {x.interval[1]:.3f}")
        trusted = x.inside.text if x.trusted else "nowhere"
        lines.append((x.factor, trusted, *cells, str(x.count)))
    pictures = certificate_figures.write_all(folder, certificate, grid)
    return [
        Block("heading", "Certificate"),
        Block("table", lines=tuple(lines)),
        *(Block("figure", text, path=path) for path, text in pictures.items()),
    ]


def _details(folder, reports, images):
    """Where predictions go, modularity and the worst images of every split."""
    found = []
    for k, (split, x) in enumerate(reports.items()):
        found.append(Block("heading", f"Split: {_told(split)}"))
        figures.predictions(folder / f"predictions_{k}.png", x)
        text = "Mean prediction and deviation against the true value."
        found.append(Block("figure", text, path=_at(folder, f"predictions_{k}")))
        if np.isfinite(x.modularity.ood).any():
            figures.modularity(folder / f"modularity_{k}.png", x)
            text = "R2 where exactly one factor has a value that training lacks."
            found.append(Block("figure", text, path=_at(folder, f"modularity_{k}")))
        if split in images:
            figures.gallery(folder / f"worst_{k}.png", images[split], x)
            text = "The worst images: the true grid number, and what was read."
            found.append(Block("figure", text, path=_at(folder, f"worst_{k}")))
    return found


def _at(folder, name) -> pathlib.Path:
    return folder / f"{name}.png"


def _told(split: str) -> str:
    return split.replace("_", " ")


def _markdown(block: Block) -> str:
    if block.kind == "heading":
        return f"## {block.text}"
    if block.kind == "figure" and block.path:
        return f"![{block.text}]({block.path.name})"
    if block.kind != "table":
        return block.text
    head, *rest = (
        "| " + " | ".join(x.replace("|", "\\|") for x in line) + " |"
        for line in block.lines
    )
    return "\n".join([head, "|" + " --- |" * len(block.lines[0]), *rest])


def _page(title: str, blocks) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><style>{report.STYLE}</style></head><body>
<h1>{html.escape(title)}</h1>
{"".join(map(_html, blocks))}
</body></html>
"""


def _html(block: Block) -> str:
    text = html.escape(block.text)
    if block.kind == "heading":
        return f"<h2>{text}</h2>\n"
    if block.kind == "figure":
        shown = f'<div class="wide">{report.image(block.path, block.text)}</div>'
        return f"<figure>{shown}<figcaption>{text}</figcaption></figure>\n"
    if block.kind != "table":
        return f"<p>{text}</p>\n"
    head, *rest = block.lines
    titles = "".join(f"<th>{html.escape(x)}</th>" for x in head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(x)}</td>" for x in line) + "</tr>"
        for line in rest
    )
    return f'<div class="wide"><table><tr>{titles}</tr>{rows}</table></div>\n'
