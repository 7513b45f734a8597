"""Tables of every method: read alike, whatever program wrote them; errors name the line."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from small_tables import EDGES, LINKS, NODES, SAMPLES

from iclr22 import data, errors
from iclr22.data import checks
from iclr22.data.graphs import own as graphs

LOG = "user,item,timestamp\nann,x,1700000000\nbob,y,1700086400\nann,y,1700172800\n"
TRACKS = "scene,frame,agent,x,y\n" + "".join(
    f"s,{t},{agent},{t},{t * t}\n" for t in range(6) for agent in "pq"
)


def graph(folder):
    found = data.load_own_graph(folder / "nodes.csv", folder / "edges.csv")
    return [found.graph.nodes, found.labels, found.graph.senders, *found.class_names]


def domain(folder):
    found = data.load_own_domains(folder / "samples.csv", folder / "links.csv")
    return [found.x, found.y, found.domain, found.graph.edges, *found.domain_names]


def events(folder):
    found = data.load_own_events(folder / "log.csv")
    return [found.user, found.item, found.time, *found.user_names]


def tracks(folder):
    found = data.load_own_tracks(folder / "tracks.csv")
    return [found.xy, found.frame, found.agent, *found.names]


LOADERS = {
    "graph": ({"nodes.csv": NODES, "edges.csv": EDGES}, graph),
    "domains": ({"samples.csv": SAMPLES, "links.csv": LINKS}, domain),
    "events": ({"log.csv": LOG}, events),
    "tracks": ({"tracks.csv": TRACKS}, tracks),
}


def lines_of(text, change):
    lines = [line.split(",") for line in text.splitlines()]
    return "\n".join(",".join(change(i, line)) for i, line in enumerate(lines)) + "\n"


# What programs make of the same table; the value is the same.
WRITTEN = {
    "a byte order mark": lambda text: "\ufeff" + text,
    "ends of lines of Windows": lambda text: text.replace("\n", "\r\n"),
    "ends of lines of old": lambda text: text.replace("\n", "\r"),
    "no last end": lambda text: text.rstrip("\n"),
    "quotes": lambda text: lines_of(text, lambda i, x: [f'"{c}"' for c in x]),
    "spaces": lambda text: lines_of(text, lambda i, x: [f" {c}\t" for c in x]),
    "spaces and quotes": lambda text: lines_of(
        text, lambda i, x: [f' "{c}" ' for c in x]
    ),
    "empty lines": lambda text: text.replace("\n", "\n\n , ,\n"),
    "an index": lambda text: lines_of(text, lambda i, x: [str(i) if i else "", *x]),
    "two indices": lambda text: lines_of(
        text, lambda i, x: [str(i) if i else "Unnamed: 0", *x]
    ),
    "empty columns": lambda text: lines_of(text, lambda i, x: [*x, "", ""]),
}


@pytest.mark.parametrize("loader", LOADERS)
def test_tables_mean_the_same_whoever_wrote_them(loader, tmp_path):
    files, load = LOADERS[loader]

    def found(change):
        for name, text in files.items():
            (tmp_path / name).write_text(change(text), encoding="utf-8", newline="")
        return load(tmp_path)

    expected = found(lambda text: text)
    for name, change in WRITTEN.items():
        for a, b in zip(expected, found(change), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


def test_an_index_is_no_feature_and_is_told(tmp_path, caplog):
    indexed = lines_of(NODES, lambda i, x: [str(i) if i else "", *x])
    (tmp_path / "nodes.csv").write_text(indexed)
    (tmp_path / "edges.csv").write_text(EDGES)
    with caplog.at_level("WARNING", logger="absl"):
        found = data.load_own_graph(tmp_path / "nodes.csv", tmp_path / "edges.csv")
    assert found.feature_names == ("age", "income")
    assert "nodes.csv: the first column has no name" in caplog.text


UTF16 = NODES.encode("utf-16")
LONG = "x" * 200_000
WIDE = "\n".join(["id," + ",".join(f"{x}{i}" for i in range(5000)) for x in "ab"])
BROKEN = [
    (
        NODES.replace("bob", "bób").encode("latin-1"),
        "line 3: .* byte 0xf3 in place 2, lik",
    ),
    (NODES.replace("dog", "“").encode("cp1252"), "line 3: .* likely Windows-1252, as"),
    (UTF16, "found what looks like UTF-16 text. Save"),
    (NODES.encode("utf-16-le"), "found zero bytes, as in UTF-16 text"),
    (b"PK\x03\x04\xff" + NODES.encode(), "a zip archive, such as a spreadsheet"),
    (NODES.replace("bob,dog", 'bob,"dog').encode(), "line 3: .* lines to 5"),
    (NODES.replace("1.5,-2", '"1.5,-2').encode(), "line 2: .* lines to 5"),
    (NODES.replace("ann,cat", '"ann,cat').encode(), "line 2: .* swallows"),
    (
        NODES.replace("1.5,-2", '"1.5,-2').replace("5,6", '5",6').encode(),
        "line 2, column age: .* opens in line 2 and swallows the lines to 5",
    ),
    (NODES.replace("ann,", '"an\nn",').encode(), "line 2, column id: .* lines to 3"),
    (NODES.replace("ann", LONG).encode(), "line 2: expected cells of at most 131,072"),
    (
        NODES.replace("ann", f'"{LONG}').encode(),
        "line 2: .* quote that opens in line 2",
    ),
    (NODES.replace("1.5", "y" * 9000).encode(), r"line 2, column age: .*y\.\.\.'"),
    (NODES.replace("age", "").encode(), "line 1: .* none for column 3. Name it"),
    (NODES.replace("age", "income").encode(), "different names; .*'income' twice"),
    (NODES.replace(",", ";").encode(), "separated by commas; found id;label;age"),
    (
        lines_of(NODES, lambda i, x: [*x, "3" if i == 2 else ""]).encode(),
        "line 3: .*'3'",
    ),
    (
        WIDE.encode(),
        "line 2, column a0: .*'b0'",
    ),
]


@pytest.mark.parametrize("content, message", BROKEN)
def test_a_broken_table_is_one_short_error_with_its_line(content, message, tmp_path):
    (tmp_path / "nodes.csv").write_bytes(content)
    with pytest.raises(errors.InputError, match=message) as caught:
        list(checks.read_table(tmp_path / "nodes.csv", ("id",)))
        graphs.read_features(tmp_path / "nodes.csv")
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


def test_a_text_of_several_lines_is_no_open_quote(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        LOG.replace("timestamp", "timestamp,review").replace(
            "00\n", '00,"Good, very\nbut, all in all,\n""small"""\n'
        )
    )
    assert len(data.load_own_events(path).user) == 3


