"""The original files of published graphs, and how they are read.

Every reader returns a `graph.NodeData` without class names, with nodes, classes and
splits as published. Features are `sparse.Sparse`, or `[n, d]` where there are few.
"""

import collections
import csv
import itertools
import json
import pickle

import numpy as np

from iclr22 import errors, graph, sparse
from iclr22.data import images

STEMS = {"train": "train", "valid": "val", "test": "test"}  # our names, theirs
DENSE = 64  # at most this many features are kept as an ordinary array


def degree_features(links) -> np.ndarray:
    """Features of nodes that have none, from a graph: `[n, buckets]`.

    One-hot: no neighbour, one, 2 or 3, 4 to 7, and so on. They tell how a node is
    linked, not who it is; a node whose edges are taken away should lose them too.
    """
    bucket = np.frexp(graph.degrees(links))[1]
    return np.eye(bucket.max() + 1, dtype=np.float32)[bucket]


def node_data(features, edges, labels, masks, names=None) -> graph.NodeData:
    """Without class names. Features: `[n, d]`, `Sparse`, or None to make them up."""
    n = len(labels)
    links = graph.build(np.zeros((n, 0)) if features is None else features, *edges)
    if features is None:
        links = links._replace(nodes=degree_features(links))
    elif isinstance(features, sparse.Sparse) and features.shape[1] <= DENSE:
        links = links._replace(nodes=sparse.to_dense(features))
    names = np.arange(n).astype(str) if names is None else names
    return graph.NodeData(links, labels.astype(np.int32), (), names, masks)


def _sparse(rows, columns, values, shape):
    """A `Sparse` from its entries in any order."""
    order = np.lexsort((columns, rows))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return sparse.from_rows(offsets, columns[order], values[order], shape[1])


def split_masks(order) -> dict[str, np.ndarray]:
    """Masks `[1, n]` of 60, 20 and 20 percent of the nodes in this order."""
    n = len(order)
    return _masks(n, *np.split(order, [int(0.6 * n), int(0.8 * n)]))


def _masks(n, *groups):
    """Masks `[1, n]` from the nodes of train, valid and test."""
    nodes = np.arange(n)
    return {
        split: np.isin(nodes, group)[None]
        for split, group in zip(STEMS, groups, strict=True)
    }


def read_converted(path) -> graph.NodeData:
    """Arrays in one file of ours; each edge in one direction at least."""
    found = images.read_npz(path)
    features, masks = None, {}
    if "feat_indptr" in found:
        parts = (found[f"feat_{part}"] for part in ("indptr", "indices", "data"))
        features = sparse.from_rows(*parts, int(found["num_features"]))
    for split, stem in STEMS.items():
        for key in {f"{stem}_mask", f"{stem}_masks"} & found.keys():
            masks[split] = np.atleast_2d(found[key])
    names = found["node_ids"].astype(str) if "node_ids" in found else None
    return node_data(features, found["edge_index"], found["labels"], masks, names)


def read_heterophilous(paths) -> graph.NodeData:
    """One file; edges `[e, 2]`, ten splits."""
    found = images.read_npz(paths[0])
    dense = found["node_features"]
    rows, columns = np.nonzero(dense)
    features = _sparse(rows, columns, dense[rows, columns], dense.shape)
    masks = {split: found[f"{stem}_masks"] for split, stem in STEMS.items()}
    return node_data(features, found["edges"].T, found["node_labels"], masks)


def read_struc2vec(paths) -> graph.NodeData:
    """Lines of two airports; lines of an airport and its class, below a header."""
    edges, rows = (np.array(path.read_text().split()) for path in paths)
    ids, labels = rows[2:].reshape(-1, 2).astype(np.int64).T
    order = np.argsort(ids)
    edges = np.searchsorted(ids[order], edges.astype(np.int64).reshape(-1, 2).T)
    return node_data(None, edges, labels[order], {}, ids[order].astype(str))


def read_musae(paths) -> graph.NodeData:
    """Lists of features by node; a table of nodes; a table of edges."""
    listed = json.loads(paths[0].read_text(encoding="utf-8"))
    tables = []
    for path in paths[1:]:
        with path.open(newline="", encoding="utf-8") as stream:
            tables.append(list(csv.DictReader(stream)))
    nodes, edges = tables
    n, first = len(nodes), nodes[0]
    number = [int(row["new_id" if "new_id" in first else "id"]) for row in nodes]
    values = [row["page_type" if "page_type" in first else "mature"] for row in nodes]
    labels = np.empty(n, np.int32)
    labels[number] = np.unique(values, return_inverse=True)[1]
    pairs = {(int(row), column) for row in listed for column in listed[row]}
    rows, columns = np.array(sorted(pairs)).T
    shape = (n, columns.max() + 1)
    features = _sparse(rows, columns, np.ones(len(rows)), shape)
    edges = np.array([list(row.values()) for row in edges]).astype(np.int64).T
    # No split was published with these.
    masks = split_masks(np.random.RandomState(0).permutation(n))
    return node_data(features, edges, labels, masks)


