"""What tells one content of files from another."""

from typing import Literal, NamedTuple

import pytest

from experiments import workdir


def test_fingerprint_is_of_the_content(tmp_path):
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("x,y\n1,2\n")
    b.write_text("x,y\n1,2\n")
    first = workdir.fingerprint(a)
    assert first == workdir.fingerprint(b) == workdir.fingerprint(str(a))
    b.write_text("x,y\n1,3\n")
    assert workdir.fingerprint(b) != first


def test_fingerprint_of_a_folder_is_of_names_and_content(tmp_path):
    seen = {workdir.fingerprint(tmp_path)}
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.png").write_bytes(b"a")
    seen.add(workdir.fingerprint(tmp_path))
    (tmp_path / "one" / "a.png").write_bytes(b"b")
    seen.add(workdir.fingerprint(tmp_path))
    (tmp_path / "one").rename(tmp_path / "two")
    seen.add(workdir.fingerprint(tmp_path))
    assert len(seen) == 4


@pytest.mark.parametrize("size", [0, 1, 9, 3_000_001])
def test_every_byte_of_a_file_counts(size, tmp_path):
    path, content = tmp_path / "x.bin", bytearray(size)
    places = {0, size // 2, size - 1} if size else set()
    path.write_bytes(content)
    seen = {workdir.fingerprint(path)}
    for place in places:
        content[place] = 1
        path.write_bytes(content)
        seen.add(workdir.fingerprint(path))
    path.write_bytes(content + b"1")
    seen.add(workdir.fingerprint(path))
    assert len(seen) == 2 + len(places)


class Named(NamedTuple):
    """Options of which some may name files."""

    model: str = ""  # a path
    predictor: str = ""  # FILE:FUNCTION or MODULE:FUNCTION
    task: Literal["here"] = "here"  # no path, though there is a folder of that name
    size: int = 3  # nor this


def test_files_that_options_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("m.npz", "mine.py", "a:b"):
        (tmp_path / name).write_text(name)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "inner.py").write_text("")
    found = workdir.files(Named("m.npz", "mine:predict"), {"dataset": "here"})
    assert found == {"dataset": "here", "model": "m.npz", "predictor": "mine.py"}
    for given, path in {
        "mine.py:predict": "mine.py",
        "here.inner:predict": "here/inner.py",
        "here:predict": "here",
        "a:b": "a:b",
        "none:predict": None,
    }.items():
        found = workdir.files(Named(predictor=given), {})
        assert found.get("predictor") == path, given
