"""The graph of the user's own domains: edges, coordinates or a matrix; their names."""

import difflib
import pathlib
import re

import numpy as np
from absl import logging
from jraph import GraphsTuple

from iclr22 import errors, graph
from iclr22.data import checks

LATITUDE = frozenset(("lat", "latitude"))
LONGITUDE = frozenset(("lon", "lng", "long", "longitude"))
LONG, MANY = 100, 10_000  # names beyond that are not compared


def read_links(path: pathlib.Path, of, neighbors: int) -> tuple[list[str], GraphsTuple]:
    """Names of domains and their graph, from a file of any of the three kinds.

    Args:
      of: names of the domains of samples.
      neighbors: that a domain is linked to by coordinates.
    """
    if path.suffix.lower() in (".npy", ".npz"):
        return _read_matrix(path, of)
    header = checks.read_header(path)
    if {"source", "target"} <= set(header):
        return read_edges(path)
    if "domain" in header:
        return _read_coordinates(path, neighbors, set(of))
    raise errors.InputError(
        f"{path}, line 1: expected a header with source and target (edges), or with domain "
        f"and coordinates, separated by commas; found {checks.few(header) or 'nothing'}. "
        "Name the columns, or give a matrix as .npy."
    )


def read_edges(path) -> tuple[list[str], GraphsTuple]:
    """Names of domains and their graph, from a table of edges."""
    ends, weights, columns = [[], []], [], {}
    for lines, columns in checks.read_table(path, ("source", "target")):
        for names, side in zip(ends, ("source", "target"), strict=True):
            names += checks.strip(columns.pop(side))
        cells = columns.pop("weight", ["1"] * len(lines))
        weight = checks.numbers(path, lines, {"weight": cells})[:, 0]
        bad = ~((weight > 0) & (weight <= 1))
        if bad.any():
            raise errors.InputError(
                f"{path}, line {lines[bad.argmax()]}, column weight: expected a number "
                f"above 0 and at most 1; found {checks.shown(cells[bad.argmax()])}. "
                "Correct it, divide all by the largest, or remove the edge."
            )
        weights.append(weight)
    if columns:
        logging.warning("%s: not read: %s", path, checks.few(columns))
    if not weights:
        raise errors.InputError(
            f"{path}: expected a row for every edge; found none. List a domain without "
            "neighbours with itself as target."
        )
    names = sort_names(ends[0] + ends[1])
    number = {name: i for i, name in enumerate(names)}
    ends = [[number[name] for name in side] for side in ends]
    none = np.zeros((len(names), 0), np.float32)
    return names, graph.build(none, *ends, weights=np.concatenate(weights))


def _read_coordinates(path, neighbors, known):
    """From a table of places: every domain is linked to its nearest ones."""
    found, features = {}, []
    for lines, columns in checks.read_table(path, ("domain",)):
        for line, name in zip(lines, checks.strip(columns.pop("domain")), strict=True):
            if name in found:
                raise errors.InputError(
                    f"{path}, line {line}: expected one row for a domain; found "
                    f"{checks.shown(name)} again. Remove the row or correct it."
                )
            if name not in known:
                near = nearest(name, sort_names(known))
                raise errors.InputError(
                    f"{path}, line {line}: expected domains that have samples; found "
                    f"{checks.shown(name)}. Remove the row or correct it. {near}"
                )
            found[name] = len(found)
        features.append(checks.numbers(path, lines, columns, dtype=np.float64))
    if not found or not features[0].shape[1]:
        raise errors.InputError(
            f"{path}: expected rows with coordinates, columns of numbers besides domain; "
            "found none. Add them."
        )
    if neighbors < 1:
        raise errors.InputError(
            f"expected neighbors of 1 or more; found {neighbors}. Each domain is linked to "
            "that many."
        )
    names = sort_names(found)
    places = np.concatenate(features)[[found[name] for name in names]]
    drawn, places = _placed(path, columns, places)
    return names, graph.build(drawn, *_nearest(places, neighbors))