def read_planetoid(paths) -> graph.NodeData:
    """Rows of `allx` are nodes in order, rows of `tx` are those that the index lists."""
    *pickles, index = paths
    x, _, tx, ty, allx, ally, neighbours = map(read_pickle, pickles)
    test = np.array(index.read_text().split()).astype(np.int64)
    n, known = int(test.max()) + 1, np.arange(len(ally))
    labels, entries = np.full(n, -1), []
    for nodes, matrix, one_hot in ((known, allx, ally), (test, tx, ty)):
        labels[nodes] = np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), -1)
        rows = np.repeat(nodes, np.diff(matrix["indptr"]))
        entries.append((rows, matrix["indices"], matrix["data"]))
    shape = (n, int(allx.get("_shape", allx.get("shape"))[1]))
    features = _sparse(*map(np.concatenate, zip(*entries, strict=True)), shape)
    senders = np.repeat(list(neighbours), list(map(len, neighbours.values())))
    edges = senders, list(itertools.chain(*neighbours.values()))
    train = len(x["indptr"]) - 1
    masks = _masks(n, known[:train], known[train : train + 500], test)
    return node_data(features, edges, labels, masks)


class _Inert:
    """Stands for every object in a pickle: keeps what it is given, runs nothing."""

    state = None

    def __init__(self, *args):
        self.args = args

    def __setstate__(self, state):
        self.state = state


ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _Inert,
    ("numpy", "ndarray"): _Inert,
    ("numpy", "dtype"): _Inert,
    ("scipy.sparse.csr", "csr_matrix"): _Inert,
    ("copy_reg", "_reconstructor"): _Inert,
    ("__builtin__", "object"): _Inert,
    ("__builtin__", "list"): list,
    ("collections", "defaultdict"): collections.defaultdict,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return ADMITTED[module, name]


def read_pickle(path) -> np.ndarray | dict:
    """Content of a Python 2 or 3 pickle of numbers, without executing anything in it.

    Returns an array, a dict of lists, or the parts of a compressed-row matrix as a dict
    (`indptr`, `indices`, `data`, `_shape` or `shape`).
    """
    try:
        with path.open("rb") as stream:
            found = _Unpickler(stream, encoding="latin1").load()
        state = getattr(found, "state", found)
        if isinstance(state, dict):
            return {key: _array(value) for key, value in state.items()}
        return _array(found)
    except Exception as error:  # whatever a broken pickle makes the reader raise
        raise errors.InputError(
            f"{path}: expected a pickle of lists and of arrays of numbers; found "
            f"something else in it ({error}). It was not executed; get the file anew."
        ) from error


