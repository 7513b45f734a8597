"""What a comparison says of its numbers: the paper's precision by its right name."""

import types

import numpy as np
import pytest
from scipy import sparse

from experiments import paper as papers
from experiments.recurrent_intensity import compare, outputs, paper
from iclr22 import record
from iclr22.recurrent_intensity import figures, pipeline

# Two user states, three items; the first buys the first item four times.
TARGETS = sparse.csr_array([[4, 0, 0], [0, 1, 0]])
COLUMNS, ROWS = np.array([[0], [1]]), np.array([[0], [0], [0]])


def values() -> dict[str, float]:
    return dict(compare._precisions(COLUMNS, ROWS, TARGETS))


def run():
    models = types.SimpleNamespace(exclude_train=False)
    options = types.SimpleNamespace(split="temporal", split_seed=-1, models=models)
    rows = [
        record.Result(
            "recurrent_intensity", "own", "rnn_hp", "temporal", 0, name, value
        )
        for name, value in values().items()
    ]
    return types.SimpleNamespace(rows=rows, options=options, facts={})


def test_events_pass_a_hundred_and_pairs_do_not():
    found = values()
    assert found["item/precision"] == 100 * 5 / 2
    assert found["item/pair_precision"] == 100
    assert found["user/precision"] == pytest.approx(400 / 3)
    assert found["user/pair_precision"] == pytest.approx(100 / 3)


def test_the_summary_names_both():
    text = outputs.conclusions(run())
    assert "rnn_hp, 133.33 events per 100 users told of an item (repeats count)" in text
    assert "Of the users told 33.33 % had one (pair precision)." in text


def test_headlines_call_events_events():
    events = [x for x in paper.HEADLINES if x.key[3] in paper.SIDES]
    assert events and all("events per recommendation [%]" in x.what for x in events)
    assert not any(", precision" in x.what for x in events)
    pairs = [x for x in paper.HEADLINES if x.key[3] not in paper.SIDES]
    assert pairs and all("recommendations with an event [%]" in x.what for x in pairs)
    here = papers.ROOT / "recurrent_intensity" / "README.md"
    assert ", precision [%] |" not in here.read_text(encoding="utf-8")


def test_axes_call_events_events(tmp_path, monkeypatch):
    from matplotlib import axes

    said = []
    for name in ("set_xlabel", "set_ylabel", "set_title"):
        keep = getattr(axes.Axes, name)

        def note(self, text, *given, keep=keep, **options):
            said.append(text)
            return keep(self, text, *given, **options)

        monkeypatch.setattr(axes.Axes, name, note)
    summaries = record.summarise(run().rows)
    figures.precision_bars(tmp_path / "a.png", summaries, products=pipeline.PRODUCTS)
    point = {"multiplier": 1.0, "precision": 1.5}
    point |= {"item_perplexity": 2.0, "user_perplexity": 2.0}
    figures.tradeoff(tmp_path / "b.png", {"rnn_hp": [point]})
    assert said.count("events per recommendation [%]") == 4
    assert not any("precision" in text for text in said)
