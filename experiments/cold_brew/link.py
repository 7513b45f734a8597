"""Link prediction for nodes that lost all their edges (section 2.8, table 4)."""

import functools
from typing import Any

import jax
import numpy as np

from experiments import run as runner
from experiments.cold_brew import paper
from experiments.cold_brew.models import Models
from experiments.cold_brew.problem import check_neighbors, load, make_problem
from iclr22 import graph, plots, progress, record, sparse
from iclr22.cold_brew import artifact, link, perceptron, teacher
from iclr22.data import batching

VARIANTS = ("features", "gcn", "teacher", "mlp", "mlp1", "student")
VALIDATION = 0.2  # share of the training pairs that choose


def configurations(options) -> dict[str, Any]:
    """What is trained, by name: embeddings as wide as the teacher's hidden layers."""
    models, rate = options.models, options.link_rate
    # Scaled rows make dot products so small that the penalty wins: raw ones, none.
    network = models.teacher._replace(
        classes=models.teacher.hidden,
        objective="link",
        learning_rate=rate,
        weight_decay=0.0,
    )
    mlp = models.student._replace(
        outputs=models.teacher.hidden,
        objective="link",
        learning_rate=rate,
        weight_decay=0.0,
    )
    return {
        "link_gcn": network._replace(embeddings="000"),
        "link_teacher": network,
        "link_mlp": mlp,
        "link_mlp1": mlp._replace(objective="mse"),
        "link_student": mlp._replace(scale_extra=models.scale_extra),
    }


def rank_links(run: runner.Run) -> None:
    """Mean reciprocal rank of hidden edges, each among 20 pairs that are none."""
    found = load(run)
    check_neighbors(run, make_problem(run, found, run.seeds[0]))
    run.trains(configurations(run.options))
    for seed in progress.track(run.seeds, "seeds"):
        run.cell(f"link-{seed}", lambda s=seed: Linker(run, found, s).rows())
    path = run.figure("link", "Mean reciprocal rank of hidden edges, and the paper's.")
    plots.dots(path, record.summarise(run.rows), ("isolation/mrr",))
    means = {s.variant: s.mean for s in record.summarise(run.rows)}
    run.summary = (
        "Mean reciprocal rank of hidden edges of isolated nodes: "
        + ", ".join(f"{name} {value:.1f}" for name, value in means.items())
    )


