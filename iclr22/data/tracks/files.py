"""Files of published tracks, and how they are read."""

import hashlib
import warnings

import numpy as np

from iclr22 import errors
from iclr22.data.encodings import short
from iclr22.data.tracks import Tracks, sort_tracks

METRES = 3.0  # attention radius of pedestrians, section 2.1
FEET = 1000.0  # of players: all are neighbours


def read_eth_ucy(path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames `[rows]`, persons `[rows]` and positions `[rows, 2]` of a text file.

    A line is frame, person, x, y, separated by tabs or blanks. The files count ten frames
    between two rows (0.4 s); here that is one.

    Raises:
      errors.InputError: with the first line that cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a file without lines
            table = np.loadtxt(path, np.float64, ndmin=2)
    except (ValueError, UserWarning) as error:
        raise errors.InputError(
            f"{path}: expected lines of four numbers, frame, person, x and y, separated "
            f"by tabs or blanks; found: {short(error, 200)}. Get the file anew."
        ) from error
    if table.shape[1] != 4 or not np.isfinite(table).all() or (table[:, 0] % 10).any():
        raise errors.InputError(
            f"{path}: expected lines of frame, person, x and y, all finite and frames "
            f"multiples of 10; found {table.shape[1]} cells a line or other numbers."
        )
    ids = table[:, :2].astype(np.int64)
    return ids[:, 0] // 10, ids[:, 1], table[:, 2:].astype(np.float32)


def digest(frame, agent, xy) -> str:
    """sha256 of the rows of a recording, sorted by agent and frame."""
    order = np.lexsort((frame, agent))
    ids = np.stack([agent, frame], axis=1)[order].astype("<i4").tobytes()
    return hashlib.sha256(ids + xy[order].astype("<f4").tobytes()).hexdigest()


def read_copy(arrays, agent: str, kinds: tuple[str, ...]) -> Tracks:
    """Tracks of a converted copy whose rows name their file.

    Args:
      arrays: of the copy, by name.
      agent: name of the array that numbers agents.
      kinds: the one kind that all agents are of.
    """
    return sort_tracks(
        Tracks(
            recording=arrays["file_id"],
            agent=arrays[agent],
            frame=arrays["frame"],
            xy=arrays["xy"],
            kind=np.zeros(len(arrays["frame"]), np.int32),
            names=tuple(arrays["file_names"].tolist()),
            kinds=kinds,
            dt=0.4,
            radius=METRES,
        )
    )