# Size and digits


def ends_of(found):
    links = found.graph.senders.tolist(), found.graph.receivers.tolist()
    return list(zip(*links, strict=True))


def test_a_long_name_costs_what_it_is_long(tmp_path):
    names = ["x" * 20_000, *map(str, range(20_000))]
    nodes = [f"{name},{i % 2},{i}" for i, name in enumerate(names)]
    (tmp_path / "nodes.csv").write_text("\n".join(["id,label,a", *nodes]))
    (tmp_path / "edges.csv").write_text("source,target\n0,1\n")
    (tmp_path / "log.csv").write_text(
        "\n".join(
            ["user,item,timestamp", *(f"{x},{x},{i}" for i, x in enumerate(names))]
        )
    )
    tracemalloc.start()
    found = data.load_own_graph(tmp_path / "nodes.csv", tmp_path / "edges.csv")
    data.load_own_events(tmp_path / "log.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.node_names[0] == names[0] and found.node_names[-1] == names[-1]
    assert peak < 60 << 20  # twenty thousand times 80,000 bytes would be 1.6 GB
    assert checks.padded(found.node_names).nbytes < 20 << 20


def test_many_columns_are_read_in_small_blocks(tmp_path):
    wide = 20_000
    header = ",".join(["id", *(f"c{i}" for i in range(wide))])
    rows = "".join(f"n{i}," + ",".join(["1"] * wide) + "\n" for i in range(30))
    (tmp_path / "n.csv").write_text(f"{header}\n{rows}")
    blocks = [len(lines) for lines, _ in checks.read_table(tmp_path / "n.csv", ("id",))]
    assert sum(blocks) == 30 and max(blocks) * wide <= 1 << 21


def test_an_archive_that_claims_or_unpacks_to_too_much_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.eye(3), y=np.arange(3))
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        array, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", array.getvalue() + bytes(72))
    with pytest.raises(errors.InputError, match="'x': .* 24,000,000,000,000 bytes, "):
        checks.read_npz(path)
    np.savez_compressed(path, x=np.zeros((300, 1 << 20), np.uint8))
    with pytest.raises(
        errors.InputError, match="unpacks to at most 200 times its size"
    ):
        checks.read_npz(path)


