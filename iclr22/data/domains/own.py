"""The user's own domains: samples in one file, the graph of their domains in another."""

import os
from collections.abc import Sequence

import numpy as np
from absl import logging

from iclr22 import errors, graph
from iclr22.data import checks
from iclr22.data.domains import DomainData, hops, own_samples
from iclr22.data.domains.own_links import nearest, read_edges, read_links, sort_names

MOST = 10_000  # domains


def load_own(
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
        number; empty, NA or NaN where unknown) and numbers as features, every other
        column. For regression there may be several outputs, `label_<something>`; a row
        has all of them or none. Or a .npz with `x [n, features]`, `domain [n]` (strings or
        whole numbers), `y [n]` (classes: whole numbers, -1 where unknown, or strings; for
        regression `[n]` or `[n, outputs]`, NaN where unknown) and if wanted `class_names`.
        Images, texts and the like come in as features computed beforehand, say 512 of a
        ResNet, in such a .npz.
      domains: of three kinds. A .csv of edges: `source`, `target` and if wanted `weight`,
        above 0 and at most 1; both directions are meant, of repeated edges the largest
        weight counts, and a domain without neighbours is listed with itself as target. A
        .csv of coordinates: `domain` and columns of numbers, on one scale, or degrees in
        `lat` and `lon`; every domain is linked to the nearest ones, and drawn there if the
        columns are two. A symmetric
        matrix of weights `[N, N]` from 0 (no edge) to 1: .npy, or .npz with `adjacency`;
        its order is that of the names as they sort, or of `names [N]` in the .npz.
      sources: names of the domains whose labels may be used in training; by default all
        that have a label. Labels of other domains are kept in y, for scoring only.
        Samples of sources without a label take part in the alignment alone.
      regression: labels are numbers to predict.
      neighbors: number of nearest domains that each one is linked to by coordinates.

    Raises:
      errors.InputError: what is missing or wrong, and where.
    """
    samples, domains = checks.existing(samples), checks.existing(domains)
    found = own_samples.read(samples, regression)
    names, links = read_links(domains, found.of, neighbors)
    number = {name: i for i, name in enumerate(names)}
    if len(names) > MOST:
        raise errors.InputError(
            f"{domains}: expected at most {MOST:,} domains, their graph is kept as a matrix; "
            f"found {len(names):,}. Join some, or take the column that numbers groups."
        )
    _check_domains(samples, domains, found, number)
    domain = np.array([number[name] for name in found.of], np.int32)
    known = ~np.isnan(found.y[:, 0]) if regression else found.y >= 0
    labelled = np.bincount(domain[known], minlength=len(names)) > 0
    chosen = _choose(samples, sources, number, labelled)
    if not regression:
        _check_classes(samples, found, known & chosen[domain], known)
    _warn(domains, links, chosen, names)
    return DomainData(
        x=found.x,
        y=found.y,
        domain=domain,
        graph=links,
        sources=chosen,
        class_names=found.class_names,
        domain_names=checks.text_array(names),
        feature_names=found.feature_names,
    )


def read_samples(
    path: str | os.PathLike, *, features: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Samples to predict for: features `[n, features]` and names of domains `[n]`.

    Of a file as `load_own` takes it; labels are passed over and not needed.

    Args:
      features: what the columns of a table have to be called; they may come in any order
        and are returned in this one, others are passed over. Empty if they have no names.

    Raises:
      errors.InputError: what is missing or wrong, and where.
    """
    x, of, _ = own_samples.read_unlabelled(checks.existing(path), features)
    return x, checks.text_array(of)


def read_neighbors(path: str | os.PathLike) -> dict[str, dict[str, float]]:
    """Weights of every domain's neighbours, by name, from a table of edges."""
    names, edges = read_edges(checks.existing(path))
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for a, b, w in zip(*graph.links(edges), strict=True):
        found[names[b]][names[a]] = float(w)
    return found


def _check_domains(samples, domains, found, number):
    """The graph and the samples have the same domains."""
    for name, place in zip(found.of, found.where, strict=True):
        if not name or name not in number:
            raise errors.InputError(
                f"{samples}, {place}: expected a domain of {domains}; found "
                f"{checks.shown(name)}. Correct it or add it there. {nearest(name, number)}"
            )
    if empty := sorted(number.keys() - set(found.of)):
        raise errors.InputError(
            f"{domains}: expected domains that have samples; found also "
            f"{checks.few(map(checks.shown, empty))}. Add samples to {samples}, or remove what "
            f"is too much here. {nearest(empty[0], sort_names(found.of))}"
        )


def _choose(path, sources, number, labelled):
    """Source domains, bool `[N]`."""
    names = list(number)
    sources = [sources] if isinstance(sources, str) else [str(name) for name in sources]
    for name in sources:
        if name not in number:
            raise errors.InputError(
                f"sources: expected names of domains; found {checks.shown(name)}. "
                f"{nearest(name, names)}"
            )
        if not labelled[number[name]]:
            raise errors.InputError(
                f"{path}: expected labels in every source domain; found none in "
                f"{checks.short(name)}. "
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


def _check_classes(path, found, usable, known):
    """Sources hold several classes; others that they lack cannot be predicted."""
    classes = np.unique(found.y[usable])
    if len(classes) < 2:
        raise errors.InputError(
            f"{path}: expected labels of at least two classes in source domains; found "
            f"only {checks.short(found.class_names[classes[0]])}. Fill in more, or name more "
            "sources."
        )
    if len(unseen := np.setdiff1d(found.y[known], classes)):
        logging.warning(
            "%s: no source domain has a label of: %s",
            path,
            checks.few(found.class_names[c] for c in unseen),
        )


def _warn(path, links, sources, names):
    """Say where the graph does not relate domains."""
    apart = hops(links, sources) < 0
    islands = hops(links, np.arange(len(names)) == 0) < 0
    if sources.all():
        logging.warning("every domain is a source: there is no target to adapt to")
    if not len(graph.links(links).senders):
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
