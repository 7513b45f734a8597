"""BERT beside the packages that others load it with, where they are installed."""

import bert_helpers
import jax
import numpy as np
import pytest

from iclr22.nn import bert, tokens, wordpiece

SENTENCES = [
    "A plane is taking off.",
    "planes, planes! naïve \u4e2d b\u00a0c unaffable",
    "a",
]
TOKENS = bert_helpers.TOKENS


@pytest.fixture
def model(tmp_path):
    return bert.load(bert_helpers.folder(tmp_path / "model"))


def test_tokens_are_those_of_tokenizers(model, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    bert.save(tmp_path / "out", *model, TOKENS)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    ours = wordpiece.Tokenizer(TOKENS)
    known = [*SENTENCES, *(f"a{chr(x)}b {chr(x)}c" for x in range(1, 0x600))]
    found = theirs.encode_batch(known, add_special_tokens=False)
    assert ours.encode(known) == [x.ids for x in found]
    theirs.enable_truncation(9, strategy="longest_first")
    both = list(zip(known, known[7:] + known[:7], strict=True))
    texts, number = tokens.encoded(TOKENS, known), np.arange(len(known))
    rows = tokens.together(texts, number, np.roll(number, -7), 9)
    for i, x in enumerate(theirs.encode_batch(both)):
        assert rows.ids[i, : rows.lengths[i]].tolist() == x.ids
        assert rows.first[i] == x.type_ids.count(0)


def vectors_of(config, params, pooling):
    texts = tokens.encoded(TOKENS, SENTENCES)
    rows = tokens.alone(texts, np.arange(len(SENTENCES)), 16, 12)
    hidden = bert.apply(config, params, rows.ids, rows.mask)
    return bert.vectors(hidden, rows.mask, pooling)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_sentence_transformers_load_what_is_saved(pooling, model, tmp_path):
    peer = pytest.importorskip("sentence_transformers")
    bert.save(tmp_path / "out", *model, TOKENS, pooling=pooling, tokens=12)
    theirs = peer.SentenceTransformer(str(tmp_path / "out"), device="cpu")
    assert theirs.max_seq_length == 12
    found = theirs.encode(SENTENCES)
    np.testing.assert_allclose(found, vectors_of(*model, pooling), atol=1e-5)


def test_a_cross_encoder_is_loaded_as_one(model, tmp_path):
    peer = pytest.importorskip("sentence_transformers")
    config, params = model
    kernel = jax.random.normal(jax.random.key(0), (config.width, 1))
    params["classifier"] = {"kernel": kernel, "bias": np.full(1, 0.5, np.float32)}
    bert.save(tmp_path / "out", config, params, TOKENS, tokens=12)
    rows = tokens.together(
        tokens.encoded(TOKENS, SENTENCES), [0, 1, 2], [2, 1, 0], 16, 12
    )
    hidden = bert.apply(config, params, rows.ids, rows.mask, rows.types)
    expected = (bert.pooled(params, hidden) @ kernel)[:, 0] + 0.5
    theirs = peer.CrossEncoder(str(tmp_path / "out"), device="cpu")
    pairs = list(zip(SENTENCES, SENTENCES[::-1], strict=True))
    found = theirs.predict(pairs, activation_fn=lambda x: x)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_transformers_save_is_loaded(model, tmp_path):
    peer = pytest.importorskip("transformers")
    bert.save(tmp_path / "ours", *model, TOKENS)
    for kind in (peer.AutoModel, peer.AutoTokenizer):
        kind.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    config, params = bert.load(tmp_path / "theirs")
    assert config == model[0]
    jax.tree.map(np.testing.assert_array_equal, params, model[1])
    assert bert.read_vocabulary(tmp_path / "theirs") == TOKENS
