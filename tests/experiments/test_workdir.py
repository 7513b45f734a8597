"""What tells one content of files from another."""

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
