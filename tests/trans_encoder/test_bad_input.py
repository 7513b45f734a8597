"""Files and encoders with something wrong: one clear error, before anything is trained."""

import shutil

import helpers
import pytest
import readme_commands

from experiments.trans_encoder.experiment import EXPERIMENT
from iclr22 import errors, loop

GOOD = "a red boat,an old tower,{}\na wet dog,a dry dog,{}\na new road,a red road,{}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("own")
    readme_commands.write_own_files("trans_encoder", path)
    head = "sentence1,sentence2,score\n"
    texts = {
        "empty": head,
        "one_sided": head + "a boat,,1\n",
        "same": head + "a boat,a boat,1\na dog,a dog,1\n",
        "words": head + "a boat,a dog,much\n",
        "columns": "sentence1,other\na,b\n",
        "unscored": head + GOOD.format("", "", ""),
        "equal": head + GOOD.format(1, 1, 1),
        "good": head + GOOD.format(1, 2, 3),
    }
    for name, text in texts.items():
        (path / f"{name}.csv").write_text(text)
    (path / "nothing").mkdir()
    words = ("vocab.txt", "tokenizer.json")
    lacking = {"weightless": ("model.safetensors",), "wordless": words}
    for name, gone in (lacking | {"misfit": words[1:]}).items():
        shutil.copytree(path / "bert", path / name)
        for file in gone:
            (path / name / file).unlink()
    words = (path / "misfit" / "vocab.txt").read_text()
    (path / "misfit" / "vocab.txt").write_text(
        words + "".join(f"more{i}\n" for i in range(1200))
    )
    (path / "one.txt").write_text("a line\n")
    return path


CASES = {  # flags: what is said
    "--pairs=empty.csv": "empty.csv: expected a row for every pair; found none",
    "--pairs=one_sided.csv": "line 2, column sentence2: expected a sentence",
    "--pairs=same.csv": "expected pairs of different sentences",
    "--pairs=words.csv": "words.csv, line 2",
    "--pairs=columns.csv": "sentence2",
    "--pairs=good.csv --dev=unscored.csv": "unscored.csv: expected scores that differ",
    "--pairs=good.csv --dev=equal.csv": "all the same",
    "--pairs=good.csv --rule=dev": "expected pairs with scores to select by (dev)",
    "--pairs=good.csv --encoder=nothing": "nothing",
    "--pairs=good.csv --encoder=weightless": "weights",
    "--pairs=good.csv --encoder=wordless": "vocab",
    "--pairs=good.csv --encoder=misfit": "expected a vocabulary of",
    "--pairs=lines.txt": "to make pairs of single sentences an encoder",
    "--pairs=one.txt --encoder=bert": "expected a sentence in each line, two at least",
    "--task=embed --model=good.csv --sentences=lines.txt": "good.csv",
}


@pytest.mark.parametrize("words", CASES)
def test_one_clear_error(words, folder, tmp_path, monkeypatch):
    def fit(*given, **options):
        raise AssertionError("it has begun to train")

    monkeypatch.chdir(folder)
    monkeypatch.setattr(loop, "fit", fit)
    with pytest.raises(errors.InputError) as caught:
        helpers.launch(EXPERIMENT, f"--workdir={tmp_path}", *words.split())
    assert CASES[words] in str(caught.value)
    assert not (tmp_path / "results.csv").exists()
