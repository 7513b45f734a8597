"""The user's own domains: samples in one file, the graph of their domains in another."""

import difflib
import os
import pathlib
import re
from collections.abc import Sequence

import numpy as np
from absl import logging

from iclr22 import errors, graph
from iclr22.data import checks, images
from iclr22.data.domains import DomainData, hops

ARRAYS = {"x", "y", "domain", "class_names"}
REGRESS = ", or ask for regression"  # advice about labels


def load_own_domains(
    samples: str | os.PathLike,
    domains: str | os.PathLike,
    *,
    sources: Sequence[str | int] = (),
    regression: bool = False,
    neighbors: int = 4,
) -> DomainData:
    """The user's own samples and the graph of their domains.

    Domains are numbered as their names sort, as numbers where all are whole numbers.
    Their sizes may differ. No pickle is ever executed.

    Args:
      samples: a .csv with the columns `domain`, `label` (a class or, for regression, a
        number; empty where unknown) and numbers as features, every other column. For
        regression there may be several outputs, `label_<something>`; a row has all of
        them or none. Or a .npz with `x [n, features]`, `domain [n]` (strings or whole
        numbers), `y [n]` (classes: whole numbers, -1 where unknown, or strings, empty
        where unknown; for regression `[n]` or `[n, outputs]`, NaN where unknown) and if
        wanted `class_names`. Images, texts and the like come in as features computed
        beforehand, say 512 of a ResNet, in such a .npz.
      domains: of three kinds. A .csv of edges: `source`, `target` and if wanted `weight`,
        above 0 and at most 1; both directions are meant, of repeated edges the largest
        weight counts, and a domain without neighbours is listed with itself as target. A
        .csv of coordinates: `domain` and columns of numbers, on one scale; every domain is
        linked to the nearest ones, and drawn there if the columns are two. A symmetric
        matrix of weights `[N, N]` from 0 (no edge) to 1: .npy, or .npz with `adjacency`;
        its order is that of the names as they sort, or of `names [N]` in the .npz.
      sources: names of the domains whose labels may be used in training; by default all
        that have a label. Labels of other domains are kept in y, for scoring only.
        Samples of sources without a label take part in the alignment alone.
      regression: labels are numbers to predict.
      neighbors: number of nearest domains that each one is linked to by coordinates.
    """
    read = _read_arrays if _suffix(samples) == ".npz" else _read_samples
    samples, domains = _file(samples), _file(domains)
    x, y, class_names, of, where = read(samples, regression)
    names, links = _read_graph(domains, of, neighbors)
    number = {name: i for i, name in enumerate(names)}
    _check_domains(samples, domains, of, where, number)
    domain = np.array([number[name] for name in of], np.int32)
    known = ~np.isnan(y[:, 0]) if regression else y >= 0
    labelled = np.bincount(domain[known], minlength=len(names)) > 0
    chosen = _choose(samples, sources, number, labelled)
    if not regression:
        _check_classes(samples, y, known & chosen[domain], known, class_names)
    _warn(domains, links, chosen, names)
    return DomainData(x, y, domain, links, chosen, class_names, np.array(names))


