"""Budgets and prices of a campaign: read by the rules of all tables."""

import numpy as np
import pytest

from experiments.recurrent_intensity import tables
from iclr22 import errors


def write(folder, text, encoding="utf-8"):
    path = folder / "table.csv"
    path.write_text(text, encoding=encoding, newline="")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "item,users\nA,5\nB,30\n",
        "\ufeffitem,users\r\nA,5\r\nB,30\r\n",
        "users,note, item \n 5 ,x, A\n30.0,, B \n\n",
        ',item,users\n0,"A",5.0\n1,B,3e1\n',
    ],
)
def test_budgets_of_any_writing(tmp_path, text):
    names, counts = tables.read_budgets(write(tmp_path, text))
    assert names == ["A", "B"]
    np.testing.assert_array_equal(counts, [5, 30])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("item,users\nA,5²\n", "line 2, column users: .* found '5²'"),
        ("item,users\nA,²\n", "line 2, column users: .* found '²'"),
        ("item,users\nA,2.5\n", "line 2, column users: .* found '2.5'"),
        ("item,users\nA,0\n", "line 2, column users: .* above 0"),
        ("item,users\nA,\n", "line 2, column users: .* found ''"),
        ("item,users\nA,nan\n", "line 2, column users"),
        ("item,users\nA,inf\n", "line 2, column users"),
        ("item,users\nA,five\n", "line 2, column users: .* 'five'"),
        ("item,users\nA,1\n\n A ,2\n", "line 4: item 'A' has a line already"),
        ("item,users\n,1\n", "line 2, column item: .* empty cell"),
        ("item,users\nA,1,2\n", "line 2: expected 2 cells"),
        ("item,users\n", "at least one item"),
        ("item;users\nA;1\n", "header with the column item"),
        (f"item,users\nA,{'9' * 5000}\n", "line 2, column users"),
    ],
)
def test_budgets_that_are_none_are_named(tmp_path, text, words):
    with pytest.raises(errors.InputError, match=words) as told:
        tables.read_budgets(write(tmp_path, text))
    assert "np.str_" not in str(told.value) and len(str(told.value)) < 400


def test_other_encodings_and_missing_files_are_said(tmp_path):
    path = write(tmp_path, "item,users\nCafé,1\n", "latin-1")
    with pytest.raises(errors.InputError, match="line 2.* UTF-8.*Latin-1"):
        tables.read_budgets(path)
    with pytest.raises(errors.InputError, match="columns item and users; found none"):
        tables.read_budgets(tmp_path / "no.csv")


def test_prices_are_numbers_of_any_sign(tmp_path):
    text = "item,price,budget,told,expected\nA,0.25,3,3,1\nB,-1e-3,2,2,0.5\n"
    names, prices = tables.read_prices(write(tmp_path, text))
    assert names == ["A", "B"]
    np.testing.assert_array_equal(prices, [0.25, -1e-3])
    with pytest.raises(errors.InputError, match="line 2, column price: .* 'x'"):
        tables.read_prices(write(tmp_path, "item,price\nA,x\n"))
