"""Sentence pairs: pools, published counts, generated pairs, WordNet."""

import csv
import gzip

import numpy as np
import pytest
from small_wordnet import NOUNS, write_wordnet

from iclr22 import data, errors
from iclr22.data import texts
from iclr22.data.texts import files, published, simulated, wordnet
from iclr22.nn import wordpiece


def small():
    score = [1, np.nan, 0, 3]
    split = ["train", "unlabelled", "dev", "test"]
    return texts.make(list("aabc"), list("xxyz"), score, split, ["u", "v", "u", ""])


def test_pairs_are_chosen_by_split_and_score():
    pairs = small()
    assert pairs.sentence1.dtype == object and pairs.score.dtype == np.float32
    found = texts.of_split(pairs, "dev", "test")
    assert found.sentence1.tolist() == ["b", "c"] and found.score.tolist() == [0, 3]
    with pytest.raises(errors.InputError, match="scores in the split unlabelled.*none"):
        texts.of_split(pairs, "unlabelled")
    told = {"pairs": 4, "different": 3, "sentences": 6, "scored": 3, "same": 0}
    assert texts.describe(pairs) == told


def test_only_yes_and_no_are_binary():
    assert not small().binary
    assert texts.make(["a", "b", "c"], ["x", "y", "z"], [1, 0, np.nan]).binary
    assert not texts.make(["a"], ["x"]).binary


def test_a_pool_has_each_pair_of_a_group_once_and_no_scores():
    pairs = small()
    again = texts.make(["a", "q"], ["x", "r"], [1, 2])
    found = texts.pool([pairs, again], [again])
    assert found.sentence1.tolist() == ["a", "b", "c", "q", "a", "q"]
    assert np.isnan(found.score).all() and set(found.split) == {"unlabelled"}


def test_tables_of_the_study_format(tmp_path):
    rows = [
        ("one", "s", "test", "4.5", 'a, "b"', "ä"),
        ("one", "s", "unlabelled", "", "c", "d"),
        ("two", "", "train", "1", "e", "f"),
    ]
    path = tmp_path / "x.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([files.COLUMNS, *rows])
    found = files.read_tables(path)
    assert list(found) == ["one", "two"]
    one = found["one"]
    assert one.sentence1.tolist() == ['a, "b"', "c"]
    np.testing.assert_array_equal(one.score, np.array([4.5, np.nan], np.float32))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(errors.InputError, match="a compressed table with the columns"):
        files.read_tables(path)
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with pytest.raises(errors.InputError, match="found columns a, b"):
        files.read_tables(path)


def test_tables_that_are_not_there_are_named(tmp_path):
    for name in (*published.YEARS, "stsb"):
        with pytest.raises(errors.InputError, match="sts/.*csv.gz: expected the pairs"):
            data.get(name).load(str(tmp_path))
    (tmp_path / "sts").mkdir()
    (tmp_path / "sts" / "stsb.csv.gz").write_bytes(b"another")
    with pytest.raises(errors.InputError, match="expected the pairs of stsb"):
        data.get("stsb").load(str(tmp_path))
    with pytest.raises(errors.InputError, match="Did you mean 'sts'"):
        data.load_pool("st", str(tmp_path))


