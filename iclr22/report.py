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
table { border-collapse: collapse; font-size: .9rem; }
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
        temporary.write_text(page)
    return pathlib.Path(path)


def results_table(rows: Iterable[record.Result]) -> str:
    """HTML table: mean and 95 % interval over seeds beside the published number."""
    head = ("dataset", "setting", "variant", "metric", "ours", "published", "seeds")
    lines = []
    for s in record.summarise(rows):
        texts = [s.dataset, s.setting, s.variant, s.metric]
        cells = "".join(f"<td>{html.escape(x)}</td>" for x in texts)
        ours = number(s.mean, s.interval)
        published = html.escape(s.published)
        lines.append(
            f"<tr>{cells}<td class=n>{ours}</td><td class=n>{published}</td>"
            f"<td class=n>{s.seeds}</td></tr>"
        )
    return _table(head, lines)


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


def markdown_table(summaries: Iterable[record.Summary]) -> str:
    """Markdown table of the same columns as `results_table`, for READMEs."""
    lines = ["| dataset | setting | variant | metric | ours | published |"]
    lines.append("| --- " * 6 + "|")
    for s in summaries:
        texts = [s.dataset, s.setting, s.variant, s.metric]
        texts += [number(s.mean, s.interval), s.published]
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines)


def _table(head, lines) -> str:
    titles = "".join(f"<th>{x}</th>" for x in head)
    return f"<table><tr>{titles}</tr>{''.join(lines)}</table>"


def _figure(path, caption: str) -> str:
    data = base64.b64encode(pathlib.Path(path).read_bytes()).decode()
    text = html.escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )
