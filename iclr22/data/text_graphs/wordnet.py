"""WordNet as a graph with texts: 117,659 meanings that point to each other.

A node is a meaning (synset) of WordNet 3.0 (Fellbaum, 1998). Its text is its words, with
commas between them, and its gloss with the examples: "dog, domestic dog: a member of the
genus Canis ...". Two meanings are linked where either points to the other in whatever way,
also by one of their words (antonyms, derived forms): 183,789 links. The class is the file
that lexicographers keep it in, such as noun.animal.
"""

import os
import pathlib
import re

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import text_graphs
from iclr22.data.registry import Dataset, Info
from iclr22.data.text_graphs import TextGraph, simulated
from iclr22.data.texts import wordnet

FILES = {"n": "data.noun", "v": "data.verb", "a": "data.adj", "r": "data.adv"}
MARK = re.compile(r"\((a|p|ip)\)$")  # where an adjective may stand
TOPICS = (
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact "
    "noun.attribute noun.body noun.cognition noun.communication noun.event noun.feeling "
    "noun.food noun.group noun.location noun.motive noun.object noun.person "
    "noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation "
    "noun.shape noun.state noun.substance noun.time verb.body verb.change "
    "verb.cognition verb.communication verb.competition verb.consumption verb.contact "
    "verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social "
    "verb.stative verb.weather adj.ppl"
).split()


def load(data_dir: str | None = None) -> TextGraph:
    """The graph of the user's copy of WordNet 3.0.

    Raises:
      errors.InputError: no WordNet in `<data_dir>/wordnet` or where Debian puts it.
    """
    return load_folder(wordnet.find_folder(data_dir))


def load_folder(folder: str | os.PathLike) -> TextGraph:
    """As `load`, from a folder with `data.noun`, `data.verb`, `data.adj` and `data.adv`.

    Names of nodes are a part of speech and a place, as n02084071. Splits are drawn: ten of
    60, 20 and 20 percent, and ten of 20 nodes per class.

    Raises:
      errors.InputError: a file that is missing, cut or of another format.
    """
    number: dict[tuple[str, str], int] = {}
    texts, topics, pointers = [], [], []
    for part, name in FILES.items():
        for meaning in wordnet.read_lines(pathlib.Path(folder) / name):
            number[part, meaning.place] = len(texts)
            pointers += [
                (len(texts), x.part.replace("s", "a"), x.place)  # s shares a's file
                for x in meaning.pointers
            ]
            words = ", ".join(MARK.sub("", word) for word in meaning.words)
            texts.append(f"{words}: {meaning.gloss}")
            topics.append(meaning.topic)
    try:
        ends = [(i, number[part, place]) for i, part, place in pointers]
    except KeyError as error:
        raise errors.InputError(
            f"{folder}: expected all meanings that others point to; found none at "
            f"{error}. A file is cut: get it anew."
        ) from error
    labels = np.array(topics, np.int32)
    if labels.max(initial=0) >= len(TOPICS):
        raise errors.InputError(
            f"{folder}: expected {len(TOPICS)} files of lexicographers, as WordNet 3.0 "
            f"has; found number {labels.max()}."
        )
    found = text_graphs.make(
        texts,
        np.array(ends, np.int64).reshape(-1, 2).T,
        labels=labels,
        class_names=tuple(TOPICS),
        names=np.array([part + place for part, place in number]),
        splits={
            text_graphs.SHARES: text_graphs.draw_shares(labels),
            f"20_{text_graphs.CLASSES}": text_graphs.draw_per_class(labels),
        },
    )
    logging.info(
        "%s: %d meanings, %d links",
        folder,
        len(texts),
        text_graphs.undirected_edges(found).shape[1],
    )
    return found


DATASETS = {
    "wordnet_graph": Dataset(
        load,
        simulated.synthetic,
        Info(
            "117,659 meanings of words with their glosses, 183,789 links; class: one of 45 "
            "files of lexicographers",
            (),
            "WordNet 3.0 license: use, copy, modify and distribute with its notice",
            "C. Fellbaum, ed. (1998). WordNet: An Electronic Lexical Database. MIT Press. "
            "Princeton University.",
            tuple(TOPICS),
            notes="the user's copy is read",
        ),
    ),
}