def test_large_numbers_keep_their_digits(tmp_path):
    """Seconds since 1970 and metres from the equator, a second and a decimetre apart."""
    text = "domain,label,time,north\n" + "".join(
        f"d{i % 3},{i % 2},{1_700_000_000 + i},{5_000_000 + i / 10}\n"
        for i in range(12)
    )
    (tmp_path / "samples.csv").write_text(text)
    (tmp_path / "places.csv").write_text(
        "domain,x,y\nd0,500000.1,5000000.1\nd1,500000.2,5000000.1\nd2,500000.5,5000000.1\n"
    )
    found = data.load_own_domains(
        tmp_path / "samples.csv", tmp_path / "places.csv", neighbors=1
    )
    np.testing.assert_array_equal(np.diff(found.x[:, 0]), np.ones(11))
    np.testing.assert_allclose(np.diff(found.x[:, 1]), 0.1, rtol=1e-6)
    np.testing.assert_allclose(np.diff(found.graph.nodes[:, 0]), [0.1, 0.3], rtol=1e-5)
    ends = sorted(ends_of(found))
    assert ends == [(0, 1), (1, 0), (1, 2), (2, 1)]
    small = checks.narrow(np.array([[0.5, 1e6], [1.5, 2e6]]))
    assert small.dtype == np.float32


def test_degrees_are_places_on_the_globe(tmp_path):
    """179.9 and -179.9 degrees are near; at 60 degrees north a degree is half as long."""
    text = "domain,label,a\n" + "".join(f"{x},{i},1\n" for x in "abcd" for i in (0, 1))
    (tmp_path / "samples.csv").write_text(text)
    places = "domain,Longitude,lat\na,179.9,60\nb,-179.9,60\nc,177,60\nd,177.5,60.5\n"
    (tmp_path / "places.csv").write_text(places)
    found = data.load_own_domains(
        tmp_path / "samples.csv", tmp_path / "places.csv", neighbors=1
    )
    links = set(ends_of(found))
    assert links == {(0, 1), (1, 0), (2, 3), (3, 2)}
    (tmp_path / "places.csv").write_text(places.replace("60.5", "160.5"))
    with pytest.raises(
        errors.InputError, match="latitudes from -90 to 90; found 160.5"
    ):
        data.load_own_domains(tmp_path / "samples.csv", tmp_path / "places.csv")
    (tmp_path / "places.csv").write_text(
        lines_of(places, lambda i, x: [*x, "5" if i else "height"])
    )
    with pytest.raises(
        errors.InputError, match="two columns, lat and lon, and no other"
    ):
        data.load_own_domains(tmp_path / "samples.csv", tmp_path / "places.csv")


def test_every_sample_a_domain_is_a_mistake_that_is_told(tmp_path):
    """A matrix of their graph would have 400 million entries."""
    rows = "".join(f"s{i},{i % 2},1\n" for i in range(20_000))
    (tmp_path / "samples.csv").write_text(f"domain,label,a\n{rows}")
    edges = "".join(f"s{i},s{i + 1}\n" for i in range(19_999))
    (tmp_path / "edges.csv").write_text(f"source,target\n{edges}")
    with pytest.raises(
        errors.InputError, match="at most 10,000 domains.* found 20,000"
    ):
        data.load_own_domains(tmp_path / "samples.csv", tmp_path / "edges.csv")
