"""Glosses of WordNet: pairs of what nouns mean, scored by how near the nouns are.

WordNet 3.0 (Fellbaum, 1998) groups nouns of one meaning and says what each is a kind of.
Two glosses are as alike as the path between their nouns is short: one over one more than
its steps, up to a common kind and down again ("path similarity").
"""

import os
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks, download, texts
from iclr22.data.registry import Dataset, Info
from iclr22.data.texts import simulated

FILE = "data.noun"
NAMES = {
    FILE: "nouns",
    "data.verb": "verbs",
    "data.adj": "adjectives",
    "data.adv": "adverbs",
}
INSTALLED = "/usr/share/wordnet"  # by the Debian package wordnet-base
KINDS = ("@", "@i")  # pointers to what a noun is a kind, or an instance, of
WORDS = 3  # of a gloss, at least
STEPS = 8  # of a way that joins a pair, at most
RANDOM = 0.2  # share of pairs that no way was drawn for
SPLITS = (8000, 2000, 2000)  # pairs for training, development and test
QUOTED = re.compile(r'"[^"]*"?')


class Nouns(NamedTuple):
    """Meanings of nouns.

    Attributes:
      glosses: `[n]`, what they mean, without examples.
      words: `[n]`, the first word of each.
      above: of each, numbers of what it is a kind of.
    """

    glosses: tuple[str, ...]
    words: tuple[str, ...]
    above: tuple[tuple[int, ...], ...]


class Pointer(NamedTuple):
    """From one meaning to another."""

    kind: str  # such as @, what it is a kind of
    place: str  # of the other in the file of its part of speech
    part: str  # of speech: n, v, a (also s) or r


class Meaning(NamedTuple):
    """One line of WordNet."""

    place: str  # in its file, which names it
    topic: int  # number of the lexicographer's file, 0 to 44
    words: tuple[str, ...]  # that have it, with spaces
    pointers: tuple[Pointer, ...]
    gloss: str  # with examples


def read(folder: str | os.PathLike) -> Nouns:
    """Nouns of the folder `dict` of WordNet.

    Raises:
      errors.InputError: no file `data.noun` there, or a line that is of another format.
    """
    path = pathlib.Path(folder) / FILE
    offsets: dict[str, int] = {}
    glosses, words, pointers = [], [], []
    for meaning in read_lines(path):
        offsets[meaning.place] = len(glosses)
        glosses.append(plain(meaning.gloss))
        words.append(meaning.words[0])
        pointers.append(
            [x.place for x in meaning.pointers if x.kind in KINDS and x.part == "n"]
        )
    try:
        above = tuple(tuple(offsets[x] for x in some) for some in pointers)
    except KeyError as error:
        raise errors.InputError(
            f"{path}: expected all meanings that others point to; found none at {error}. "
            "The file is cut: get it anew."
        ) from error
    if not glosses:
        raise errors.InputError(f"{path}: expected meanings of nouns; found none.")
    return Nouns(tuple(glosses), tuple(words), above)


