"""Published tracks: pedestrians (ETH-UCY, Stanford Drone) and basketball (SportVU).

ETH-UCY is read from its text files, or from the converted copy that is below data_dir.
The others are read from converted copies only; full SportVU logs by `data.read_sportvu`.
"""

import functools
from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors
from iclr22.data import checks, download
from iclr22.data.registry import Dataset, File, Info
from iclr22.data.tracks import Fold, Tracks, files, fold_of, sort_tracks
from iclr22.data.tracks.simulated import synthetic

CARRIER = (
    "https://raw.githubusercontent.com/StanfordASL/Trajectron-plus-plus/"
    "1031c7bd1a444273af378c1ec1dcca907ba59830/experiments/pedestrians/raw/"
)


class Recording(NamedTuple):
    """A text file of ETH-UCY."""

    path: str
    valid: int  # first frame of validation
    size: int | None = None  # bytes
    sha256: str | None = None


ETH_UCY = {
    "biwi_eth": Recording(
        "eth/test/biwi_eth.txt",
        1024,
        116_970,
        "cf8d3fd342a15f409ebc2a1fc76b91a0f06390bd21f1e11410f3859331ab082b",
    ),
    "biwi_hotel": Recording(
        "hotel/test/biwi_hotel.txt",
        1440,
        143_799,
        "9caa771bb9153d6b809dd0916b6f86761b641e6bbb15e766c1de3133fbbb7fcf",
    ),
    "crowds_zara01": Recording(
        "zara1/test/crowds_zara01.txt",
        711,
        205_711,
        "1147a1962a09abfb86f28c6cddcac862e095a0cf129b3016385b69eacdd09d85",
    ),
    "crowds_zara02": Recording(
        "zara2/test/crowds_zara02.txt",
        842,
        392_227,
        "8a649d0f8c9ae75c87c4d23a85f892786b0aa30266e996c7be03e69dafff22ff",
    ),
    "crowds_zara03": Recording("raw/all_data/crowds_zara03.txt", 603),
    "students001": Recording(
        "univ/test/students001.txt",
        355,
        879_714,
        "a6d87f278d94136fe39b8be91555487a29ac77259ae403b9dba2d5c18caf7b5b",
    ),
    "students003": Recording(
        "univ/test/students003.txt",
        432,
        724_279,
        "e25798b660634330aa89f8bb259425de720e84d0873902726c1d1f4ccff21d6c",
    ),
    "uni_examples": Recording("raw/all_data/uni_examples.txt", 594),
}
FILES = {
    name: File(CARRIER + row.path, row.size, row.sha256)
    for name, row in ETH_UCY.items()
}
CONTENT = {  # of the two files whose checksum is not known: sha256 of what was read
    "crowds_zara03": "9fa723f016e0e71bd1a5afac5c61e6ed99a3003e0c224d1bbb09f88f5bc3e72c",
    "uni_examples": "65c09aa2a57e960dfd0b52fe43148695fccf325694f09b0a9d2a56a1314bb0ed",
}
TESTED = {
    "eth": ("biwi_eth",),
    "hotel": ("biwi_hotel",),
    "univ": ("students001", "students003"),
    "zara1": ("crowds_zara01",),
    "zara2": ("crowds_zara02",),
}
COPIES = {
    "eth_ucy": (
        "trajectories/eth_ucy.npz",
        "b0c96ab9e4fe9b0f94a0de25065d0afcc055d3dfba81436f4568d76763479093",
    ),
    "sdd": (
        "trajectories/sdd_trajnet.npz",
        "dfa452eeae7e4830b6e869554d64b614b1ceb152840b513bba261b0375935e8e",
    ),
    "nba": (
        "trajectories/nba_sportvu_2games.npz",
        "0b4262320993aba2ba49751c55eb87380e77d9893a0c8cd69b33c42da4b38dd1",
    ),
}


# ETH-UCY


def load_fold(name: str, data_dir: str | None = None) -> Fold:
    """Leave-one-out fold of ETH-UCY: the recordings of `name` are for testing.

    Of all others, frames before a recording's first frame of validation are for training.
    """
    tracks = load_eth_ucy(data_dir)
    tested = np.isin(tracks.names, TESTED[name])[tracks.recording]
    first = np.array([ETH_UCY[file].valid for file in tracks.names])
    late = tracks.frame >= first[tracks.recording]
    return fold_of(tracks, valid=~tested & late, test=tested)


def load_eth_ucy(data_dir: str | None = None) -> Tracks:
    """All eight recordings: the text files, or a converted copy if that alone is here."""
    here = [download.find(file, "eth_ucy", data_dir) for file in FILES.values()]
    copy = None if all(here) else download.converted(*COPIES["eth_ucy"], data_dir)
    if copy:
        logging.warning("eth_ucy: read from the converted copy %s", copy)
        return files.read_copy(checks.read_npz(copy), "ped_id", ("pedestrian",))
    columns = []
    for number, (name, file) in enumerate(FILES.items()):
        path = download.fetch(file, "eth_ucy", data_dir)
        frame, agent, xy = files.read_eth_ucy(path)
        _check_content(path, name, frame, agent, xy)
        columns.append((np.full(len(frame), number), agent, frame, xy))
    recording, agent, frame, xy = map(np.concatenate, zip(*columns, strict=True))
    return sort_tracks(
        Tracks(
            recording=recording,
            agent=agent,
            frame=frame,
            xy=xy,
            kind=np.zeros(len(frame), np.int32),
            names=tuple(FILES),
            kinds=("pedestrian",),
            dt=0.4,
            radius=files.METRES,
        )
    )