class Linker:
    """One seed: pairs to train on, pairs to rank, models in between."""

    def __init__(self, run: runner.Run, found: graph.NodeData, seed: int):
        self.run = run
        self.problem = make_problem(run, found, seed)
        self.trainer = Models(run, self.problem).trainer
        scale = self.problem.task.scale
        self.x: Any = found.graph.nodes  # rows are not scaled here
        if scale.kind == "columns":
            self.x = scale(self.x)
        task, rng, options = (
            self.problem.task,
            np.random.default_rng(seed),
            run.options,
        )
        ends = task.train if options.link_nodes == "train" else task.connected
        count = options.link_pairs
        links = link.sample_links(task.graph, ends, count, count, rng=rng)
        pairs = np.concatenate(links)
        order = rng.permutation(len(pairs))
        self.pairs = pairs[order]
        self.linked = (order < len(links.positives)).astype(np.float32)
        chooses = np.arange(len(pairs)) < VALIDATION * len(pairs)
        everyone = np.ones(len(pairs), bool)
        self.weights = {"choose": ~chooses, "final": everyone, "valid": chooses}
        self.ranking = link.sample_test_links(
            self.problem.full,
            self.problem.judged["overall"],
            rng=rng,
            training=task.graph,
        )

    def rows(self) -> dict:
        """One row per variant."""
        embeddings = dict(zip(VARIANTS, self.embeddings(), strict=True))
        return {
            "rows": [
                (
                    variant,
                    self.run.options.split,
                    self.problem.seed,
                    "isolation/mrr",
                    self.reciprocal_rank(z),
                    paper.MRR.get((self.run.dataset_name, variant), ""),
                )
                for variant, z in embeddings.items()
            ]
        }

    def reciprocal_rank(self, z) -> float:
        """Of embeddings `[n, e]`, in percent."""
        positive = np.asarray(link.score(z, self.ranking.positives))
        negative = np.asarray(link.score(z, self.ranking.negatives))
        return link.mean_reciprocal_rank(positive, negative)

    def embeddings(self) -> tuple[np.ndarray, ...]:
        """Of every variant, `[n, e]`."""
        gcn = self.graph_network("link_gcn")["final"]
        taught = self.graph_network("link_teacher")
        mlp = self.perceptron("link_mlp", {})["final"]
        guesses = self.imitate(taught)
        extra = {round_: self.discover(round_, guesses, taught) for round_ in taught}
        own = self.perceptron("link_student", extra)["final"]
        return self.cosine(), gcn, taught["final"], mlp, guesses["final"], own

    def cosine(self) -> np.ndarray:
        """Features scaled to length 1: what no training at all would do."""
        x = self.x
        x = sparse.to_dense(x) if isinstance(x, sparse.Sparse) else x
        return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)

    def marked(self, round_: str) -> dict:
        """Entries of a batch that say which pairs count."""
        return {
            "pairs": self.pairs,
            "linked": self.linked,
            "pair_weight": self.weights[round_].astype(np.float32),
        }

    def graph_network(self, name: str) -> dict[str, np.ndarray]:
        """Embeddings of a graph network by round."""
        task, config = self.problem.task, self.run.trained[name]
        whole = task.graph._replace(nodes=self.x)
        prepared = teacher.prepare(
            config, whole, devices=jax.device_count(), normalise=False
        )
        prepared |= teacher.labels(task.labels, np.ones(len(task.labels)))

        def batch(round_):
            marked = prepared | self.marked(round_)
            return batching.Whole(marked, teacher.axes(marked))

        found = {}
        for round_ in self.trainer.rounds:
            params = self.trainer.train(
                round_,
                name,
                teacher,
                config,
                config.epochs,
                batch(round_),
                batch("valid"),
            )
            found[round_] = np.asarray(teacher.apply(config, params, prepared))
        return found

    def perceptron(self, name: str, extra: dict) -> dict[str, np.ndarray]:
        """Embeddings of a perceptron trained on the pairs, by round."""
        task, config, found = self.problem.task, self.run.trained[name], {}
        marks = teacher.labels(task.labels, np.ones(len(task.labels)))
        nothing = np.zeros((len(task.labels), 0, 0), np.float32)
        for round_ in self.trainer.rounds:
            inputs = {"x": self.x, "extra": extra.get(round_, nothing)}
            params = self.trainer.train(
                round_,
                name,
                perceptron,
                config,
                config.steps,
                batching.Whole(marks | inputs | self.marked(round_)),
                batching.Whole(marks | inputs | self.marked("valid")),
            )
            found[round_] = artifact.outputs((config, params), self.x, inputs["extra"])
        return found

    def imitate(self, tables: dict) -> dict[str, np.ndarray]:
        """MLP1's guesses by round."""
        task, config, found = self.problem.task, self.run.trained["link_mlp1"], {}
        extra = np.zeros((len(task.labels), 0, 0), np.float32)
        inputs = {"x": self.x, "extra": extra}
        for round_ in self.trainer.rounds:
            mark = functools.partial(
                teacher.labels, task.labels, target=tables[round_], soft=1.0
            )
            params = self.trainer.train(
                round_,
                "link_mlp1",
                perceptron,
                config,
                config.steps,
                batching.Whole(mark(task.known(round_)) | inputs),
                batching.Whole(mark(task.valid) | inputs),
            )
            found[round_] = artifact.outputs((config, params), self.x)
        return found

    def discover(self, round_: str, guesses: dict, tables: dict) -> np.ndarray:
        """Extra input of MLP2 for one round."""
        known = self.problem.task.known(round_)
        rows = np.where(known, np.arange(len(known)), -1)
        return artifact.look_up(
            self.run.options.models.lookup,
            tables[round_],
            [guesses[round_]],
            exclude=rows,
            allowed=known,
        )[1]