def read_lines(path: str | os.PathLike) -> Iterator[Meaning]:
    """The meanings of a file of WordNet, such as `data.noun`, in its order.

    Raises:
      errors.InputError: no such file, or a line that is of another format.
    """
    path = checks.existing(path, f"the {NAMES[pathlib.Path(path).name]} of WordNet")
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError(
            f"{path}: expected WordNet in UTF-8; found {checks.short(error)}."
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("  "):  # the licence
            continue
        try:
            yield _meaning(line)
        except (ValueError, IndexError) as error:
            raise errors.InputError(
                f"{path}, line {number}: expected a meaning in the format of WordNet 3.0; "
                f"found {checks.shown(line)}."
            ) from error


def _meaning(line: str) -> Meaning:
    head, gloss = line.split(" | ", 1)
    place, topic, _, count, *rest = head.split()
    words = [x.replace("_", " ") for x in rest[: 2 * int(count, 16) : 2]]
    rest = rest[2 * int(count, 16) :]
    if not words or not rest:
        raise ValueError("no words, or no pointers")
    several = range(1, 1 + 4 * int(rest[0]), 4)
    pointers = tuple(Pointer(rest[i], rest[i + 1], rest[i + 2]) for i in several)
    return Meaning(place, int(topic), tuple(words), pointers, gloss.strip())


def plain(gloss: str) -> str:
    """A gloss without examples, which are in quotes."""
    return " ".join(QUOTED.sub("", gloss).split()).strip(" ;:,")


def distance(nouns: Nouns, one: int, two: int) -> int | None:
    """Steps of the shortest path up to a common kind and down again; None without one."""
    up, others = _above(nouns, one), _above(nouns, two)
    return min((n + others[x] for x, n in up.items() if x in others), default=None)


def _above(nouns, start: int) -> dict[int, int]:
    """Steps up to everything that it is a kind of, itself too."""
    found, border, steps = {start: 0}, [start], 0
    while border:
        steps += 1
        border = [x for y in border for x in nouns.above[y] if x not in found]
        found |= dict.fromkeys(border, steps)
    return found


def pairs(nouns: Nouns, count: int, seed: int = 0) -> texts.Pairs:
    """So many different pairs of glosses, scored by path similarity; all are `train`.

    Most are of nouns that a way of a few steps up and down joins, the rest of any two.

    Raises:
      errors.InputError: glosses that do not make as many pairs.
    """
    random = np.random.default_rng(seed)
    below = _below(nouns)
    usable = [i for i, x in enumerate(nouns.glosses) if len(x.split()) >= WORDS]
    found: dict[tuple[str, str], float] = {}
    for one, two in _drawn(random, nouns.above, below, usable, 20 * count):
        first, second = nouns.glosses[one], nouns.glosses[two]
        if first == second or len(second.split()) < WORDS:
            continue
        steps = distance(nouns, one, two)
        if steps is not None and (second, first) not in found:
            found[first, second] = 1 / (1 + steps)
        if len(found) == count:
            break
    else:
        raise errors.InputError(
            f"expected meanings for {count:,} pairs of glosses; found {len(found):,} pairs "
            f"of {len(nouns.glosses):,} meanings. Ask for fewer, or give the whole of "
            "WordNet."
        )
    first, second = zip(*found, strict=True)
    return texts.make(first, second, list(found.values()))


def _below(nouns) -> list[list[int]]:
    below: list[list[int]] = [[] for _ in nouns.above]
    for i, some in enumerate(nouns.above):
        for x in some:
            below[x].append(i)
    return below


def _drawn(random, above, below, usable, most: int) -> Iterator[tuple[int, int]]:
    """Pairs of numbers: the ends of ways up and down again, and some at random."""

    def step(way, options):
        options = [x for x in options if x not in way]
        return [*way, options[random.integers(len(options))]] if options else way

    for _ in range(most if usable else 0):
        way = [usable[random.integers(len(usable))]]
        if random.random() < RANDOM:
            yield way[0], usable[random.integers(len(usable))]
            continue
        steps = random.integers(1, STEPS + 1)
        up = random.integers(steps + 1)
        for i in range(steps):
            way = step(way, above[way[-1]] if i < up else below[way[-1]])
        yield way[0], way[-1]


def load(data_dir: str | None = None) -> texts.Pairs:
    """12,000 pairs of glosses of nouns, from the user's copy of WordNet 3.0.

    Raises:
      errors.InputError: no WordNet in `<data_dir>/wordnet` or where Debian puts it.
    """
    return load_folder(find_folder(data_dir))


def find_folder(data_dir: str | None = None) -> pathlib.Path:
    """The folder of WordNet 3.0: `<data_dir>/wordnet`, or where Debian puts it.

    Raises:
      errors.InputError: it is in neither.
    """
    folders = [download.data_root(data_dir) / "wordnet", pathlib.Path(INSTALLED)]
    folder = next((x for x in folders if (x / FILE).is_file()), None)
    if folder is None:
        raise errors.InputError(
            f"{folders[0] / FILE}: expected the nouns of WordNet 3.0; found none there nor "
            f"in {INSTALLED}. Install them (Debian: wordnet-base), or put the files of its "
            "folder dict there."
        )
    return folder


def load_folder(folder: str | os.PathLike, seed: int = 0) -> texts.Pairs:
    """As `load`, from a folder with `data.noun`; of few meanings fewer pairs are made."""
    nouns = read(folder)
    total = min(sum(SPLITS), len(nouns.glosses) // 2)
    found = pairs(nouns, total, seed)
    sizes = [round(total * x / sum(SPLITS)) for x in SPLITS[:2]]
    names = np.repeat((texts.TRAIN, texts.DEV), sizes)
    split = np.full(total, texts.TEST, "U5")
    split[: len(names)] = names
    logging.info("%s: %d meanings, %d pairs", folder, len(nouns.glosses), total)
    return found._replace(split=split)


DATASETS = {
    "wordnet": Dataset(
        load,
        simulated.synthetic,
        Info(
            "12,000 pairs of glosses of nouns, scored by the path between the nouns",
            (),
            "WordNet 3.0 license: use, copy, modify and distribute with its notice",
            "C. Fellbaum, ed. (1998). WordNet: An Electronic Lexical Database. MIT Press. "
            "Princeton University.",
            notes="the user's copy is read",
        ),
    ),
}
