"""Published panels of time series, and generated ones under a name."""

import functools
import importlib.resources

import numpy as np

from iclr22.data import checks, download
from iclr22.data.registry import Dataset, File, Info
from iclr22.data.series import Panel, files, simulated
from iclr22.data.series.calendar import Step

M4 = "https://raw.githubusercontent.com/Mcompetitions/M4-methods/"
M4_HOURLY = File(
    M4 + "6c1067e5a57161249b17289a565178dc7a3fb3ca/Dataset/Train/Hourly-train.csv",
    2_347_115,
    "ea59b7783573c49077a835ab6465c7d66f1474783360f310988a9a737fbca62f",
)
COPY = (  # the same values in this project's own format
    "timeseries/m4_hourly.npz",
    "b6887a6bfb285b42553c4f8ff98a3f5524ae96cf1daa245a247752c769435a77",
)
CLIMATE_START = np.datetime64("1950-01-01", "s")
PUBLISHED_HERE = "this project, generated"


def load_m4_hourly(data_dir: str | None = None) -> Panel:
    """The 414 hourly series of the M4 competition, its training part; dates are not
    known."""
    found = download.find(M4_HOURLY, "m4_hourly", data_dir)
    copy = None if found else download.converted(*COPY, data_dir)
    if not copy:
        found = found or download.fetch(M4_HOURLY, "m4_hourly", data_dir)
        return files.read_m4(found, Step(1, "h"))
    with np.load(copy, allow_pickle=False) as arrays:
        ends = arrays["train_offsets"][1:-1]
        values = np.split(arrays["train_values"].astype(np.float64), ends)
        ids = arrays["ids"].tolist()
    return Panel(
        values=tuple(values),
        start=np.full(len(ids), files.NO_DATE),
        step=Step(1, "h"),
        ids=tuple(ids),
        static=np.zeros((len(ids), 0), np.float32),
    )


def load_climate(data_dir: str | None = None) -> Panel:
    """Mean temperature of 48 states of the USA in every month from 1950 to 2019, in degrees
    Fahrenheit, with where the states lie (0 to 1); comes with the package."""
    del data_dir
    folder = importlib.resources.files("iclr22.data") / "files"
    arrays = checks.read_npz(folder / "climate.npz")
    names = arrays["states"].tolist()
    lines, table = [], {"state": [], "lon": [], "lat": []}
    for some, columns in checks.read_table(folder / "us48_states.csv", tuple(table)):
        lines += some
        for name, cells in table.items():
            cells += columns[name]
    places = {name: table[name] for name in ("lon", "lat")}
    places = checks.numbers("us48_states.csv", lines, places)
    return Panel(
        values=tuple(arrays["temperature"].T / 10.0),  # kept in tenths
        start=np.full(len(names), CLIMATE_START),
        step=Step(1, "M"),
        ids=tuple(names),
        static=places[[table["state"].index(name) for name in names]],
        static_names=("lon", "lat"),
    )


def _generated(draw, data_dir: str | None = None) -> Panel:
    del data_dir
    return draw()


def _dataset(draw, description) -> Dataset:
    info = Info(description, (), "Apache-2.0", PUBLISHED_HERE)
    return Dataset(functools.partial(_generated, draw), simulated.synthetic, info)


DATASETS = {
    "m4_hourly": Dataset(
        load_m4_hourly,
        simulated.synthetic,
        Info(
            "414 hourly series of 700 or 960 values, the M4 competition",
            (M4_HOURLY,),
            "none stated; made public for research by the organisers",
            "S. Makridakis, E. Spiliotis, V. Assimakopoulos (2020). The M4 Competition. "
            "International Journal of Forecasting 36(1), 54-74.",
            notes="dates are not known: all series begin on 1 January 1950",
        ),
    ),
    "climate": Dataset(
        load_climate,
        simulated.synthetic_seasons,
        Info(
            "monthly mean temperature of 48 states of the USA, 1950 to 2019; comes with the "
            "package",
            (),
            "public domain (NOAA)",
            "R. S. Vose et al. (2014). NOAA Monthly U.S. Climate Divisional Database "
            "(nClimDiv). https://doi.org/10.7289/V5M32STR",
        ),
    ),
    "loads": _dataset(
        simulated.loads, "12 generated hourly loads with daily and weekly cycles"
    ),
    "sine": _dataset(simulated.sines, "20 generated sines of a period of 24 hours"),
}
