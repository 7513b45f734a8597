"""Tokens in arrays, batches, and what damages texts, against loops."""

import functools

import numpy as np
import pytest

from iclr22 import errors
from iclr22.nn import tokens, wordpiece
from iclr22.trans_encoder import batches, contrastive, samples, tsdae

ROWS = [[5, 6, 7], [8], [], [4, 5, 6, 7, 8, 9], [9, 9]]
TEXTS = tokens.of(ROWS, 1, 2)


def shortened(one, other, room):
    """The longer one loses its last token until both fit; half of the room is rounded up
    for what was longer, the second if both are as long."""
    longer_first = len(one) > len(other)
    one, other = list(one), list(other)
    while len(one) + len(other) > room:
        cut_first = len(one) > len(other) or (
            len(one) == len(other) and not longer_first
        )
        (one if cut_first else other).pop()
    return one, other


@pytest.mark.parametrize("width", [8, 4])
def test_a_text_alone(width):
    found = tokens.alone(TEXTS, range(5), width)
    for row, given in enumerate(ROWS):
        wanted = [1, *given[: width - 2], 2]
        assert found.lengths[row] == found.first[row] == len(wanted)
        assert found.ids[row].tolist() == wanted + [0] * (width - len(wanted))


@pytest.mark.parametrize("width", [6, 9, 16])
def test_two_texts_together(width):
    first, second = np.divmod(np.arange(25), 5)
    found = tokens.together(TEXTS, first, second, width)
    for row, (a, b) in enumerate(zip(first, second, strict=True)):
        one, other = shortened(ROWS[a], ROWS[b], width - 3)
        wanted = [1, *one, 2, *other, 2]
        assert found.ids[row].tolist() == wanted + [0] * (width - len(wanted))
        assert (found.lengths[row], found.first[row]) == (len(wanted), len(one) + 2)


def test_a_limit_below_the_width():
    assert tokens.alone(TEXTS, [3], 8, 5).ids.tolist() == [[1, 4, 5, 6, 2, 0, 0, 0]]
    found = tokens.together(TEXTS, [3], [0], 16, 8)
    assert found.lengths.tolist() == [8]
    lengths = tokens.alone_lengths(TEXTS, slice(None))
    assert lengths.tolist() == [5, 3, 2, 8, 4]
    assert [tokens.tell_cut(lengths, x, "texts") for x in (4, 5, 8)] == [0.4, 0.2, 0]


def test_sentences_become_tokens_of_a_vocabulary():
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "plane", "##s", ".")
    found = tokens.encoded(words, ["A plane.", "Planes", "zebra"])
    assert (found.start, found.end, found.pad) == (2, 3, 0)
    assert found.tokens.tolist() == [4, 5, 7, 5, 6, 1]
    assert found.lengths.tolist() == [3, 2, 1]


def test_sentences_become_words_of_word_vectors():
    words = ("the", "plane", "'", "s", "café")
    found = tokens.worded(words, ["The Plane's zebra", "CAFÉ_the", ""])
    assert found.tokens.tolist() == [0, 1, 2, 3, 4, 0]
    assert found.lengths.tolist() == [4, 2, 0]


def source(together=False, **changes):
    random = np.random.default_rng(0)
    given = tokens.of([[4] * n for n in random.integers(1, 30, 60)], 1, 2)
    first, second = random.integers(60, size=(2, 50))
    options = {"size": 8, "limit": 32, "seed": 1} | changes
    labels = np.arange(50) / 50
    return batches.pairs(given, first, second, labels, together=together, **options)


@pytest.mark.parametrize("together", [False, True])
def test_an_epoch_has_every_pair_once(together, monkeypatch):
    monkeypatch.setattr(wordpiece, "WORTH", 1)
    made = source(together, limit=64)
    seen, widths = [], set()
    for step in range(made.per_epoch):
        batch = made(step)
        real = batch["weight"] > 0
        assert len(real) == 8 and real[0]
        labels = np.round(50 * batch["label"][real]).astype(int)
        seen += labels.tolist()
        lengths = made.texts.lengths
        pair = np.stack([lengths[made.first[labels]], lengths[made.second[labels]]], 1)
        expected = pair.sum(1) + 3 if together else pair + 2
        assert (batch["lengths"][real] == expected).all()
        assert batch["ids"].shape[-1] >= batch["lengths"].max()
        widths.add(batch["ids"].shape[-1])
    assert sorted(seen) == list(range(50)) and len(widths) == 2


