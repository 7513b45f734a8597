"""Loaders of own data and broken files: an `InputError` or data, soon and in little memory."""

import io
import json
import resource
import time
import zipfile

import broken_files as mutations
import hypothesis
import numpy as np
import pytest

from iclr22 import data, errors
from iclr22.data.domains import own as domains
from iclr22.data.graphs import own as graphs

SECONDS, BYTES, SCREEN = 2.0, 500 << 20, 2000
NODES = b"""id,label,split,age,income
ann,cat,train,1.5,-2
bob,dog,train,0,1e3
cid,,train,3,4
dan,cat,test,5,6
eve,dog,valid,7,8
"""
EDGES = b"source,target,weight\nann,bob,2\nbob,cid,1\ncid,dan,0.5\neve,ann,1\n"
GRAPH = {
    "x": np.arange(12.0).reshape(4, 3),
    "y": np.array([0, 1, -1, 1]),
    "edge_index": np.array([[0, 1, 2], [1, 2, 0]]),
    "ids": np.arange(4),
    "train_mask": np.array([1, 1, 1, 0], bool),
}
SPARSE = {
    "x_indptr": np.array([0, 1, 1, 3, 3]),
    "x_indices": np.array([2, 0, 1]),
    "x_data": np.array([1.0, 2.0, 3.0]),
    "x_shape": np.array([4, 3]),
    "y": np.array(["a", "b", "", "b"]),
    "edge_index": np.array([[0, 1, 2], [1, 2, 0]]),
}
SAMPLES = b"""domain,label,a,b
north,cat,1,2
south,dog,3,4.5
north,dog,-5,6
west,,7,8
"""
OUTPUTS = SAMPLES.replace(b"cat", b"1.5").replace(b"dog", b"2")
LINKS = b"source,target,weight\nnorth,south,1\nsouth,west,0.5\n"
PLACES = b"domain,lat,lon\nnorth,60,1\nsouth,-10.5,1\nwest,0,-90\n"
MATRIX = np.array([[0, 0, 0.5], [0, 0, 1], [0.5, 1, 0]])
ROWS = {
    "x": np.arange(8.0).reshape(4, 2),
    "y": np.array([0, 1, 1, -1]),
    "domain": np.array(["north", "south", "north", "west"]),
}
LOG = b"user,item,timestamp\na,x,1700000000\nb,y,1700086400\na,y,1700172800\n"
TRACKS = b"scene,frame,agent,x,y\n" + b"".join(
    b"s,%d,%s,%d,%d\n" % (frame, agent, frame, frame * frame)
    for frame in range(6)
    for agent in (b"p", b"q")
)
MOVES = {
    "scene": np.zeros(6, int),
    "frame": np.arange(6),
    "agent": np.zeros(6, int),
    "x": np.arange(6.0),
    "y": np.ones(6),
}
PICTURES = {
    "x": np.arange(96, dtype=np.uint8).reshape(4, 4, 2, 3),
    "y": np.array([0, 1, 1, 0]),
    "z": np.arange(8.0).reshape(4, 2),
    "names": np.array([*"abcd"]),
    "class_names": np.array(["cat", "dog"]),
}
RATINGS = b"1\t10\t5\t881250949\n2\t11\t3\t891717742\n1\t12\t3\t878887116\n"


CLICKS = b"1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,5,0\n" * 3
WALKS = b"0 1 1.5 2\n10 1 1.6 2\n20 1 1.7 2\n0\t2\t3\t4\n"
GAME = json.dumps(
    {
        "events": [
            {
                "home": {"teamid": 1},
                "visitor": {"teamid": 2},
                "moments": [
                    [1, 40 * t, 700.0, 20.0, None]
                    + [
                        [[-1, -1, 1.0 * t, 2.0, 3.0]]
                        + [[1 + p // 5, p, p, t, 0.0] for p in range(10)]
                    ]
                    for t in range(240)
                ],
            }
        ]
    }
).encode()


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
    check()


@pytest.mark.parametrize("loader", LOADERS)
def test_broken_files_are_refused_or_read(loader, tmp_path):
    _check(loader, tmp_path, 30)


@pytest.mark.slow
@pytest.mark.parametrize("loader", LOADERS)
def test_many_broken_files_are_refused_or_read(loader, tmp_path):
    _check(loader, tmp_path, 2000)
