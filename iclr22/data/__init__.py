"""Data sets by name, files that are fetched and checked, and the user's own data.

    splits = data.get("digits").load(data_dir)       # {"train": {"x": ..., "y": ...}}
    splits, class_names = data.from_file("mine.npz")
    found = data.get("cora").load(data_dir)          # graph.NodeData
    found = data.load_own_graph("nodes.csv", "edges.csv")
    found = data.get("dg15").load(data_dir)          # data.DomainData
    found = data.load_own_domains("samples.csv", "domains.csv")
    found = data.get("simulated").load(data_dir)     # data.Events
    found = data.load_own_events("events.csv")
    fold = data.get("zara1").load(data_dir)          # data.Fold of data.Tracks
    found = data.load_own_tracks("tracks.csv")
    found = data.load_own_series("series.csv")       # data.Panel
    found = data.load_own_pairs("pairs.csv")         # data.Pairs
    found = data.load_own_text_graph("nodes.jsonl", "edges.csv")  # data.TextGraph
    found = data.get("mini_dsprites").load(data_dir)  # data.FactorImages
    found = data.load_own_factors("images/", "factors.csv")

Each kind of data is a package: its `__init__.py` says what such data are, `published.py`
holds the published sets, `files.py` reads their files, `own.py` the user's own data
(`load_own`), `simulated.py` draws some. A module joins the registry by defining `DATASETS`.
"""

from iclr22.data.domains import DomainData
from iclr22.data.domains.own import load_own as load_own_domains
from iclr22.data.domains.simulated import generate_domains
from iclr22.data.download import DownloadError, converted, data_root, fetch, find
from iclr22.data.events import Events, second_half, select_events, sort_events
from iclr22.data.events.files import read_ratings, read_yoochoose
from iclr22.data.events.own import load_own as load_own_events
from iclr22.data.events.simulated import simulate_events
from iclr22.data.factors import FactorImages
from iclr22.data.factors.own import load_own as load_own_factors
from iclr22.data.graphs.own import load_own as load_own_graph
from iclr22.data.graphs.simulated import degree_corrected_sbm
from iclr22.data.images import Splits
from iclr22.data.images.own import load_own as from_file
from iclr22.data.registry import Dataset, File, Info, datasets, get, names
from iclr22.data.series import Panel
from iclr22.data.series.own import load_own as load_own_series
from iclr22.data.series.writing import write_own as write_own_series
from iclr22.data.text_graphs import TextGraph
from iclr22.data.text_graphs.own import load_own as load_own_text_graph
from iclr22.data.text_graphs.own import load_texts as load_node_texts
from iclr22.data.texts import Pairs
from iclr22.data.texts.own import load_own as load_own_pairs
from iclr22.data.texts.own import load_sentences as load_own_sentences
from iclr22.data.texts.published import load_pool
from iclr22.data.texts.simulated import generate as generate_pairs
from iclr22.data.texts.wordnet import load_folder as load_wordnet
from iclr22.data.tracks import (
    Fold,
    Tracks,
    check_tracks,
    select_tracks,
    sort_tracks,
    split_tracks,
)
from iclr22.data.tracks.files import read_eth_ucy
from iclr22.data.tracks.own import load_own as load_own_tracks
from iclr22.data.tracks.published import load_eth_ucy
from iclr22.data.tracks.simulated import simulate_tracks
from iclr22.data.tracks.sportvu import load_sportvu, read_sportvu
