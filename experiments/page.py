"""The page of `experiments.reproduce`: one file, every method, numbers beside the paper's."""

import html
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import iclr22
from experiments import paper, verdicts
from iclr22 import checkpoint, record, report

STYLE = (
    report.STYLE
    + """
body { overflow-wrap: break-word; } section { margin-top: 2.5rem; }
.badge { display: inline-block; padding: .05rem .6rem; border-radius: 1rem;
         font-size: .85rem; color: white; background: #666; white-space: nowrap; }
.holds { background: #1a7f37; } .partly, .open { background: #9a6700; }
.not, .fails { background: #b32d2d; }
td code, td.s { white-space: nowrap; } td.w { min-width: 11rem; } td small { opacity: .75; }
table { margin: .3rem 0; } td { vertical-align: top; }
details { margin: 1rem 0; } summary { cursor: pointer; }
h2 .badge { margin-left: .5rem; vertical-align: middle; }
@media (max-width: 40rem) {
  th, td { padding: .2rem .35rem; } td.w { min-width: 9rem; }
  figure .wide img { max-width: none; width: 38rem; }
}
"""
)
BADGES = {
    "holds": "holds",
    "holds partly": "partly",
    "does not hold": "not",
    verdicts.OPEN: "open",
    verdicts.FAILS: "fails",
}
WORDS = {verdicts.FAILS: "does not hold", verdicts.OPEN: "within the spread"}


class Done(NamedTuple):
    """One command: finished, failed or left out."""

    title: str
    command: str
    state: str  # finished, failed, skipped, not run
    seconds: float = 0.0
    commit: str = ""
    device: str = ""
    date: str = ""
    note: str = ""  # why it was left out, or the end of the log


class Section(NamedTuple):
    """What the page says about one method."""

    method: str
    rows: list[record.Result]
    figures: dict[pathlib.Path, str]  # captions
    runs: list[Done]
    judged: bool = True  # False where the data are synthetic


def write(path, sections: list[Section], *, summary: str, facts: dict) -> pathlib.Path:
    """Write the page; it refers to nothing outside itself.

    Args:
      summary: plain text, one paragraph per line.
      facts: scale, device, commit and the like.
    """
    judged = {s.method: _verdict(s) for s in sections}
    paragraphs = "".join(f"<p>{html.escape(x)}</p>" for x in summary.splitlines() if x)
    body = "".join(_section(s, judged[s.method]) for s in sections)
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What holds</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><style>{STYLE}</style></head><body>
<h1>Papers of ICLR 2022, reproduced</h1>{paragraphs}
<div class="wide">{_overview(sections, judged)}</div>{body}
<section><h2>How it was made</h2><div class="wide">{report.facts_table(facts)}</div>
</section></body></html>
"""
    with checkpoint.atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return pathlib.Path(path)


def _verdict(section: Section) -> verdicts.Verdict:
    if not section.judged:
        return verdicts.Verdict("not judged", "synthetic data: it works, no more", ())
    return verdicts.verdict(section.method, section.rows)


def _badge(text: str, kind: str = "") -> str:
    kind = kind or BADGES.get(text, "")
    return f'<span class="badge {kind}">{html.escape(text)}</span>'


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Cells are HTML already."""
    titles = "".join(f"<th>{html.escape(x)}</th>" for x in head)
    rows = "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    return f"<table><tr>{titles}</tr>{rows}</table>"


def _cell(text, kind: str = "") -> str:
    return f'<td class="{kind}">{html.escape(str(text))}</td>'


def _pair(text: str, below: str) -> str:
    text, below = html.escape(text), html.escape(below)
    return f'<td class="w">{text}<br><small>{below}</small></td>'