def test_original_files_of_sick_and_mrpc(tmp_path, monkeypatch):
    head = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment"
    rows = {
        "SICK_train.txt": f'{head}\n1\tA "dog" \tA cat\t3.165\tNEUTRAL\n',
        "SICK_trial.txt": f"{head}\r\n4\tc\td\t4\tENTAILMENT\r\n",
        "SICK_test_annotated.txt": f"{head}\n9\te\tf\t1\tCONTRADICTION\n",
        "msr_paraphrase_train.txt": "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
        + "".join(f'{i % 2}\t1\t2\t"a{i}\tb\n' for i in range(502)),
        "msr_paraphrase_test.txt": "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
        "1\t3\t4\té\tz\n",
    }
    for name, text in rows.items():
        (tmp_path / name).write_text(text, "utf-8", newline="")
    monkeypatch.setattr(
        published.download,
        "fetch",
        lambda file, name, folder: tmp_path / file.url.rpartition("/")[2],
    )
    sick = data.get("sickr").load(str(tmp_path))
    assert sick.sentence1.tolist() == ['A "dog"', "c", "e"]
    np.testing.assert_array_equal(sick.score, np.float32([3.165, 4, 1]))
    assert sick.split.tolist() == ["train", "dev", "test"]
    assert sick.subset.tolist() == ["NEUTRAL", "ENTAILMENT", "CONTRADICTION"]
    mrpc = data.get("mrpc").load(str(tmp_path))
    assert mrpc.binary and mrpc.sentence1[0] == '"a0' and mrpc.sentence1[-1] == "é"
    counts = [np.count_nonzero(mrpc.split == x) for x in ("train", "dev", "test")]
    assert counts == [2, 500, 1]
    (tmp_path / "SICK_trial.txt").write_text(f"{head}\n4\tc\td\tmuch\tNEUTRAL\n")
    with pytest.raises(errors.InputError, match="scores that are numbers.*'much'"):
        data.get("sickr").load(str(tmp_path))
    (tmp_path / "SICK_trial.txt").write_text("pair_ID\n4\n")
    with pytest.raises(
        errors.InputError, match="SICK_trial.txt: expected a table with"
    ):
        data.get("sickr").load(str(tmp_path))


def test_published_counts(shared):
    """Of section 4 and 7.1 of the study's sheet."""
    folder = str(shared / "data")
    loaded = {name: data.get(name).load(folder) for name in (*published.STS, "mrpc")}
    tests = {name: len(texts.of_split(x, "test").score) for name, x in loaded.items()}
    expected = (3108, 1500, 3750, 3000, 1186, 1379, 4927, 1725)
    assert tuple(tests.values()) == expected
    dev = [
        len(texts.of_split(loaded[x], "dev").score) for x in ("stsb", "sickr", "mrpc")
    ]
    assert dev == [1500, 500, 500]
    assert [x.binary for x in loaded.values()] == [False] * 7 + [True]
    years = texts.unique(texts.joined([loaded[x] for x in published.YEARS]))
    pools = [len(data.load_pool(x, folder).score) for x in published.POOLS]
    assert (len(years.score), *pools) == (25_497, 37_075, 27_233, 9_842, 5_801)
    subsets = set(loaded["sts12"].subset.tolist())
    assert subsets == {"MSRpar", "MSRvid", "SMTeuroparl", "OnWN", "SMTnews"}


# Generated


def test_likeness_of_generated_sentences_by_hand():
    one, two = "red boat and old tower", "old boat and red tower and wet cup"
    assert simulated.likeness(one, one) == 1
    assert simulated.likeness(one, two, binding=0.5) == 0.5 * 4 / 6
    assert simulated.likeness(one, two, binding=1.0) == 0
    assert simulated.likeness("red boat", "red tower", binding=0.5) == 0.5 / 3
    assert simulated.likeness(one, "old tower and red boat") == 1


def test_generated_pairs_repeat_and_differ():
    found = data.generate_pairs(3, pairs=300)
    again = data.generate_pairs(3, pairs=300)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)
    told = texts.describe(found)
    assert told["different"] == told["pairs"] == told["scored"] == 300
    counts = [np.count_nonzero(found.split == x) for x in ("train", "dev", "test")]
    assert counts == [210, 45, 45]
    assert found.score.min() == 0 and found.score.max() > 0.7
    likeness = list(map(simulated.likeness, found.sentence1, found.sentence2))
    np.testing.assert_allclose(found.score, likeness, atol=1e-6)
    other = data.generate_pairs(4, pairs=300)
    assert set(found.sentence1) != set(other.sentence1)


