"""Files of texts and links: lines of JSON, and the files of published graphs."""

import gzip
import io
import json
import pathlib
import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from iclr22 import errors
from iclr22.data import checks, text_graphs
from iclr22.data.graphs import SPLITS
from iclr22.data.text_graphs import TextGraph

LINE = 1 << 26  # characters of a line of JSON, at most


def is_lines(path) -> bool:
    """Whether a file holds lines of JSON, by its name."""
    name = str(path).lower()
    return name.endswith((".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"))


def read_lines(
    path, required: Sequence[str], *, wanted: Sequence[str] = ()
) -> Iterator[tuple[tuple, dict]]:
    """Lines of JSON, some at a time: line numbers, cells by column, as `read_table`.

    Every line is an object; its texts and numbers become texts, null and what a line does
    not have an empty one. Empty lines are skipped.

    Args:
      path: `.jsonl` or `.jsonl.gz`, in UTF-8.
      required: fields that every line must have.
      wanted: more fields that are read; a block has those of which it has any. Other
        fields are passed over.

    Raises:
      errors.InputError: no such lines, with the number of the line.
    """
    fields = (*required, *wanted)
    numbers, rows = [], []
    for number, line in _lines(path):
        rows.append(_object(path, number, line, required, fields))
        numbers.append(number)
        if len(rows) == checks.ROWS:
            yield tuple(numbers), _columns(rows, fields)
            numbers, rows = [], []
    if rows:
        yield tuple(numbers), _columns(rows, fields)


def _columns(rows, fields) -> dict:
    here = [name for name in fields if any(name in row for row in rows)]
    return {name: [row.get(name, "") for row in rows] for name in here}


def _lines(path, what: str = "lines of JSON") -> Iterator[tuple[int, str]]:
    """Numbers and texts of lines that are not empty."""
    number = 0
    try:
        stream = gzip.open(path) if str(path).endswith(".gz") else open(path, "rb")
        with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="\n") as lines:
            while line := lines.readline(LINE):
                number += 1
                if len(line) == LINE:
                    raise ValueError(f"a line of more than {LINE:,} characters")
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise errors.InputError(
            f"{path}, line {number + 1}: expected {what} in UTF-8; found "
            f"{checks.short(error)}."
        ) from error


def _object(path, number, line, required, fields) -> dict[str, str]:
    """The wanted fields of a line as texts."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise errors.InputError(
            f"{path}, line {number}: expected an object of JSON in every line; found "
            f"{checks.shown(line.strip())} ({checks.short(error)})."
        ) from error
    if not isinstance(found, dict):
        raise errors.InputError(
            f"{path}, line {number}: expected an object of JSON in every line; found "
            f"{checks.shown(found)}."
        )
    if missing := [name for name in required if name not in found]:
        raise errors.InputError(
            f"{path}, line {number}: expected an object with {', '.join(required)}; found "
            f"no {' and no '.join(missing)}, but {checks.few(found) or 'nothing'}."
        )
    return {
        name: _text(path, number, name, found[name]) for name in fields if name in found
    }


def _text(path, number, name, value) -> str:
    """A text or a number as text; null is an empty one."""
    if value is None:
        return ""
    try:
        if isinstance(value, str):
            value.encode()  # no halves of characters, which no file can hold
            return value
        if isinstance(value, (bool, int, float)):
            return str(value)
    except ValueError:
        pass
    raise errors.InputError(
        f"{path}, line {number}, {name}: expected a text or a number; found "
        f"{checks.shown(ascii(value))}."
    )


def read_converted(nodes, links) -> TextGraph:
    """A file of nodes and one of arrays, in this project's own format.

    Args:
      nodes: lines of JSON with `id`, `label` and `text`.
      links: a .npz with `edges [e, 2]`, each once; `y [n]`, -1 where unknown;
        `class_names`; and `split_<kind> [splits, n]`: 0 train, 1 valid, 2 test, 255 unused.
    """
    found = checks.read_npz(links)
    ids, texts = [], []
    for _, columns in read_lines(nodes, ("id", "text")):
        ids += columns["id"]
        texts += columns["text"]
    kinds = {
        name.removeprefix("split_"): {
            split: values == place for place, split in enumerate(SPLITS)
        }
        for name, values in found.items()
        if name.startswith("split_")
    }
    return text_graphs.make(
        texts,
        found["edges"].T.astype(np.int64),
        labels=found["y"],
        class_names=tuple(found["class_names"].astype(str).tolist()),
        names=checks.text_array(ids),
        splits=kinds,
    )


def read_arxiv(folder, texts) -> TextGraph:
    """ogbn-arxiv from its original files; links are taken both ways, the split is by year.

    Texts are joined by number of the paper: their file has more rows than there are nodes,
    in another order. A title and its abstract become two lines of a text.

    Args:
      folder: with `raw`, `split/time` and `mapping`, as the archive is unpacked.
      texts: titles and abstracts, .tsv or .tsv.gz.

    Raises:
      errors.InputError: a file that is missing or of another format, or a paper without
        a text.
    """
    folder = pathlib.Path(folder)
    edges = _integers(folder / "raw" / "edge.csv.gz", 2)
    labels = _integers(folder / "raw" / "node-label.csv.gz", 1)[:, 0]
    masks = {}
    for split, stem in zip(SPLITS, ("train", "valid", "test"), strict=True):
        rows = _integers(folder / "split" / "time" / f"{stem}.csv.gz", 1)[:, 0]
        masks[split] = np.zeros((1, len(labels)), bool)
        masks[split][0, rows] = True
    mapping = folder / "mapping" / "nodeidx2paperid.csv.gz"
    number, paper = _integers(mapping, 2, skip=1).T
    paper = paper[np.argsort(number)].tolist()
    known = _read_titles(texts, set(paper))
    missing = [x for x in paper if x not in known]
    if len(paper) != len(labels) or missing:
        raise errors.InputError(
            f"{texts}, {mapping}: expected a text of each of the {len(labels):,} papers; "
            f"found {len(paper):,} papers, {len(missing):,} of them without a text, such as "
            f"{checks.few(missing[:1]) or 'none'}. Get the files of ogbn-arxiv anew."
        )
    return text_graphs.make(
        [known[x] for x in paper],
        edges.T,
        labels=labels,
        class_names=tuple(map(str, range(labels.max() + 1))),
        names=np.array(paper).astype(str),
        splits={"time": masks},
    )


def _integers(path, columns: int, *, skip: int = 0) -> np.ndarray:
    """Whole numbers `[rows, columns]` of a compressed table without a header."""
    path = checks.existing(path, "a file of ogbn-arxiv")
    try:
        found = np.loadtxt(path, np.int64, delimiter=",", ndmin=2, skiprows=skip)
        if found.shape[1] != columns or found.min(initial=0) < 0:
            raise ValueError(f"{found.shape[1]} columns, least {found.min(initial=0)}")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise errors.InputError(
            f"{path}: expected {columns} columns of whole numbers between commas, "
            f"compressed; found {checks.short(error)}."
        ) from error
    return found


def _read_titles(path, wanted: set[int]) -> dict[int, str]:
    """Texts by number of the paper.

    The published file is a tar archive within: its first number has the archive's header
    before it, and its last line, which has no tabs, is the padding.
    """
    found = {}
    for _, line in _lines(path, "papers, titles and abstracts between tabs"):
        fields = line.rstrip("\r\n").split("\t")
        number = re.search(r"\d+$", fields[0])
        if len(fields) < 2 or number is None:
            continue
        if (paper := int(number[0])) in wanted:
            found[paper] = "\n".join(x for x in map(str.strip, fields[1:]) if x)
    return found
