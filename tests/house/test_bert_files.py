"""Files of models: folders, wheels, ONNX, what is written, and what is refused."""

import json
import zipfile

import bert_helpers
import jax
import numpy as np
import pytest

from iclr22 import errors
from iclr22.nn import bert, onnx, safetensors


def same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.fixture
def model(tmp_path):
    return bert_helpers.folder(tmp_path / "model")


def test_parameters_are_transposed_to_where_they_belong(model):
    config, params = bert.load(model)
    assert config == bert.Config(22, 8, 2, 2, 12, 16, 2)
    arrays = bert_helpers.tensors()
    kernel = arrays["encoder.layer.1.intermediate.dense.weight"]
    np.testing.assert_array_equal(params["layer_1"]["inner"]["kernel"], kernel.T)
    word = arrays["embeddings.word_embeddings.weight"]
    np.testing.assert_array_equal(params["word"]["embedding"], word)
    assert bert.read_vocabulary(model) == bert_helpers.TOKENS


def test_a_wheel_is_read_as_its_folder_and_not_executed(model, tmp_path):
    found = bert.load(bert_helpers.wheel(tmp_path / "some.whl", model))
    same(found[1], bert.load(model)[1])
    assert bert.read_vocabulary(tmp_path / "some.whl") == bert_helpers.TOKENS


def test_names_with_a_prefix_and_a_head_are_read(model, tmp_path):
    arrays = bert_helpers.tensors()
    more = {f"bert.{name}": x for name, x in arrays.items()}
    more["classifier.weight"] = np.ones((1, 8), np.float32)
    more["classifier.bias"] = np.full(1, 2, np.float32)
    _, params = bert.load(bert_helpers.folder(tmp_path / "cross", more))
    head = params.pop("classifier")
    same(params, bert.load(model)[1])
    assert head["kernel"].shape == (8, 1) and head["bias"].tolist() == [2]


def test_a_missing_pooler_is_drawn_and_told(tmp_path, caplog):
    arrays = bert_helpers.tensors(pooler=False)
    path = bert_helpers.folder(tmp_path / "bare", arrays)
    _, params = bert.load(path)
    assert "has no pooler" in caplog.text
    same(params, bert.load(path)[1])
    other = bert.load(path, seed=1)[1]["pooler"]["kernel"]
    assert 0.01 < np.std(other) < 0.03
    assert np.abs(params["pooler"]["kernel"] - other).max() > 0.01
    assert not params["pooler"]["bias"].any()


def test_half_precision_becomes_single(model, tmp_path):
    halves = {
        name: x.astype(np.float16) if x.dtype == np.float32 else x
        for name, x in bert_helpers.tensors().items()
    }
    _, params = bert.load(bert_helpers.folder(tmp_path / "half", halves))
    assert {str(x.dtype) for x in jax.tree.leaves(params)} == {"float32"}
    word = bert.load(model)[1]["word"]["embedding"]
    np.testing.assert_allclose(params["word"]["embedding"], word, rtol=1e-3)


def test_an_onnx_file_with_a_vocabulary_of_another_model(model, tmp_path, caplog):
    arrays = bert_helpers.tensors(pooler=False)
    path = tmp_path / "small.onnx"
    path.write_bytes(bert_helpers.onnx(arrays))
    config, params = bert.load(path, model)
    expected, wanted = bert.load(model)
    assert config == expected
    assert "has no pooler" in caplog.text
    del params["pooler"], wanted["pooler"]
    same(params, wanted)
    with zipfile.ZipFile(tmp_path / "small.whl", "w") as archive:
        archive.write(path, "pack-age/model/small.onnx")
    same(
        bert.load(tmp_path / "small.whl", model / "vocab.txt")[1]["word"],
        wanted["word"],
    )
    with pytest.raises(errors.InputError, match="expected vocab.txt, the vocabulary"):
        bert.load(path)