def _array(value):
    """The array that an inert one stands for; anything else as it is."""
    if not isinstance(value, _Inert):
        return value
    _, shape, kind, fortran, content = value.state
    dtype = np.dtype(kind.state[1] + kind.args[0])
    content = content if isinstance(content, bytes) else content.encode("latin1")
    array = np.frombuffer(content, dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def _table(text):
    return {name: tuple(rest) for name, *rest in map(str.split, text.split("\n")[1:-1])}


# Original files: name, size, sha256.
ORIGINALS = _table("""
ind.cora.x 22119 23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab
ind.cora.y 4054 94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1
ind.cora.tx 148025 b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a
ind.cora.ty 28135 41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad
ind.cora.allx 257305 9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543
ind.cora.ally 47959 2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71
ind.cora.graph 59847 58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d
ind.cora.test.index 5000 297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875
ind.citeseer.x 31087 d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6
ind.citeseer.y 3014 8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924
ind.citeseer.tx 260321 539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21
ind.citeseer.ty 24135 55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce
ind.citeseer.allx 595021 2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668
ind.citeseer.ally 55623 f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95
ind.citeseer.graph 61987 d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7
ind.citeseer.test.index 5000 2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4
ind.pubmed.x 23172 fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33
ind.pubmed.y 854 e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3
ind.pubmed.tx 405505 4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d
ind.pubmed.ty 12135 ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd
ind.pubmed.allx 7578385 508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e
ind.pubmed.ally 224739 0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e
ind.pubmed.graph 471808 5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9
ind.pubmed.test.index 6000 b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5
chameleon.npz 177840 4c640bd2877fc4f9f101531e2f977bc16445a54e09a5cb01178df608e552f3fd
squirrel.npz 704277 d436e3b42c0546b105241c0ab0766097074e68e55f67b133eeb9b0162e55cbd9
chameleon_filtered.npz 58924 bf46f07e1fb5249280447e5fe3100f3e82fc4b93ad1e13ffcfdec924b6ac0bb5
squirrel_filtered.npz 208215 f06370ffb3116c5de8b7a600005400b2293c025e0ce2f6916d8201a825505ac7
actor.npz 252956 c350eef06b2c2a9bf8218be2b57cac6d4003d0922eb597a039e9123f75817816
cornell.npz 30515 684c54ba3daa13b0ba1f04a3d6dd1b1175c1ae9bdeb982851fd4ff96d3aac298
texas.npz 28586 b164b99e6c3d43e4ab07488ec59bd8c815f90cbc1bd4cf425ce587d2b534d844
wisconsin.npz 41672 2543c89838cfc75f737f7c4664cc1d097f8268602c20b2d1bd4f21407df9c074
tolokers.npz 1329769 dacf3ac94cec53d03cd2adb5255c08b33dee1656c33ca8164a464bd9450a1667
brazil-airports.edgelist 6047 896b7bd460ad2da9160888d99bc9099ffe8ed7de3e410833889ea393831bcaa7
europe-airports.edgelist 40007 bd202178d0d1253c15bd3c9a22cc2a25f630244bbef9060bc30adbf0a5e130f6
usa-airports.edgelist 163188 c73fec3eef27ed6d6ef4d8dfa7fd1604b959601a38d399eeaa1f87e8d8d58fc0
labels-brazil-airports.txt 687 8f9d19f10192fbaeb91dfb46dd7eae0fef28bfe1272d41ab96a4494a0d06785f
labels-europe-airports.txt 2295 92bace031cc02937ac9629d6c69387458e5d5016a7dab98490fbf33e392cec4e
labels-usa-airports.txt 9531 d4062ff3b3a67c3ae72b581bb68228433223e35d6f0b2d41844d197ad3772195
facebook.json 2088766 ea870537646a93642a0008d38aa9bfeff02018070ba97b1f3f469d9622626436
facebook_target.csv 1177912 7bd96eafea3c2ca40f44bfa9e73642194696c21e38c7b29ed409c32ad14075cd
facebook_edges.csv 1882610 7c50d8f02a75cc0829577814a1fc14535164daa38d79c3612340c9e9cdbd4022
DE.json 1167905 7b39c42570f05cd46017c765df8d8a1bc03f19787c3eb0f9684f50a52476ae3a
DE_target.csv 338721 2188f58a093bb9db363d3eaf7c3a52c2adc8ff6b23cbcb4f53875f87061c0321
DE_edges.csv 1499865 54feaf3e3e70a485fe07f8611e4d2677841b97f77b8358204bcf4a48cc884d86
""")
# The same arrays in one file of ours, graphs/<name>.npz: name, sha256.
CONVERTED = _table("""
cora 5b05630330fdfc4f76a59490ba30c9413fe008a40d4a94eeb4ce42864fc67dc1
citeseer c76e7693fadff917dcb14add23572b4fc50b54b9eb48dff9c6156e780bc197cc
pubmed 23b61052ff16f035761c0a69d2bdf90c429da167b71934a4c3ff8f3e11ac9bd6
chameleon c99147e31ab6d3a2bb48ef59ee97d96bfd3b24e126562c7b84ac98bec4d0e43e
squirrel 770f438b56c1a7a5d2379a84fd0c024d7e89db6b9b14bedb22184a8f600ab205
chameleon_filtered 46bb96eca3084cb1da5ba0597d6aa5df55ecf145ad52c0ae2e25d33649bce812
squirrel_filtered bea567e896328ff6868b0af7a984e8fe619b7fd7b39cc9578969517bd37e5793
actor 6046d262ce8c2af861fbd14e4fcc27a25928eb7c1e0362e574bc2304171662d4
cornell 2f5e8e701a994c935458fa2a9ed809ed5ef9a51ecc698634da6afe8e7a12399f
texas 06b607639c88a39a3d163e99f5fe396c8bd5ffdf91420ee8b4115b4263bcf4fa
wisconsin b1b2a14ba5b67fd7010a0afaf8da48cd27f773fd36413f9eb2b2814261248735
tolokers 1a05694c9ae36e8e25be3e87d190459fa20fcc29005515129e860f3e7f9eb042
airport_brazil 4ee3a085e9dd986c59e98982ec7660b75cce5e5b192bf125af61f923ec4c9203
airport_europe 0d4cb7cc72f7686c4a50bb08a10c2893fa8496f98c4804e24ec13d45c6112908
airport_usa 45228b874a50d73e4a60e088da6a2433bdb209ee3d4c1b2bc7be3a92995acb04
facebook 55813e39ad28c69e2c8e7805d3029e294063d9667a3b5cd8db6c2329a6ae9f79
twitch_de 4bffaadcec2f07ec10ca74ec48cafb2d08e1802874d2b173d66e4dc8121450c4
""")