def _placed(path, columns, places):
    """Where domains are drawn, `[N, 2]` or `[N, 0]`, and the places whose distances count.

    Degrees become places on the unit sphere: a degree of longitude is shorter than one of
    latitude, and 179 is near to -179.
    """
    kinds = {LATITUDE: [], LONGITUDE: []}
    for j, name in enumerate(columns):
        for kind, found in kinds.items():
            if name.lower() in kind:
                found.append(j)
    if all(kinds.values()) and len(columns) == 2:
        degrees = places[:, [kinds[LATITUDE][0], kinds[LONGITUDE][0]]]
        _check_degrees(path, columns, degrees)
        lat, lon = np.radians(degrees.T)
        sphere = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
        logging.info("%s: degrees; domains are linked by distance on the globe", path)
        middle = np.cos(lat.mean())
        drawn = np.stack([degrees[:, 1] * middle, degrees[:, 0]], axis=1)
        return drawn.astype(np.float32), np.stack(sphere, axis=1)
    if all(kinds.values()):
        raise errors.InputError(
            f"{path}, line 1: expected degrees in two columns, lat and lon, and no other "
            f"coordinates; found {checks.few(columns)}. Name or remove columns, or give all "
            "in metres."
        )
    drawn = places if places.shape[1] == 2 else places[:, :0]
    if checks.narrow(drawn).dtype == np.float64:
        drawn = drawn - drawn.mean(axis=0)  # in float32 they would lose their digits
    return drawn.astype(np.float32), places


def _check_degrees(path, columns, degrees):
    wrong = degrees[np.abs(degrees) > (90, 360)]
    if len(wrong):
        raise errors.InputError(
            f"{path}: expected degrees in {checks.few(columns)}, latitudes from -90 to 90; "
            f"found {wrong[0]:g}. Correct it, or rename the columns if they are no degrees."
        )


def _nearest(places, neighbors):
    """Edges `[2, N * neighbors]` from every row to the rows nearest to it."""
    count = min(neighbors, len(places) - 1)
    nearest = np.empty((len(places), count), np.int64)
    for i, place in enumerate(places):
        distance = ((places - place) ** 2).sum(axis=1)
        distance[i] = np.inf
        nearest[i] = np.argsort(distance, kind="stable")[:count]
    return np.repeat(np.arange(len(places)), count), nearest.ravel()


def _read_matrix(path, of):
    """From a matrix of weights."""
    found = _matrix_arrays(path)
    if "adjacency" not in found:
        raise errors.InputError(
            f"{path}: expected the array adjacency [N, N]; found "
            f"{checks.few(found) or 'nothing'}. Rename the matrix."
        )
    names = sort_names(of)
    if "names" in found:
        names = as_names(path, "names", checks.shaped(path, found, "names", "N"))
    n = len(names)
    if found["adjacency"].shape != (n, n) or len(set(names)) < n:
        raise errors.InputError(
            f"{path}: expected a matrix [{n}, {n}] for the domains {checks.few(names)}, all "
            f"different; found {list(found['adjacency'].shape)}. Leave out domains without "
            "samples, or name the rows: names [N] in an .npz file."
        )
    weights = checks.real(path, "adjacency", found["adjacency"])
    bad = (weights < 0) | (weights > 1)
    uneven = ~np.isclose(weights, weights.T, rtol=0, atol=1e-6)
    for wrong, wanted in ((bad, "weights from 0 to 1"), (uneven, "a symmetric matrix")):
        if wrong.any():
            i, j = np.argwhere(wrong)[0]
            raise errors.InputError(
                f"{path}: expected {wanted}; found {weights[i, j]} from {names[i]} to "
                f"{names[j]} and {weights[j, i]} back. Correct it, or scale or symmetrise "
                "the matrix."
            )
    ends = weights.nonzero()
    none = np.zeros((n, 0), np.float32)
    return names, graph.build(none, *ends, weights=weights[ends])


def _matrix_arrays(path):
    """Arrays by name; that of an .npy is called adjacency."""
    if path.suffix.lower() == ".npz":
        return checks.read_npz(path)
    return {"adjacency": checks.read_npy(path)}


# Names


def sort_names(names) -> list[str]:
    """Different names in order; as numbers if all are whole numbers."""
    names = set(names)
    if all(re.fullmatch("[+-]?[0-9]{1,18}", name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def nearest(name: str, known) -> str:
    """The names nearest to an unknown one, or the first of all that are known."""
    known = [other for other in known if len(other) <= LONG]
    close = []
    if len(name) <= LONG and len(known) <= MANY:
        close = difflib.get_close_matches(name, known, checks.FEW, 0.4)
    return f"Nearest: {checks.few(close)}." if close else f"Known: {checks.few(known)}."


def as_names(path, key: str, array) -> list[str]:
    """Strings or whole numbers as a list of strings."""
    return checks.strip(checks.name_array(path, key, array).astype(str).tolist())