def _overview(sections, judged) -> str:
    lines = []
    for s in sections:
        found = judged[s.method]
        seconds = sum(run.seconds for run in s.runs)
        failed = sum(run.state == "failed" for run in s.runs)
        reason = found.reason
        if failed:
            reason += f"; {failed} commands failed"
        name = html.escape(_title(s.method).partition(":")[0])
        lines.append(
            (
                f'<td><a href="#{s.method}">{name}</a></td>',
                f"<td>{_badge(found.text)}<br><small>{html.escape(reason)}</small></td>",
                _cell(_duration(seconds), "n"),
            )
        )
    return _table(("method", "verdict", "time"), lines)


def _title(method: str) -> str:
    return iclr22.index().get(method, method)


def _section(s: Section, found: verdicts.Verdict) -> str:
    title = html.escape(_title(s.method))
    parts = [f'<section id="{s.method}"><h2>{title}{_badge(found.text)}</h2>']
    parts.append(f"<p>{html.escape(found.reason)}.</p>")
    parts += [_figure(path, caption) for path, caption in s.figures.items()]
    if found.judgements:
        lines = [_claim(x) for x in found.judgements]
        table = _table(("", "claim, and what was measured"), lines)
        parts.append(f'<h3>Claims</h3><div class="wide">{table}</div>')
    if s.judged:
        parts.append(_numbers(s))
    elif s.rows:
        table = report.results_table(s.rows)
        parts.append(
            f'<details><summary>Numbers</summary><div class="wide">{table}</div></details>'
        )
    parts.append(_runs(s.runs))
    return "".join(parts) + "</section>"


def _claim(x: verdicts.Judgement) -> tuple[str, str]:
    what = f"{x.claim.what} (ours)" if x.claim.ours else x.claim.what
    badge = _badge(WORDS.get(x.state, x.state), BADGES.get(x.state, ""))
    return f"<td>{badge}</td>", _pair(what, x.numbers)


def _numbers(s: Section) -> str:
    """The published table beside ours."""
    means, headlines = paper.means(s.rows), paper.of(s.method).HEADLINES
    measured = [line for line in headlines if line.key in means]
    lines = [_line(line, means[line.key]) for line in measured]
    table = _table(("what", "ours", "paper"), lines) if lines else ""
    text = f'<h3>Ours beside the paper</h3><div class="wide">{table}</div>'
    if absent := len(headlines) - len(measured):
        text += f"<p><small>{absent} rows of the table were not measured.</small></p>"
    return text


def _line(line: paper.Headline, found: record.Summary) -> tuple[str, str, str]:
    seeds = f"{found.seeds} seeds" if found.seeds > 1 else "1 seed"
    where = f"{found.dataset}, {found.setting}, {seeds}"
    return (
        _pair(line.what.replace("`", ""), where),
        _cell(report.number(found.mean, found.interval), "n"),
        _cell(line.published, "n"),
    )


def _runs(runs: list[Done]) -> str:
    kinds = {"finished": "holds", "failed": "fails"}
    lines = [
        (
            f"<td>{_badge(run.state, kinds.get(run.state, 'none'))}</td>",
            f"<td><code>{html.escape(run.command)}</code></td>",
            _cell(_duration(run.seconds) if run.seconds else "", "n"),
            _cell(run.commit, "s"),
            _cell(run.device, "s"),
            _cell(run.date, "n"),
        )
        for run in runs
    ]
    head = ("", "command", "time", "commit", "device", "date")
    notes = "".join(_note(run) for run in runs if run.note)
    return f'<h3>Commands</h3><div class="wide">{_table(head, lines)}</div>{notes}'


def _note(run: Done) -> str:
    title, text = html.escape(f"{run.title}, {run.state}"), html.escape(run.note)
    if run.state != "failed":
        return f"<p><small>{title}: {text}.</small></p>"
    head = f"<summary>{title}: end of its log</summary>"
    return f"<details open>{head}<pre>{text}</pre></details>"


def _figure(path, caption: str) -> str:
    shown = f'<div class="wide">{report.image(path, caption)}</div>'
    return f"<figure>{shown}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
