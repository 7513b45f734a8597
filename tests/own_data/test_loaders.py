"""Loaders of own data and broken files: an `InputError` or data, soon and in little memory."""

import contextlib
import io
import json
import resource
import time
import zipfile

import bert_helpers
import broken_files as mutations
import hypothesis
import numpy as np
import pytest
from broken_files import (
    CLICKS,
    EDGES,
    GAME,
    GRAPH,
    LINKS,
    LOG,
    MATRIX,
    MOVES,
    NODES,
    NOUNS,
    OUTPUTS,
    PAIRS,
    PICTURES,
    PLACES,
    RATINGS,
    ROWS,
    SAMPLES,
    SPARSE,
    TRACKS,
    WALKS,
)

from iclr22 import data, errors
from iclr22.data.domains import own as domains
from iclr22.data.graphs import own as graphs
from iclr22.nn import bert

SECONDS, BYTES, SCREEN = 2.0, 500 << 20, 2000


def _zipped(name, content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def _array(matrix):
    stream = io.BytesIO()
    np.save(stream, matrix)
    return stream.getvalue()


def _picture():
    image = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    pixels = np.arange(768, dtype=np.uint8).reshape(16, 16, 3)
    image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _write(folder, **files):
    for name, content in files.items():
        name, _, suffix = name.rpartition("_")
        (folder / f"{name}.{suffix}").write_bytes(content)


def _graph(folder):
    return data.load_own_graph(folder / "nodes.csv", folder / "edges.csv")


def _domains(domain, samples="samples.csv", **options):
    return lambda folder: data.load_own_domains(
        folder / samples, folder / domain, **options
    )


def _folder(folder):
    (folder / "images" / "a").mkdir(parents=True, exist_ok=True)
    (folder / "images" / "b").mkdir(exist_ok=True)
    (folder / "images" / "a" / "1.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "images" / "b" / "1.png").write_bytes(_picture())
    return data.from_file(folder / "images")


def _wheel():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in MODEL.items():
            name, _, suffix = name.rpartition("_")
            archive.writestr(f"some/model/{name}.{suffix}", content)
    return stream.getvalue()


MODEL = {
    "config_json": json.dumps(bert_helpers.SIZES).encode(),
    "model_safetensors": bert_helpers.packed(bert_helpers.tensors()),
    "vocab_txt": "\n".join(bert_helpers.TOKENS).encode(),
}
GRAPH_OF_BERT = bert_helpers.onnx(bert_helpers.tensors(pooler=False))
TABLES = {"nodes_csv": NODES, "edges_csv": EDGES}
OWN = {"samples_csv": SAMPLES, "links_csv": LINKS}
# by name: files that are there, which of them is broken and how, and the loader
LOADERS = {
    "nodes": (TABLES, "nodes_csv", mutations.table(NODES), _graph),
    "edges": (TABLES, "edges_csv", mutations.table(EDGES), _graph),
    "graph": (
        {},
        "graph_npz",
        mutations.archive(GRAPH) | mutations.archive(SPARSE),
        lambda folder: data.load_own_graph(folder / "graph.npz"),
    ),
    "new nodes": (
        {},
        "nodes_csv",
        mutations.table(NODES),
        lambda folder: graphs.read_features(folder / "nodes.csv", features=["age"]),
    ),
    "new arrays": (
        {},
        "nodes_npz",
        mutations.archive(GRAPH) | mutations.archive(SPARSE),
        lambda folder: graphs.read_features(folder / "nodes.npz"),
    ),
    "samples": (OWN, "samples_csv", mutations.table(SAMPLES), _domains("links.csv")),
    "outputs": (
        OWN,
        "samples_csv",
        mutations.table(OUTPUTS),
        _domains("links.csv", regression=True),
    ),
    "arrays of samples": (
        OWN,
        "samples_npz",
        mutations.archive(ROWS),
        _domains("links.csv", "samples.npz"),
    ),
    "new samples": (
        {},
        "new_csv",
        mutations.table(SAMPLES),
        lambda folder: domains.read_samples(folder / "new.csv", features=["b"]),
    ),
    "links": (OWN, "links_csv", mutations.table(LINKS), _domains("links.csv")),
    "places": (OWN, "places_csv", mutations.table(PLACES), _domains("places.csv")),
    "matrix": (
        OWN,
        "matrix_npy",
        mutations.mutated(_array(MATRIX)),
        _domains("matrix.npy"),
    ),
    "named matrix": (
        OWN,
        "matrix_npz",
        mutations.archive(
            {"adjacency": MATRIX, "names": np.array(["north", "south", "west"])}
        ),
        _domains("matrix.npz"),
    ),
    "events": (
        {},
        "log_csv",
        mutations.table(LOG),
        lambda folder: data.load_own_events(folder / "log.csv"),
    ),
    "ratings": (
        {},
        "u_data",
        mutations.mutated(RATINGS),
        lambda folder: data.read_ratings(folder / "u.data"),
    ),
    "archive of ratings": (
        {},
        "ratings_zip",
        mutations.mutated(_zipped("ml/u.data", RATINGS * 20)),
        lambda folder: data.read_ratings(folder / "ratings.zip"),
    ),
    "clicks": (
        {},
        "yoochoose-clicks_dat",
        mutations.mutated(CLICKS),
        lambda folder: data.read_yoochoose(folder, share=1.0, least_item=1),
    ),
    "pedestrians": (
        {},
        "zara_txt",
        mutations.mutated(WALKS),
        lambda folder: data.read_eth_ucy(folder / "zara.txt"),
    ),
    "game": (
        {},
        "game_json",
        mutations.mutated(GAME),
        lambda folder: data.read_sportvu([folder / "game.json"]),
    ),
    "tracks": (
        {},
        "tracks_csv",
        mutations.table(TRACKS),
        lambda folder: data.load_own_tracks(folder / "tracks.csv"),
    ),
    "arrays of tracks": (
        {},
        "tracks_npz",
        mutations.archive(MOVES),
        lambda folder: data.load_own_tracks(folder / "tracks.npz"),
    ),
    "arrays of images": (
        {},
        "own_npz",
        mutations.archive(PICTURES),
        lambda folder: data.from_file(folder / "own.npz"),
    ),
    "pairs": (
        {},
        "pairs_csv",
        mutations.table(PAIRS),
        lambda folder: data.load_own_pairs(folder / "pairs.csv"),
    ),
    "sentences": (
        {},
        "lines_txt",
        mutations.mutated(PAIRS),
        lambda folder: data.load_own_sentences(folder / "lines.txt"),
    ),
    "glosses": (
        {},
        "data_noun",
        mutations.mutated(NOUNS),
        data.load_wordnet,
    ),
    "sizes": (MODEL, "config_json", mutations.mutated(MODEL["config_json"]), bert.load),
    "weights": (
        MODEL,
        "model_safetensors",
        mutations.mutated(MODEL["model_safetensors"]),
        bert.load,
    ),
    "vocabulary": (
        MODEL,
        "vocab_txt",
        mutations.mutated(MODEL["vocab_txt"]),
        bert.load,
    ),
    "wheel": (
        {},
        "some_whl",
        mutations.mutated(_wheel()),
        lambda folder: bert.load(folder / "some.whl"),
    ),
    "exported graph": (
        MODEL,
        "graph_onnx",
        mutations.mutated(GRAPH_OF_BERT),
        lambda folder: bert.load(folder / "graph.onnx", folder / "vocab.txt"),
    ),
    "images": ({}, "a_png", None, _folder),
}


def _try(load, folder, content, name):
    """Load once; what a loader may do."""
    began = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        load(folder)
    except errors.InputError as error:
        said = str(error).replace(str(folder), "")
        assert len(said) < SCREEN and "np.str_" not in said, said
    assert time.process_time() - began < SECONDS, content
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < BYTES, content


def _check(loader, folder, count):
    files, broken, strategy, load = LOADERS[loader]
    _write(folder, **files)
    if strategy is None:
        strategy = mutations.mutated(_picture())

    @hypothesis.settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def check(content):
        _write(folder, **{broken: content})
        _try(load, folder, content, broken)

    _write(folder, **{broken: LOADERS[loader][0].get(broken, b"")})
    with contextlib.suppress(errors.InputError):
        load(folder)  # what is imported at the first call counts for no file
    check()


@pytest.mark.parametrize("loader", LOADERS)
def test_broken_files_are_refused_or_read(loader, tmp_path):
    _check(loader, tmp_path, 30)


@pytest.mark.slow
@pytest.mark.parametrize("loader", LOADERS)
def test_many_broken_files_are_refused_or_read(loader, tmp_path):
    _check(loader, tmp_path, 2000)