@pytest.mark.parametrize("head", [False, True])
def test_what_is_saved_is_loaded(head, model, tmp_path):
    config, params = bert.load(model)
    if head:
        kernel = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]
        params["classifier"] = {"kernel": kernel, "bias": np.ones(1, np.float32)}
    path = tmp_path / "out"
    vocabulary = bert_helpers.TOKENS
    bert.save(path, config, params, vocabulary, pooling="mean", tokens=12)
    again = bert.load(path)
    assert again[0] == config
    same(again[1], params)
    assert bert.read_vocabulary(path) == vocabulary
    about = json.loads((path / "config.json").read_text())
    kind = "BertForSequenceClassification" if head else "BertModel"
    assert about["architectures"] == [kind]
    if head:
        assert not (path / "modules.json").exists()
    else:
        pooling = json.loads((path / "1_Pooling/config.json").read_text())
        assert (
            pooling["pooling_mode_mean_tokens"]
            and not pooling["pooling_mode_cls_token"]
        )
    (path / "vocab.txt").unlink()
    assert bert.read_vocabulary(path) == vocabulary  # of tokenizer.json


def test_saving_refuses_what_does_not_fit(model, tmp_path):
    config, params = bert.load(model)
    out, vocabulary = tmp_path / "out", bert_helpers.TOKENS
    with pytest.raises(errors.InputError, match="layer_1.query.kernel of shape .*none"):
        less = params | {"layer_1": {}}
        bert.save(out, config, less, vocabulary)
    with pytest.raises(errors.InputError, match="a vocabulary of 22 tokens.*found 23"):
        bert.save(out, config, params, (*vocabulary, "more"))
    with pytest.raises(errors.InputError, match="Did you mean 'cls'"):
        bert.save(out, config, params, vocabulary, pooling="clss")
    assert not out.exists()


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


def changed(name, **sizes):
    def do(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | sizes))

    return do


def weights(change):
    def do(folder):
        arrays = change(bert_helpers.tensors())
        (folder / "model.safetensors").write_bytes(bert_helpers.packed(arrays))

    return do


def removed(*names):
    def do(folder):
        for name in names:
            (folder / name).unlink()

    return do


def without(name):
    return weights(lambda arrays: {k: x for k, x in arrays.items() if k != name})


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


