"""Tables, arrays and labels of the user, checked: all that loaders of own data share.

    for lines, columns in checks.read_table("nodes.csv", ("id",)):  # in blocks of rows
        x = checks.numbers("nodes.csv", lines, {"age": columns["age"]})
    found = checks.read_npz(path)

Every refusal is one `errors.InputError` of a few lines at most. Tables are read by
`tables`, arrays by `arrays`; `labels` says what is unknown and how names are numbered.
"""

from iclr22.data.arrays import (
    check_unpacked,
    decoded,
    narrow,
    read_npy,
    read_npz,
    real,
    shaped,
)
from iclr22.data.labels import (
    UNKNOWN,
    class_arrays,
    classes,
    first_again,
    in_order,
    mark_unknown,
    name_array,
    number_names,
    padded,
    sort_names,
    text_array,
    without_holes,
)
from iclr22.data.tables import (
    FEW,
    ROWS,
    existing,
    few,
    is_number,
    numbers,
    pick,
    read_header,
    read_table,
    short,
    shown,
    strip,
    utc,
)

__all__ = [
    "FEW",
    "ROWS",
    "UNKNOWN",
    "check_unpacked",
    "class_arrays",
    "classes",
    "decoded",
    "existing",
    "few",
    "first_again",
    "in_order",
    "is_number",
    "mark_unknown",
    "name_array",
    "narrow",
    "number_names",
    "numbers",
    "padded",
    "pick",
    "read_header",
    "read_npy",
    "read_npz",
    "read_table",
    "real",
    "shaped",
    "short",
    "shown",
    "sort_names",
    "strip",
    "utc",
    "text_array",
    "without_holes",
]