def _check_content(path, name, frame, agent, xy):
    """A file of which no checksum is known is told by what is in it."""
    if name in CONTENT and files.digest(frame, agent, xy) != CONTENT[name]:
        raise errors.InputError(
            f"{path}: expected the recording {name} of ETH-UCY, {FILES[name].url}; found "
            f"other rows, {len(frame)} of them. Remove the file to get it anew, or put "
            f"the right one there."
        )


# Stanford Drone and SportVU


def _copy(name, data_dir):
    """Arrays of a converted copy, which must be here."""
    path = download.converted(*COPIES[name], data_dir)
    if path is None:
        place = download.data_root(data_dir) / COPIES[name][0]
        raise download.DownloadError(
            f"Data set {name} is not downloaded. Put {place.name}, with sha256 "
            f"{COPIES[name][1]}, at {place}, or name a folder that holds it with "
            f"--data_dir or the variable {download.VARIABLE}."
        )
    return checks.read_npz(path)


def load_sdd(data_dir: str | None = None) -> Fold:
    """Stanford Drone in the form of TrajNet; videos `*_3` are for testing, `*_1` to stop."""
    tracks = files.read_copy(_copy("sdd", data_dir), "track_id", ("agent",))
    last = np.array([name[-2:] for name in tracks.names])[tracks.recording]
    return fold_of(tracks, valid=last == "_1", test=last == "_3")


def load_nba(data_dir: str | None = None) -> Fold:
    """Two quarters of basketball, cut into segments of play; every fifth is for testing.

    Agents of a segment are numbered as in the copy: the ball, five home, five guests.
    Frames are 0.52 s apart, positions in feet, and all agents are neighbours.
    """
    arrays = _copy("nba", data_dir)
    segment, players = arrays["seg_id"].astype(np.int64), arrays["xy"].shape[1]
    kinds = ("ball", "home", "guest")
    number = np.array([kinds.index(kind) for kind in arrays["agent_type"].tolist()])
    names = [f"{game:010d}/{i}" for i, game in enumerate(arrays["seg_game"].tolist())]
    tracks = sort_tracks(
        Tracks(
            recording=np.repeat(segment, players),
            agent=np.tile(np.arange(players), len(segment)),
            frame=np.repeat(np.arange(len(segment)), players),
            xy=arrays["xy"].reshape(-1, 2),
            kind=np.tile(number, len(segment)),
            names=tuple(names),
            kinds=kinds,
            dt=0.52,
            radius=files.FEET,
            unit="ft",
            targets=("home", "guest"),
            agents=tuple(tuple(map(str, ids)) for ids in arrays["player_id"].tolist()),
        )
    )
    place = tracks.recording % 5
    return fold_of(tracks, valid=place == 2, test=place == 0)


# Registry

_QUICK = "Generated agents that influence each other stand in for it in quick runs."


def _eth_ucy(name):
    recordings = " and ".join(TESTED[name])
    return Dataset(
        functools.partial(load_fold, name),
        synthetic,
        Info(
            f"Pedestrians seen from above, 8 recordings of ETH and UCY; {recordings} held "
            "out, 2.5 frames a second",
            tuple(FILES.values()),
            "none stated, published for research; the carrier repository is MIT",
            "S. Pellegrini, A. Ess, K. Schindler and L. van Gool (2009). You'll Never Walk "
            "Alone. ICCV. A. Lerner, Y. Chrysanthou and D. Lischinski (2007). Crowds by "
            "Example. Computer Graphics Forum 26(3).",
            notes="biwi_eth was resampled from steps of 6 frames to steps of 10, so its "
            f"speeds are off. {_QUICK}",
        ),
    )


DATASETS = {name: _eth_ucy(name) for name in TESTED} | {
    "sdd": Dataset(
        load_sdd,
        synthetic,
        Info(
            "Pedestrians, cyclists and cars on a campus from a drone: 30 videos, 8,940 "
            "tracks of 20 frames",
            (),
            "CC BY-NC-SA 3.0",
            "A. Robicquet, A. Sadeghian, A. Alahi and S. Savarese (2016). Learning Social "
            "Etiquette. ECCV. TrajNet (2018), arXiv:1905.01631.",
            notes=f"Put {COPIES['sdd'][0]} into data_dir; it is not downloaded. {_QUICK}",
        ),
    ),
    "nba": Dataset(
        load_nba,
        synthetic,
        Info(
            "Basketball players and the ball, first quarters of two games of 2015/16: 34 "
            "segments of play",
            (),
            "none stated, league data for research and education",
            "SportVU logs of stats.nba.com, as in linouk23/NBA-Player-Movements.",
            notes=f"Put {COPIES['nba'][0]} into data_dir; it is not downloaded. 23 minutes "
            f"of play at 0.52 s: not comparable with the paper's numbers. {_QUICK}",
        ),
    ),
}