QUERY = "encoder.layer.0.attention.self.query.weight"
TWICE = "\n".join([*bert_helpers.TOKENS[:-1], "a"])
REFUSED = {
    "no weights": (removed("model.safetensors"), "expected model.safetensors, the wei"),
    "pickle": (pickled, "pytorch_model.bin, a pickle, which is never executed"),
    "no sizes": (removed("config.json"), "expected config.json, sizes of a model"),
    "no vocabulary": (removed("vocab.txt"), "expected vocab.txt, the vocabulary"),
    "no JSON": (write("config.json", "{"), "config.json: expected the sizes"),
    "a list": (write("config.json", "[]"), "config.json: expected the sizes"),
    "roberta": (changed("config.json", model_type="roberta"), "bert.*found 'roberta'"),
    "relative": (
        changed("config.json", position_embedding_type="relative_key"),
        "absolute positions; found",
    ),
    "no count": (
        changed("config.json", num_hidden_layers="2"),
        "expected a count in num_hidden_layers; found '2'",
    ),
    "dropout": (changed("config.json", hidden_dropout_prob=2), "a number from 0 to 1"),
    "activation": (changed("config.json", hidden_act="gelu2"), "Did you mean 'gelu'"),
    "heads": (changed("config.json", num_attention_heads=3), "divides into 3 heads"),
    "more layers": (
        changed("config.json", num_hidden_layers=3),
        r"tensor encoder.layer.2.attention.self.query.weight of shape \[8, 8\]; found none",
    ),
    "fewer layers": (
        changed("config.json", num_hidden_layers=1),
        "expected 1 layers.*found also encoder.layer.1",
    ),
    "no tensor": (without(QUERY), f"expected tensor {QUERY} of shape .* found none"),
    "shape": (
        weights(lambda x: x | {QUERY: np.zeros((8, 9), np.float32)}),
        rf"expected tensor {QUERY} of shape \[8, 8\]; found \[8, 9\]",
    ),
    "whole numbers": (
        weights(lambda x: x | {QUERY: np.zeros((8, 8), np.int64)}),
        f"expected numbers in tensor {QUERY}; found type int64",
    ),
    "not a number": (
        weights(lambda x: x | {QUERY: np.full((8, 8), np.nan, np.float32)}),
        f"expected finite numbers in tensor {QUERY}",
    ),
    "other vocabulary": (
        write("vocab.txt", "\n".join([*bert_helpers.TOKENS, "more"])),
        "a vocabulary of 22 tokens.*found 23",
    ),
    "no special": (write("vocab.txt", "a\nb\n"), "the tokens .PAD.*found no .PAD"),
    "twice": (write("vocab.txt", TWICE), "tokens that differ; found 'a' twice"),
    "cased": (write("tokenizer_config.json", '{"do_lower_case": false}'), "uncased"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_model_is_refused(case, model):
    change, message = REFUSED[case]
    change(model)
    with pytest.raises(errors.InputError, match=message) as caught:
        bert.load(model)
    said = str(caught.value)
    assert str(model) in said or case == "heads"
    assert len(said) < 600 and "\n" not in said


def test_archives_that_are_none_or_damaged_are_refused(model, tmp_path):
    with pytest.raises(errors.InputError, match="the folder, wheel or zip archive"):
        bert.load(tmp_path / "absent")
    path = bert_helpers.wheel(tmp_path / "some.whl", model)
    whole = path.read_bytes()
    place = whole.index(b"safetensors") + 400
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    with pytest.raises(errors.InputError, match="a whole wheel or zip archive"):
        bert.load(path)
    path.write_bytes(whole)
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(model / "config.json", "other/config.json")
    with pytest.raises(errors.InputError, match="expected one model.*other/"):
        bert.load(path)


# Formats


def test_safetensors_come_back(tmp_path):
    import jax.numpy as jnp

    given = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "a": np.array(3, np.int64),
        "half": jnp.ones((2, 0), jnp.bfloat16),
        "c": np.array([True, False]),
    }
    safetensors.write(tmp_path / "x.safetensors", given)
    content = (tmp_path / "x.safetensors").read_bytes()
    found = safetensors.read(content, "x")
    assert list(found) == list(given)
    for name, x in given.items():
        np.testing.assert_array_equal(found[name], x)
        assert found[name].dtype == x.dtype and found[name].shape == x.shape
    assert int.from_bytes(content[:8], "little") % 8 == 0
    with pytest.raises(errors.InputError, match="expected numbers in 'x'"):
        safetensors.write(tmp_path / "y", {"x": np.array(["text"])})


GOOD = bert_helpers.packed({"x": np.ones((2, 3), np.float32)})


def headed(**entry):
    place = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]} | entry
    text = json.dumps({"x": place}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(24)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a head of 0 bytes where 0 are"),
        (b"abc", "expected a safetensors file"),
        (b"\xff" * 8 + b"{}", "whose head fits into it"),
        (GOOD[:30], "whose head fits into it"),
        (GOOD[:-1], "expected 24 bytes after the head.*found 23. The file is cut"),
        (GOOD + b"0", "expected 24 bytes after the head; found 25"),
        ((9).to_bytes(8, "little") + b"not JSON!", "expected a head in JSON"),
        ((2).to_bytes(8, "little") + b"[]", "expected a head in JSON"),
        (headed(dtype="F4"), "expected a head in JSON"),
        (headed(shape=[2, -3]), "expected a head in JSON"),
        (headed(shape=[2, 4]), "'x' of shape .2, 4. in 32 bytes from 0"),
        (headed(data_offsets=[4, 24]), "'x' of shape .2, 3. in 24 bytes from 0"),
        (headed(data_offsets=[24, 0]), "'x' of shape"),
        (headed(data_offsets=[0, 1 << 60]), "The file is cut"),
        (headed(shape=[1 << 40, 1 << 40]), "'x' of shape"),
    ],
)
def test_broken_safetensors_are_refused(content, message):
    with pytest.raises(errors.InputError, match=message) as caught:
        safetensors.read(content, "some/file")
    assert str(caught.value).startswith("some/file: ")


def test_every_cut_of_an_onnx_file_is_refused_or_read():
    whole = bert_helpers.onnx(bert_helpers.tensors())
    nodes, arrays = onnx.read(whole, "x")
    assert len(nodes) == 2 * 6 + 2 and len(arrays) == len(bert_helpers.tensors()) + 1
    refused = 0
    for size in range(0, len(whole), 37):
        try:
            onnx.read(whole[:size], "x")
        except errors.InputError:
            refused += 1
    assert refused > 0.9 * len(range(0, len(whole), 37))


def test_another_graph_is_refused(tmp_path, model):
    arrays = bert_helpers.tensors(pooler=False)
    del arrays["embeddings.word_embeddings.weight"]
    (tmp_path / "x.onnx").write_bytes(bert_helpers.onnx(arrays))
    with pytest.raises(errors.InputError, match="the graph of a BERT encoder"):
        bert.load(tmp_path / "x.onnx", model)
