"""The graph of the Cold Brew experiment, and one seed's problem on it."""

from typing import Any, NamedTuple

import jraph
import numpy as np
from absl import logging

from experiments import run as runner
from iclr22 import cold_brew, data, errors, graph
from iclr22.cold_brew import scaling

GROUPS = ("isolation", "tail", "head", "overall")


class Problem(NamedTuple):
    """A graph, who is isolated in it, and one seed's training and test nodes."""

    data: graph.NodeData
    groups: cold_brew.Groups
    judged: dict[str, np.ndarray]  # test nodes by group, bool [n]
    task: cold_brew.Task
    full: jraph.GraphsTuple  # unmodified
    seed: int  # of everything random

    @property
    def unmodified(self) -> cold_brew.Task:
        """The same nodes and labels with all edges."""
        return self.task._replace(graph=self.full)


def load(run: runner.Run) -> graph.NodeData:
    """The graph that was asked for."""
    if run.own:
        options = run.options
        return data.load_own_graph(run.dataset, options.edges, options.directed)
    entry = data.get(run.dataset)
    if run.quick:
        return entry.synthetic(np.random.default_rng(0), 300)
    return entry.load(run.data_dir)


def describe(run: runner.Run, found: graph.NodeData) -> None:
    """Facts of the graph for the report."""
    run.facts["nodes"] = graph.size(found.graph.nodes)
    run.facts["directed edges"] = int(np.sum(found.graph.n_edge))
    kind = scaling.scale_of(found.graph.nodes, run.options.scale).kind
    run.facts["features"] = scaling.SAYS[kind]
    logging.info("features: %s (--scale)", scaling.SAYS[kind])
    run.facts["homophily"] = round(graph.homophily(found.graph, found.labels), 4)


def make_problem(run: runner.Run, found: graph.NodeData, seed: int) -> Problem:
    """Groups by degree, their edges removed; masks of this seed."""
    options = run.options
    if not np.sum(found.graph.n_edge):
        raise errors.InputError("expected a graph with edges; found none")
    groups = cold_brew.split_by_degree(found.graph, options.split)
    name = run.dataset_name if run.published else "the graph"
    index = options.split_index + (seed if options.vary_split else 0)
    split = cold_brew.training_nodes(found, name, index, seed=seed)
    task = cold_brew.task_of(
        found, groups.isolation, split.train, seed=seed, scale=options.scale
    )
    _check_split(split, task, options.models.selection)
    masks = [mask & split.test for mask in groups]
    judged = dict(zip(GROUPS, [*masks, split.test], strict=True))
    for group, mask in judged.items():
        if not mask.any():
            logging.warning("no test node in %s: no such rows", group)
    judged = {group: mask for group, mask in judged.items() if mask.any()}
    return Problem(found, groups, judged, task, found.graph, seed)


def _check_split(split, task, selection):
    """Somebody is left to test on, and to choose on."""
    if not split.test.any():
        raise errors.InputError(
            "expected labelled nodes to test on; found none. Mark some as test, or "
            "leave out the split: 40 % are then drawn."
        )
    if selection == "validation" and not task.valid.any():
        raise errors.InputError(
            "expected training nodes to choose on, so two or more of some class; found "
            f"{np.count_nonzero(split.train)}, all of different classes. Label more, or "
            "use --selection=last."
        )


def check_neighbors(run: runner.Run, problem: Problem) -> None:
    """There are as many nodes as virtual neighbours are looked for.

    Raises:
      errors.InputError: K above the size of the dictionary, before anything is trained.
    """
    models, task = run.options.models, problem.task
    first = "choose" if models.selection == "validation" else "final"
    least, wanted = np.count_nonzero(task.known(first)) - 1, models.lookup.neighbors
    if not 1 <= wanted <= least:
        raise errors.InputError(
            f"expected --lookup.neighbors in 1..{least}, the nodes that may be found "
            f"besides the one itself; found {wanted}"
        )


def accuracies(problem: Problem, scores: Any) -> dict[str, float]:
    """Test accuracy in percent by group, of scores `[n, classes]`."""
    correct = np.argmax(np.asarray(scores), axis=1) == problem.task.labels
    return {
        group: 100 * float(np.mean(correct[mask]))
        for group, mask in problem.judged.items()
    }
