"""Vocabularies of uncased WordPiece: read from the files of a model, or made of texts."""

import collections
import json
import unicodedata
from collections.abc import Iterable

from iclr22 import errors
from iclr22.data import checks
from iclr22.nn import model_files
from iclr22.nn.tokens import WORD
from iclr22.nn.wordpiece import MASK, SPECIAL

LIST, FAST, ABOUT = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
TOKENS = 30_000  # words of a vocabulary of texts, at most


def read(files: model_files.Files) -> tuple[str, ...]:
    """Tokens by number.

    Args:
      files: with `vocab.txt` (a token in each line) or, without, a `tokenizer.json` whose
        model is WordPiece; or one text file.

    Raises:
      errors.InputError: neither is there, or it is of another kind or cased.
    """
    name = next((x for x in (LIST, FAST) if x in files.names), None)
    if name is None and len(files.names) == 1 and files.named(".txt"):
        (name,) = files.names
    if name is None:
        raise model_files.missing(files, LIST, "the vocabulary")
    where = f"{files.where}/{name}"
    try:
        if ABOUT in files.names:
            _check_uncased(f"{files.where}/{ABOUT}", json.loads(files.read(ABOUT)))
        text = files.read(name).decode("utf-8")
        tokens = _fast(where, json.loads(text)) if name == FAST else _lines(text)
    except errors.InputError:
        raise
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise errors.InputError(
            f"{where}: expected tokens of WordPiece in UTF-8; found others "
            f"({checks.short(error)})."
        ) from error
    check(tokens, where)
    return tokens


def check(tokens, where) -> None:
    """Raise `errors.InputError` unless all tokens differ and the special ones are there."""
    if missing := [x for x in SPECIAL if x not in tokens]:
        raise errors.InputError(
            f"{where}: expected the tokens {', '.join(SPECIAL)} in the vocabulary; found no "
            f"{checks.few(missing)} among {len(tokens):,}. Use the one of an uncased BERT."
        )
    if len(set(tokens)) < len(tokens):
        twice = next(x for i, x in enumerate(tokens) if x in tokens[:i])
        raise errors.InputError(
            f"{where}: expected tokens that differ; found {checks.shown(twice)} twice."
        )


def _lines(text) -> tuple[str, ...]:
    lines = text.split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    return tuple(line.rstrip("\r") for line in lines)


def _fast(where, found) -> tuple[str, ...]:
    """Tokens of a `tokenizer.json`."""
    kind = found["model"].get("type", "WordPiece")
    cased = (found.get("normalizer") or {}).get("lowercase") is False
    if kind != "WordPiece" or cased:
        raise errors.InputError(
            f"{where}: expected an uncased tokenizer of WordPiece; found "
            f"{'a cased one' if cased else checks.short(kind)}."
        )
    numbers = dict(found["model"]["vocab"])
    if sorted(numbers.values()) != list(range(len(numbers))):
        raise ValueError("tokens that are not numbered 0, 1, 2, ...")
    return tuple(sorted(numbers, key=numbers.__getitem__))


def _check_uncased(where, found):
    if found.get("do_lower_case") is False:
        raise errors.InputError(
            f"{where}: expected an uncased model; found do_lower_case false. Use the "
            "uncased one."
        )


def of_texts(sentences: Iterable[str], most: int = TOKENS) -> tuple[str, ...]:
    """Tokens by number: the special ones, all characters, with which any word of these
    sentences can be spelled, and words that occur twice or more, the most frequent first.

    Args:
      most: words, besides.
    """
    words = collections.Counter(
        word for sentence in sentences for word in WORD.findall(_plain(sentence))
    )
    letters = sorted({letter for word in words for letter in word})
    known = (*letters, *(f"##{letter}" for letter in letters))
    often = [word for word, n in words.most_common(most) if n > 1 and len(word) > 1]
    return (*SPECIAL, MASK, *known, *often)


def _plain(text: str) -> str:
    """Without capitals and accents, as WordPiece reads it."""
    apart = unicodedata.normalize("NFD", text.lower())
    return "".join(x for x in apart if unicodedata.category(x) != "Mn")