def read_samples(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Samples to predict for: features `[n, features]` and names of domains `[n]`.

    Of a file as `load_own_domains` takes it; labels, which may be empty, are passed over.
    """
    read = _read_arrays if _suffix(path) == ".npz" else _read_samples
    x, _, _, of, _ = read(_file(path), False)
    return x, np.array(of)


def read_neighbors(path: str | os.PathLike) -> dict[str, dict[str, float]]:
    """Weights of every domain's neighbours, by name, from a table of edges."""
    names, links = _read_edges(_file(path))
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for a, b, w in zip(links.senders, links.receivers, links.edges, strict=True):
        found[names[b]][names[a]] = float(w)
    return found


def _suffix(path):
    return pathlib.Path(path).suffix.lower()


def _file(path):
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise errors.InputError(f"{path}: expected a file; found none there. Check it.")
    return path


def _sorted(names):
    """Different names in order; as numbers if all are whole numbers."""
    names = set(names)
    if all(re.fullmatch(r"[+-]?\d+", name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _near(name, known):
    """The names nearest to an unknown one, or the first of all that are known."""
    close = difflib.get_close_matches(name, known, checks.FEW, 0.4)
    return f"Nearest: {', '.join(close)}." if close else f"Known: {checks.few(known)}."


# Samples: x [n, features], y, class names, names of domains and places of rows


def _read_samples(path, regression):
    """From a table."""
    where, of, labels, features = [], [], [], []
    for lines, columns in checks.read_table(path, ("domain",)):
        outputs = _outputs(path, columns, regression)
        where += [f"line {line}" for line in lines]
        of += checks.strip(columns.pop("domain"))
        cells = {name: checks.strip(columns.pop(name)) for name in outputs}
        if regression:
            labels.append(_numbers(path, lines, cells))
        else:
            labels += _checked_text(path, lines, cells["label"])
        if not columns:
            raise errors.InputError(
                f"{path}, line 1: expected features, columns of numbers besides domain and "
                f"{', '.join(outputs)}; found none. Add them."
            )
        features.append(checks.numbers(path, lines, columns))
    if not of:
        raise errors.InputError(
            f"{path}: expected a row for every sample; found none. Add them."
        )
    x = np.concatenate(features)
    if regression:
        return x, np.concatenate(labels), (), of, where
    return x, *checks.classes(path, labels), of, where


def _outputs(path, columns, regression):
    """Names of the columns with labels."""
    found = [name for name in columns if re.fullmatch("label(_.*)?", name)]
    if regression and found:
        return found
    if "label" not in found or regression:
        wanted = "label" + " or label_<something>" * regression
        raise errors.InputError(
            f"{path}, line 1: expected a header with the column {wanted}; found "
            f"{', '.join(columns)}. Add it; its cells are empty where a label is unknown."
        )
    if len(found) > 1:
        raise errors.InputError(
            f"{path}, line 1: expected one column of classes, label; found "
            f"{', '.join(found)}. Several are for regression; rename those that are features."
        )
    return found


def _numbers(path, lines, cells):
    """Outputs `[rows, outputs]` float32, NaN in rows whose cells are all empty."""
    empty = np.array([[not cell for cell in column] for column in cells.values()])
    some = empty.any(axis=0) & ~empty.all(axis=0)
    if some.any():
        raise errors.InputError(
            f"{path}, line {lines[some.argmax()]}: expected all of {', '.join(cells)} or "
            "none; found some empty. Fill them in, or empty them all."
        )
    filled = {name: [cell or "0" for cell in column] for name, column in cells.items()}
    found = checks.numbers(path, lines, filled)
    found[empty.any(axis=0)] = np.nan
    return found


def _checked_text(path, lines, labels):
    """The labels, if none says that it is missing in other words than an empty cell."""
    for line, label in zip(lines, labels, strict=True):
        if re.fullmatch("[+-]?(nan|inf|infinity)", label.lower()):
            raise errors.InputError(
                f"{path}, line {line}, column label: expected a class, or an empty cell "
                f"where it is unknown; found {label!r}. Empty the cell or correct it."
            )
    return labels


def _read_arrays(path, regression):
    """From an .npz file."""
    found = images.read_npz(path)
    if missing := sorted({"x", "y", "domain"} - found.keys()):
        raise errors.InputError(
            f"{path}: expected the arrays x, y and domain; found no "
            f"{' and no '.join(missing)}, but {', '.join(found) or 'nothing'}. Add them."
        )
    if unused := found.keys() - ARRAYS:
        logging.warning("%s: not read: %s", path, ", ".join(sorted(unused)))
    x = checks.real(path, "x", checks.shaped(path, found, "x", "n features"))
    n = len(x)
    if not x.size or not found["y"].size:
        raise errors.InputError(
            f"{path}: expected samples with features in x and labels in y; found shapes "
            f"{list(x.shape)} and {list(found['y'].shape)}. Fill them."
        )
    of = _names(path, "domain", checks.shaped(path, found, "domain", "n", n=n))
    where = [f"sample {i}" for i in range(n)]
    if not regression:
        return x, *checks.class_arrays(path, found, REGRESS, n=n), of, where
    y = found["y"][:, None] if found["y"].ndim == 1 else found["y"]
    y = checks.shaped(path, {"y": y}, "y", "n outputs", n=n)
    missing = np.isnan(y) if y.dtype.kind == "f" else np.zeros(y.shape, bool)
    some = missing.any(axis=1) & ~missing.all(axis=1)
    if some.any():
        raise errors.InputError(
            f"{path}: expected all outputs of a sample in y or none; found NaN for some in "
            f"sample {some.argmax()}. Fill them in, or make them all NaN."
        )
    real = checks.real(path, "y", np.where(missing, 0, y) if missing.any() else y)
    return x, np.where(missing, np.float32(np.nan), real), (), of, where


def _names(path, key, array):
    """Strings or whole numbers as a list of strings."""
    whole = array.dtype.kind == "f" and np.isfinite(array).all()
    if whole and (array == array.round()).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "iuU":
        raise errors.InputError(
            f"{path}: expected strings or whole numbers in {key}; found type "
            f"{array.dtype}. Convert it."
        )
    return checks.strip(array.astype(str).tolist())


# The graph: names and GraphsTuple


def _read_graph(path, of, neighbors):
    """The graph of whichever kind the file is."""
    if _suffix(path) in (".npy", ".npz"):
        return _read_matrix(path, of)
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as stream:
        header = checks.strip(stream.readline().replace('"', "").split(","))
    if {"source", "target"} <= set(header):
        return _read_edges(path)
    if "domain" in header:
        return _read_coordinates(path, neighbors, set(of))
    raise errors.InputError(
        f"{path}, line 1: expected a header with source and target (edges), or with domain "
        f"and coordinates, separated by commas; found {', '.join(header) or 'nothing'}. "
        "Name the columns, or give a matrix as .npy."
    )


def _read_edges(path):
    """From a table of edges."""
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
                f"above 0 and at most 1; found {cells[bad.argmax()]!r}. Correct it, divide "
                "all by the largest, or remove the edge."
            )
        weights.append(weight)
    if columns:
        logging.warning("%s: not read: %s", path, ", ".join(columns))
    if not weights:
        raise errors.InputError(
            f"{path}: expected a row for every edge; found none. List a domain without "
            "neighbours with itself as target."
        )
    names = _sorted(ends[0] + ends[1])
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
                    f"{path}, line {line}: expected one row for a domain; found {name!r} "
                    "again. Remove the row or correct it."
                )
            if name not in known:
                raise errors.InputError(
                    f"{path}, line {line}: expected domains that have samples; found "
                    f"{name!r}. Remove the row or correct it. {_near(name, _sorted(known))}"
                )
            found[name] = len(found)
        features.append(checks.numbers(path, lines, columns))
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
    names = _sorted(found)
    places = np.concatenate(features)[[found[name] for name in names]]
    drawn = places if places.shape[1] == 2 else places[:, :0]
    return names, graph.build(drawn, *_nearest(places, neighbors))


def _nearest(places, neighbors):
    """Edges `[2, N * neighbors]` from every row to the rows nearest to it."""
    count = min(neighbors, len(places) - 1)
    places = places.astype(np.float64)
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
            f"{', '.join(found) or 'nothing'}. Rename the matrix."
        )
    names = _sorted(of)
    if "names" in found:
        names = _names(path, "names", checks.shaped(path, found, "names", "N"))
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
    if _suffix(path) == ".npz":
        return images.read_npz(path)
    try:
        with path.open("rb") as stream:
            return {"adjacency": np.lib.format.read_array(stream, allow_pickle=False)}
    except (ValueError, TypeError, OSError, EOFError) as error:
        raise errors.InputError(
            f"{path}: expected an .npy file as np.save writes it, without Python objects; "
            f"found: {error}"
        ) from error


