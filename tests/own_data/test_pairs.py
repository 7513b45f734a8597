"""Sentence pairs and sentences of users, and what is refused."""

import numpy as np
import pytest
from data_helpers import table

from iclr22 import data, errors, record

HEAD = ("sentence1", "sentence2", "score")
GOOD = [HEAD, ("a b", "c, d", "1.5"), ("e", "f", ""), ("a b", "c, d", "NA")]


def test_pairs_with_some_scores(tmp_path, caplog):
    caplog.set_level("INFO", logger="absl")
    found = data.load_own_pairs(table(tmp_path / "p.csv", GOOD))
    assert found.sentence1.tolist() == ["a b", "e", "a b"]
    assert found.sentence2.tolist() == ["c, d", "f", "c, d"]
    expected = np.array([1.5, np.nan, np.nan], np.float32)
    np.testing.assert_array_equal(found.score, expected)
    assert set(found.split) == {"train"}
    assert "3 pairs, 2 of them different, of 4 sentences; 1 have a score" in caplog.text


def test_other_columns_and_their_order_do_not_matter(tmp_path):
    rows = [("n", "sentence2", "sentence1"), ("1", " x ", "y"), ("2", "z", "w")]
    found = data.load_own_pairs(table(tmp_path / "p.csv", rows))
    assert found.sentence1.tolist() == ["y", "w"]
    assert found.sentence2.tolist() == ["x", "z"]
    assert np.isnan(found.score).all()


def test_what_this_project_writes_is_read(tmp_path):
    record.write_csv(tmp_path / "p.csv", HEAD, [("=1", "-a", 0.5), ("b", "'c'", 1)])
    found = data.load_own_pairs(tmp_path / "p.csv")
    assert [*found.sentence1, *found.sentence2] == ["=1", "b", "-a", "'c'"]


REFUSED = {
    "no rows": ([HEAD], "a row for every pair; found none"),
    "no column": ([("sentence1", "b"), ("x", "y")], "the column sentence2"),
    "one-sided": (
        [*GOOD, ("g", " ", "1")],
        "line 5, column sentence2: expected a sentence; found an empty cell",
    ),
    "empty": ([*GOOD, ("", "h", "1")], "line 5, column sentence1: expected a sentence"),
    "a word": ([*GOOD, ("g", "h", "high")], "line 5, column score: .*found 'high'"),
    "infinite": ([*GOOD, ("g", "h", "inf")], "line 5, column score: .*found 'inf'"),
    "one pair": ([HEAD, GOOD[1], GOOD[1]], "found one pair again and again in all 2"),
    "same": (
        [HEAD, ("a", "a", ""), ("b", "b", "")],
        "found the same one in all 2 rows",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_are_no_pairs_is_refused(case, tmp_path):
    rows, message = REFUSED[case]
    path = table(tmp_path / "p.csv", rows)
    with pytest.raises(errors.InputError, match=message) as caught:
        data.load_own_pairs(path)
    assert str(path) in str(caught.value) and len(str(caught.value)) < 600


def test_pairs_to_select_by_need_scores(tmp_path, caplog):
    path = tmp_path / "dev.csv"
    rows = [*GOOD, ("g", "h", "2")]
    found = data.load_own_pairs(table(path, rows), scored=True)
    assert found.score.tolist() == [1.5, 2]
    assert "2 of 4 pairs have no score and are left out" in caplog.text
    bare = [row[:2] for row in GOOD]
    for rows, message in (
        (bare, "scores that differ.*found no column score"),
        (GOOD, "found 1 in 3 rows, all the same"),
        ([HEAD, ("a", "b", ""), ("c", "d", "")], "found 0 in 2 rows"),
    ):
        with pytest.raises(errors.InputError, match=message):
            data.load_own_pairs(table(path, rows), scored=True)


def test_sentences_in_lines(tmp_path, caplog):
    caplog.set_level("INFO", logger="absl")
    path = tmp_path / "lines.txt"
    path.write_bytes("\ufeffone\r\n\r\n two, three \r\none\r\nvier ä\u2028x".encode())
    found = data.load_own_sentences(path)
    assert found.tolist() == ["one", "two, three", "vier ä\u2028x"]
    assert "3 sentences; left out: 1 again" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "two at least; found 0"),
        (b"one\none\n", "two at least; found 1 different in 3 lines"),
        (b"caf\xe9\nthe\n", "a text file in UTF-8"),
        ("one\ntwo".encode("utf-16-be"), "found zero bytes, as in UTF-16"),
    ],
)
def test_what_are_no_sentences_is_refused(content, message, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes(content)
    with pytest.raises(errors.InputError, match=message):
        data.load_own_sentences(path)
    with pytest.raises(errors.InputError, match="a text file with a sentence in each"):
        data.load_own_sentences(tmp_path / "absent.txt")