def test_a_second_width_has_to_be_worth_its_program():
    assert len(source().widths) == 1  # of fifty pairs


def test_batches_are_functions_of_the_step_and_epochs_differ():
    made, again = source(), source()
    for step in (0, 3, made.per_epoch + 1):
        for name, x in made(step).items():
            np.testing.assert_array_equal(x, again(step)[name])
    epochs = [
        [made(e * made.per_epoch + i)["label"].tolist() for i in range(made.per_epoch)]
        for e in range(2)
    ]
    assert epochs[0] != epochs[1]


def test_processes_share_a_batch():
    whole = source()
    parts = [whole._replace(part=(i, 2)) for i in range(2)]
    for step in range(whole.per_epoch):
        for name, x in whole(step).items():
            halves = [part(step)[name] for part in parts]
            np.testing.assert_array_equal(x, np.concatenate(halves))


def test_digest_tells_content_apart():
    made = source()
    assert made.content() == source().content()
    others = source(seed=2), source(size=4), source(limit=16), source(True)
    changed = made._replace(labels=made.labels + 1)
    assert len({x.content() for x in (made, changed, *others)}) == 6


def test_nothing_to_make_batches_of():
    none = np.zeros(0, int)
    with pytest.raises(errors.InputError, match="found 0, 0 and 0"):
        batches.pairs(TEXTS, none, none, none, together=True, size=2, limit=8)
    with pytest.raises(errors.InputError, match="expected sentences"):
        batches.views(tokens.of([], 1, 2), size=2, limit=8)


def test_chunks_have_every_row_and_one_size():
    given = source().texts
    for second in (None, np.arange(60)[::-1]):
        seen = []
        chunks = batches.chunks(given, np.arange(60), second, size=16, limit=64)
        for rows, batch in chunks:
            assert batch["ids"].shape[0] == 16
            lengths = given.lengths[rows] + (2 if second is None else 3)
            lengths += 0 if second is None else given.lengths[second[rows]]
            assert (batch["lengths"][: len(rows)] == lengths).all()
            seen += rows.tolist()
        assert sorted(seen) == list(range(60))
    assert not list(batches.chunks(given, [], size=4, limit=8))


# Damage


def damaged(how, seed=0):
    random = np.random.default_rng(seed)
    given = samples.texts(200, 3)
    before = tokens.alone(given, np.arange(200), 8)
    ids, lengths = how(random, given, before.ids, before.lengths)
    return before, ids, lengths


def test_a_run_of_tokens_is_masked():
    before, ids, lengths = damaged(functools.partial(contrastive.with_masked_run, 2, 3))
    np.testing.assert_array_equal(lengths, before.lengths)
    begins = set()
    for old, new, n in zip(before.ids, ids, lengths, strict=True):
        (hidden,) = np.nonzero(old != new)
        assert (new[hidden] == 3).all() and len(hidden) == min(2, n - 3)
        assert np.ptp(hidden) == len(hidden) - 1
        assert hidden.min() >= 1 and hidden.max() <= n - 2
        begins.add((int(n), int(hidden.min())))
    assert {b for n, b in begins if n == 7} == {1, 2, 3, 4}


def test_tokens_are_deleted_in_place_and_one_is_left():
    before, ids, lengths = damaged(functools.partial(tsdae.with_deleted, 0.6))
    kept = []
    for old, n, new, m in zip(before.ids, before.lengths, ids, lengths, strict=True):
        assert new[0] == old[0] and new[m - 1] == old[n - 1] and not new[m:].any()
        assert 3 <= m <= n
        rest = iter(old[1 : n - 1])
        assert all(x in rest for x in new[1 : m - 1])  # in their order
        kept.append((m - 2) / (n - 2))
    assert 0.4 < np.mean(kept) < 0.55  # 0.4, and more of texts of which one is left


def test_views_are_the_text_and_what_is_left_of_it():
    config, _ = tsdae.example(16)
    made = tsdae.source(config, samples.texts(20), seed=1)
    batch = made(0)
    assert (batch["lengths"][:, 1] <= batch["lengths"][:, 0]).all()
    assert (batch["lengths"][:, 1] < batch["lengths"][:, 0]).any()
    plain = contrastive.source(contrastive.Config(batch=8), samples.texts(20))(0)
    np.testing.assert_array_equal(plain["ids"][:, 0], plain["ids"][:, 1])