# Both together


def _check_domains(samples, domains, of, where, number):
    """The graph and the samples have the same domains."""
    for name, place in zip(of, where, strict=True):
        if not name or name not in number:
            raise errors.InputError(
                f"{samples}, {place}: expected a domain of {domains}; found {name!r}. "
                f"Correct it or add it there. {_near(name, number)}"
            )
    if empty := sorted(number.keys() - set(of)):
        raise errors.InputError(
            f"{domains}: expected domains that have samples; found also "
            f"{checks.few(map(repr, empty))}. Add samples to {samples}, or remove what is too "
            f"much here. {_near(empty[0], _sorted(of))}"
        )


def _choose(path, sources, number, labelled):
    """Source domains, bool `[N]`."""
    names = list(number)
    sources = [sources] if isinstance(sources, str) else [str(name) for name in sources]
    for name in sources:
        if name not in number:
            raise errors.InputError(
                f"sources: expected names of domains; found {name!r}. "
                f"{_near(name, names)}"
            )
        if not labelled[number[name]]:
            raise errors.InputError(
                f"{path}: expected labels in every source domain; found none in {name}. "
                "Fill some in, or take it out of sources."
            )
    if not labelled.any():
        raise errors.InputError(
            f"{path}: expected labels in at least one domain, a source; found none. Fill "
            "some in."
        )
    if not sources:
        return labelled
    return np.isin(np.arange(len(names)), [number[name] for name in sources])


def _check_classes(path, y, usable, known, class_names):
    """Sources hold several classes; others that they lack cannot be predicted."""
    classes = np.unique(y[usable])
    if len(classes) < 2:
        raise errors.InputError(
            f"{path}: expected labels of at least two classes in source domains; found "
            f"only {class_names[classes[0]]}. Fill in more, or name more sources."
        )
    if len(unseen := np.setdiff1d(y[known], classes)):
        logging.warning(
            "%s: no source domain has a label of: %s",
            path,
            checks.few(class_names[c] for c in unseen),
        )


def _warn(path, links, sources, names):
    """Say where the graph does not relate domains."""
    apart = hops(links, sources) < 0
    islands = hops(links, np.arange(len(names)) == 0) < 0
    if sources.all():
        logging.warning("every domain is a source: there is no target to adapt to")
    if not len(links.senders):
        logging.warning(
            "%s: no domains are linked, so nothing is to be aligned: GRDA then reduces to "
            "training on the sources alone",
            path,
        )
    elif apart.any():
        far = checks.few(
            name for name, is_far in zip(names, apart, strict=True) if is_far
        )
        logging.warning("%s: no path to a source from: %s", path, far)
    elif islands.any():
        far = checks.few(
            name for name, is_far in zip(names, islands, strict=True) if is_far
        )
        logging.warning("%s: not connected with %s: %s", path, names[0], far)
