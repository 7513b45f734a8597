"""Link prediction for nodes that lost all their edges (section 2.8, table 4)."""

import functools

import jax
import numpy as np

from experiments import run as runner
from experiments.cold_brew.models import (
    Models,
    check_neighbors,
    load,
    make_problem,
    published_name,
    recipe,
)
from iclr22 import plots, progress, record, sparse
from iclr22.cold_brew import artifact as student
from iclr22.cold_brew import link, perceptron, teacher
from iclr22.data import batching

# Table 4, mean reciprocal rank on isolated nodes in percent: GCN, Cold Brew.
PUBLISHED = {
    "cora": (34.10, 44.59),
    "citeseer": (50.41, 55.14),
    "pubmed": (51.52, 54.82),
}
VARIANTS = ("features", "gcn", "teacher", "mlp", "mlp1", "student")
VALIDATION = 0.2  # share of the training pairs that choose


def rank_links(run: runner.Run) -> None:
    """Mean reciprocal rank of hidden edges, each among 20 pairs that are none."""
    found = load(run)
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

    def __init__(self, run: runner.Run, found, seed: int):
        self.run = run
        self.models = Models(run, make_problem(run, found, seed))
        check_neighbors(run, self.models.problem)
        self.problem, self.trainer = self.models.problem, self.models.trainer
        # Scaled rows make dot products so small that the penalty wins: raw ones, none.
        self.x = found.graph.nodes
        self.plain = {"learning_rate": run.settings.link_rate, "weight_decay": 0.0}
        task, rng = self.problem.task, np.random.default_rng(seed)
        settings = run.settings
        ends = task.train if settings.link_nodes == "train" else task.connected
        count = settings.link_pairs
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
        given = PUBLISHED.get(published_name(self.run))
        paper = {"gcn": given[0], "student": given[1]} if given else {}
        return {
            "rows": [
                (
                    variant,
                    self.run.settings.split,
                    self.problem.seed,
                    "isolation/mrr",
                    self.reciprocal_rank(z),
                    paper.get(variant, ""),
                )
                for variant, z in embeddings.items()
            ]
        }

    def reciprocal_rank(self, z) -> float:
        """Of embeddings `[n, e]`, in percent."""
        positive = np.asarray(link.score(z, self.ranking.positives))
        negative = np.asarray(link.score(z, self.ranking.negatives))
        return link.mean_reciprocal_rank(positive, negative)

    def embeddings(self):
        """Of every variant, `[n, e]`."""
        gcn = self.graph_network("link_gcn", "000")["final"]
        taught = self.graph_network("link_teacher", self.models.config.embeddings)
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

    def marked(self, round_) -> dict:
        """Entries of a batch that say which pairs count."""
        return {
            "pairs": self.pairs,
            "linked": self.linked,
            "pair_weight": self.weights[round_].astype(np.float32),
        }

    def graph_network(self, name, embeddings) -> dict:
        """Embeddings of a graph network by round."""
        task = self.problem.task
        config = self.models.config._replace(
            classes=self.run.config.hidden, embeddings=embeddings, objective="link"
        )._replace(**self.plain)
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

    def perceptron(self, name, extra: dict) -> dict:
        """Embeddings of a perceptron trained on the pairs, by round."""
        task, found = self.problem.task, {}
        config = recipe(self.run.settings).mlp2._replace(
            outputs=self.run.config.hidden, objective="link", **self.plain
        )
        marks = teacher.labels(task.labels, np.ones(len(task.labels)))
        nothing = np.zeros((len(task.labels), 0, 0), np.float32)
        for round_ in self.trainer.rounds:
            inputs = {"x": self.x, "extra": extra.get(round_, nothing)}
            batch = lambda r, i=inputs: batching.Whole(marks | i | self.marked(r))  # noqa: E731
            params = self.trainer.train(
                round_,
                name,
                perceptron,
                config,
                config.steps,
                batch(round_),
                batch("valid"),
            )
            found[round_] = student.outputs((config, params), self.x, inputs["extra"])
        return found

    def imitate(self, tables: dict) -> dict:
        """MLP1's guesses by round."""
        task, found = self.problem.task, {}
        config = recipe(self.run.settings).mlp1._replace(
            outputs=self.run.config.hidden, objective="mse", **self.plain
        )
        for round_ in self.trainer.rounds:
            mark = functools.partial(
                teacher.labels, task.labels, target=tables[round_], soft=1.0
            )
            extra = np.zeros((len(task.labels), 0, 0), np.float32)
            inputs = {"x": self.x, "extra": extra}
            params = self.trainer.train(
                round_,
                "link_mlp1",
                perceptron,
                config,
                config.steps,
                batching.Whole(mark(task.known(round_)) | inputs),
                batching.Whole(mark(task.valid) | inputs),
            )
            found[round_] = student.outputs((config, params), self.x)
        return found

    def discover(self, round_, guesses: dict, tables: dict):
        """Extra input of MLP2 for one round."""
        known = self.problem.task.known(round_)
        rows = np.where(known, np.arange(len(known)), -1)
        lookup = recipe(self.run.settings).lookup
        chain = student.Chain(None, None, "logits", lookup, tables[round_])
        return student.look_up(chain, [guesses[round_]], exclude=rows, allowed=known)[1]
