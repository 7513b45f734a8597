"""One self-contained page about a run: numbers beside the published ones, figures, facts."""

import base64
import html
import math
import pathlib
from collections.abc import Iterable, Mapping

from iclr22 import checkpoint, record

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto;
       padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: 1rem 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; }
th { position: sticky; top: 0; background: Canvas; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 1.2rem 0; } figcaption { font-size: .9rem; opacity: .8; }
img { max-width: 100%; height: auto; background: white; border: 1px solid var(--line); }
pre, code { background: var(--soft); font-size: .85rem; }
pre { padding: .6rem; overflow-x: auto; }
"""


def write(
    path,
    *,
    title: str,
    summary: str,
    rows: Iterable[record.Result],
    figures: Mapping[str, str],
    facts: Mapping[str, object],
) -> pathlib.Path:
    """Write report.html; it refers to nothing outside itself.

    Args:
      summary: a few sentences of plain text, one paragraph per line.
      rows: results; they are averaged over seeds.
      figures: path of a PNG to its caption.
      facts: configuration, commit, device, seconds and the like.
    """
    paragraphs = "".join(f"<p>{html.escape(x)}</p>" for x in summary.splitlines() if x)
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}</style></head><body>
<h1>{html.escape(title)}</h1>{paragraphs}
<h2>Results</h2><div class="wide">{results_table(rows)}</div>
<h2>Figures</h2>{"".join(_figure(p, c) for p, c in figures.items())}
<h2>How it was made</h2><div class="wide">{facts_table(facts)}</div>
</body></html>
"""
    with checkpoint.atomic(path) as temporary:
        temporary.write_text(page, "utf-8", errors="backslashreplace")
    return pathlib.Path(path)


def results_table(rows: Iterable[record.Result]) -> str:
    """HTML tables, a column per metric: mean and 95 % interval, published number below.

    Settings with `=` in them are points of curves, and folded away.
    """
    summaries = record.summarise(rows)
    main = [s for s in summaries if "=" not in s.setting]
    points = [s for s in summaries if "=" in s.setting]
    seeds = max((s.seeds for s in summaries), default=0)
    note = f"<p>Mean and 95 % interval over up to {seeds} seeds.</p>"
    folded = (
        f"<details><summary>Points of the curves</summary>{_pivot(points)}</details>"
    )
    return note + _pivot(main) + (folded if points else "")


def _pivot(summaries: list[record.Summary]) -> str:
    tables = []
    groups: dict[tuple, dict] = {}
    for s in summaries:
        cells = groups.setdefault((s.dataset, s.setting, s.variant), {})
        cells[s.metric] = s
    shapes: dict[tuple, list] = {}
    for key, cells in groups.items():
        shapes.setdefault(tuple(sorted(cells)), []).append((key, cells))
    for names, members in shapes.items():
        lines = []
        for key, cells in members:
            texts = "".join(f"<td>{html.escape(x)}</td>" for x in key)
            numbers = "".join(
                f"<td class=n>{_cell(cells[name])}</td>" for name in names
            )
            lines.append(f"<tr>{texts}{numbers}</tr>")
        tables.append(_table(("dataset", "setting", "variant", *names), lines))
    return "".join(tables)


def _cell(summary: record.Summary) -> str:
    published = html.escape(summary.published)
    beside = f"<br><small>published {published}</small>" if published else ""
    return number(summary.mean, summary.interval) + beside


def number(mean: float, interval: float) -> str:
    """`mean ± interval` with digits that fit the size of the number."""
    digits = 2 if abs(mean) >= 1 else 3
    spread = "" if math.isnan(interval) else f" ± {interval:.{digits}f}"
    return f"{mean:.{digits}f}{spread}"


def facts_table(facts: Mapping[str, object]) -> str:
    """HTML table of two columns."""
    lines = [
        f"<tr><td>{html.escape(str(k))}</td><td><code>{html.escape(str(v))}</code></td></tr>"
        for k, v in facts.items()
    ]
    return _table(("", ""), lines)


def _table(head, lines) -> str:
    titles = "".join(f"<th>{html.escape(x)}</th>" for x in head)
    return f"<table><tr>{titles}</tr>{''.join(lines)}</table>"


def image(path, text: str) -> str:
    """An `img` element that holds the PNG itself; `text` is said where it is not seen."""
    data = base64.b64encode(pathlib.Path(path).read_bytes()).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{data}">'


def _figure(path, caption: str) -> str:
    text = html.escape(caption)
    return f"<figure>{image(path, caption)}<figcaption>{text}</figcaption></figure>"
