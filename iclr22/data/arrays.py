"""Files of arrays of the user, checked: errors say what is wrong and where."""

import math
import zipfile

import numpy as np

from iclr22 import errors
from iclr22.data.encodings import short

LARGE = 256 << 20  # bytes that an archive may unpack to, whatever it is packed to
PACKED = 200  # times its size that a larger one may unpack to
BLUR = 1e-3  # of a column's deviation that rounding to float32 may take


def read_npz(path) -> dict[str, np.ndarray]:
    """All arrays of an `.npz` (path or resource); pickled objects are refused.

    Raises:
      errors.InputError: no such file, or one that claims to hold more than it does or
        unpacks to very much more than it is.
    """
    key = None
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            check_unpacked(path, members)
            arrays = {}
            for member in members:
                key = member.filename.removesuffix(".npy")
                with archive.open(member) as data:
                    arrays[key] = _read_array(data, member.file_size)
            return arrays
    except errors.InputError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy have many of their own
        where = path if key is None else f"{path}, array {short(key)!r}"
        raise errors.InputError(
            f"{where}: expected an .npz file of plain arrays as np.savez writes it, "
            f"without Python objects; found: {short(error, 200) or type(error).__name__}"
        ) from error


def read_npy(path) -> np.ndarray:
    """The array of an `.npy`; pickled objects are refused."""
    try:
        with path.open("rb") as stream:
            return _read_array(stream, path.stat().st_size)
    except Exception as error:
        raise errors.InputError(
            f"{path}: expected an .npy file as np.save writes it, without Python objects; "
            f"found: {short(error, 200) or type(error).__name__}"
        ) from error


def check_unpacked(path, members):
    """Raise if the members of a zip archive are very much larger than it is."""
    size = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if size > LARGE and size > PACKED * packed:
        raise errors.InputError(
            f"{path}: expected an archive that unpacks to at most {PACKED} times its size; "
            f"found {packed:,} bytes for {size:,}. Unpack it first, "
            "or write it by np.savez; what is nearly all 0 as compressed rows."
        )


def _read_array(stream, size):
    """An array whose header fits the bytes that are there."""
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version in readers:
        shape, _, dtype = readers[version](stream)
        wanted = math.prod(shape) * dtype.itemsize
        if not dtype.hasobject and wanted > size:
            raise ValueError(f"a header of {wanted:,} bytes, {size:,} are there")
    stream.seek(0)
    array = np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    if array.dtype.kind == "V":
        raise ValueError(f"type {array.dtype}, neither numbers nor texts")
    return array


def shaped(path, found: dict, key: str, axes: str, **sizes: int) -> np.ndarray:
    """The array `key`, if it has these axes; their sizes are given, digits, or free."""
    wanted = [int(a) if a.isdigit() else sizes.get(a) for a in axes.split()]
    shape = found[key].shape
    if len(shape) != len(wanted) or any(
        size not in (None, there) for size, there in zip(wanted, shape, strict=True)
    ):
        given = "".join(f", with {axis} = {size}" for axis, size in sizes.items())
        raise errors.InputError(
            f"{path}: expected {key} of shape [{axes.replace(' ', ', ')}]{given}; found "
            f"{list(shape)}."
        )
    return decoded(path, key, found[key])


def decoded(path, key: str, array: np.ndarray) -> np.ndarray:
    """Bytes as text; other arrays as they are."""
    if array.dtype.kind != "S":
        return array
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError as error:
        raise errors.InputError(
            f"{path}: expected text in UTF-8 in {key}; found {short(error)}. Store it as "
            "strings."
        ) from error


def real(
    path, key: str, array, least: float = -math.inf, dtype: type = np.float32
) -> np.ndarray:
    """The array as float32 (or `dtype`), if it holds finite numbers of `least` or more.

    Args:
      dtype: whatever it is, numbers fit into float32.
    """
    if array.dtype.kind not in "biuf":
        raise errors.InputError(
            f"{path}: expected {key} of real numbers; found type {array.dtype}."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = array.astype(np.float32)
    bad = ~(np.isfinite(rounded) & (rounded >= least))
    if bad.any():
        bound = f" of at least {least}" if math.isfinite(least) else ""
        place = np.unravel_index(bad.argmax(), bad.shape)
        raise errors.InputError(
            f"{path}: expected finite numbers{bound} in {key}; found {rounded[place]} in "
            f"place {', '.join(str(int(i)) for i in place)}. Correct or remove it."
        )
    return rounded if dtype is np.float32 else array.astype(dtype)


def narrow(x: np.ndarray) -> np.ndarray:
    """`[n, d]` as float32, or float64 where float32 would blur a column.

    That is where a large number is added to small differences: seconds since 1970, metres
    from the equator. Whoever scales the columns subtracts it in float64.
    """
    x = np.asarray(x)
    if x.dtype.itemsize < 8:
        wide = x.dtype.kind in "iu" and x.dtype.itemsize == 4
        return narrow(x.astype(np.float64)) if wide else x.astype(np.float32)
    x = x.astype(np.float64, copy=False)
    rounded = x.astype(np.float32)
    if not x.size:
        return rounded
    lost = np.abs(rounded - x).max(axis=0)
    spread = x.std(axis=0)
    return x if ((lost > BLUR * spread) & (spread > 0)).any() else rounded