def test_words_alone_do_not_tell_generated_scores():
    found = data.generate_pairs(pairs=400)
    both = list(zip(found.sentence1, found.sentence2, strict=True))
    words = [simulated.likeness(*x, binding=0.0) for x in both]
    same = np.isclose(words, 1.0)
    assert 0.02 < same.mean() < 0.3 and np.ptp(found.score[same]) > 0.4


def test_generated_sentences_have_no_unknown_token():
    tokenizer = wordpiece.Tokenizer(simulated.vocabulary())
    found = data.generate_pairs(pairs=50)
    ids = tokenizer.encode([*found.sentence1, *found.sentence2])
    assert tokenizer.unknown not in {x for row in ids for x in row}
    sizes = [len(text.split()) for text in (*found.sentence1, *found.sentence2)]
    assert list(map(len, ids)) == sizes


# WordNet


@pytest.fixture
def nouns(tmp_path):
    return wordnet.read(write_wordnet(tmp_path))


def test_meanings_are_read(nouns):
    assert nouns.words == tuple(NOUNS)
    assert nouns.glosses[nouns.words.index("dog")] == "a kept animal that barks"
    above = {x: [nouns.words[i] for i in nouns.above[n]] for n, x in enumerate(NOUNS)}
    assert above == {x: kinds for x, (kinds, _) in NOUNS.items()}


def test_paths_are_the_shortest_up_and_down(nouns):
    """Against all pairs of ways up, by hand."""

    def ups(word):
        found = [(word, 0)]
        for kind in NOUNS[word][0]:
            found += [(x, n + 1) for x, n in ups(kind)]
        return found

    for i, one in enumerate(NOUNS):
        for j, two in enumerate(NOUNS):
            joint = [n + m for x, n in ups(one) for y, m in ups(two) if x == y]
            expected = min(joint, default=None)
            assert wordnet.distance(nouns, i, j) == expected, (one, two)
    at = nouns.words.index
    assert wordnet.distance(nouns, at("dog"), at("police dog")) == 1
    assert wordnet.distance(nouns, at("dog"), at("cat")) == 2
    assert wordnet.distance(nouns, at("dog"), at("time")) is None


def test_pairs_of_glosses(nouns):
    found = wordnet.pairs(nouns, 20, seed=1)
    told = texts.describe(found)
    assert told["different"] == told["pairs"] == told["scored"] == 20
    assert told["same"] == 0
    number = {gloss: i for i, gloss in enumerate(nouns.glosses)}
    for one, two, score in zip(*found[:3], strict=True):
        steps = wordnet.distance(nouns, number[one], number[two])
        assert steps is not None and score == np.float32(1 / (1 + steps))
        assert len(one.split()) >= 3 <= len(two.split())
    again = wordnet.pairs(nouns, 20, seed=1)
    np.testing.assert_array_equal(found.sentence2, again.sentence2)
    with pytest.raises(errors.InputError, match="for 500 pairs of glosses; found"):
        wordnet.pairs(nouns, 500)


def test_wordnet_is_loaded_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(wordnet, "INSTALLED", str(tmp_path / "installed"))
    with pytest.raises(errors.InputError, match="Debian: wordnet-base"):
        data.get("wordnet").load(str(tmp_path))
    write_wordnet(tmp_path / "wordnet")
    found = data.get("wordnet").load(str(tmp_path))
    assert len(found.score) == len(NOUNS) // 2
    assert {"train", "dev", "test"} == set(found.split.tolist())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace(" | a kept", " a kept"),
            "line 7: expected a meaning",
        ),
        (lambda text: text.replace("00000300 03", "00000301 03"), "none at '00000300'"),
        (lambda text: "", "expected meanings of nouns; found none"),
        (lambda text: "00000100 03 n zz", "line 1: expected a meaning"),
    ],
)
def test_broken_wordnet_is_refused(change, message, tmp_path):
    path = write_wordnet(tmp_path) / "data.noun"
    path.write_text(change(path.read_text()))
    with pytest.raises(errors.InputError, match=message):
        data.load_wordnet(tmp_path)
