"""Features are learned, measured by classifiers and by links, and written."""

import functools

import numpy as np
from absl import logging

from experiments import run as runner
from experiments.giant_xrt import outputs, paper, problem
from experiments.giant_xrt.problem import BAG, Problem
from iclr22 import graph, loop, progress
from iclr22.giant_xrt import artifact, encoding, pipeline, plan, reduced, tree, use
from iclr22.giant_xrt.downstream import splits

WITHOUT = ("frozen", "tfidf", "two_hop")  # of a graph, but for two_hop
VARIANTS = (*pipeline.VARIANTS, *WITHOUT)
REFERENCE = "frozen"  # what others are compared with, on the same splits


def fit(run: runner.Run) -> None:
    """All variants of every seed."""
    first = problem.load(run, run.seeds[0])
    problem.describe(run, first)
    models = planned(run, first)
    run.trains(configurations(run, first, models))
    for seed in progress.track(run.seeds, "seeds"):
        of = Measured(run, models, first if seed == run.seeds[0] else None, seed)
        for variant in run.options.variant:
            run.cell(f"{variant}-{seed}", functools.partial(of.measure, variant))
        run.cell(f"gaps-{seed}", functools.partial(gaps, run, seed))
        loop.forget()
    kept = {x: run.cell(f"{x}-{run.seeds[0]}", dict) for x in run.options.variant}
    outputs.draw(run, kept)
    if "giant" in run.options.variant:
        model = artifact.load(_path(run, run.seeds[0]))
        features = kept["giant"]["features"]
        outputs.write(run, first, model, features)
    run.summary = outputs.conclusions(run)


def planned(run: runner.Run, found: Problem) -> pipeline.Options:
    """Options of training, whose rounds fit into --minutes; what is planned is told."""
    models, options = run.options.models, run.options
    if not {*options.variant} & {*pipeline.TREES}:
        return models
    shape = models.tree.leaf, models.tree.splits, models.tree.least
    sizes = tree.sizes_of(len(found.seen.texts), *shape)
    config = models.matcher._replace(encoder=found.encoder.config)
    if options.minutes:
        rounds = plan.within(options.minutes, sizes, config, models.rounds)
        models = models._replace(rounds=rounds)
    degrees = graph.degrees(found.seen.nodes.graph).astype(np.int64)
    learned = degrees[(degrees > 0) & (degrees < models.tree.hubs)]
    lines = plan.table(plan.make(sizes, learned, config, models.rounds))
    for line in lines.splitlines():
        logging.info("%s", line)
    run.facts["plan"] = lines.splitlines()[-1]
    return models


def configurations(run: runner.Run, found: Problem, options: pipeline.Options) -> dict:
    """What is trained, by variant and round."""
    told = {}
    for variant in run.options.variant:
        if variant in pipeline.VARIANTS:
            chosen = options._replace(variant=variant)
            told |= pipeline.planned(found.seen, found.encoder, chosen)
    return told


def _path(run: runner.Run, seed: int):
    return run.path("models") / f"giant-{seed}.npz"


def shown(run: runner.Run, variant: str) -> str:
    """A variant as rows have it: a bag as it begins has learned nothing from anything."""
    bag = run.options.encoder == BAG and variant == REFERENCE
    return "untrained" if bag else variant


class Measured:
    """Variants of one seed, on one graph."""

    def __init__(self, run: runner.Run, models, found: Problem | None, seed: int):
        self.run, self.models, self.seed, self._found = run, models, seed, found

    @functools.cached_property
    def found(self) -> Problem:
        """The graph; read only where something is computed."""
        return self._found or problem.load(self.run, self.seed)

    def measure(self, variant: str) -> dict:
        """Features of all nodes, and rows of what they are good for."""
        features, rounds = self.features(variant)
        rows, accuracies = self.classified(variant, features)
        if variant != "two_hop":
            rows += self.ranked(shown(self.run, variant), features)
        if variant == "giant" and self.found.held.shape[1]:
            rows += self.ranked("both", use.together(features, self.before))
        return {
            "rows": rows,
            "accuracies": accuracies,
            "rounds": rounds,
            "features": features if self.seed == self.run.seeds[0] else np.zeros(0),
        }

    def features(self, variant: str):
        """`(features [n, h] of all nodes of the whole graph, rounds)`."""
        found, run = self.found, self.run
        texts = found.whole.texts
        if variant == "tfidf":
            return reduced.components(texts, seed=self.seed), []
        if variant in WITHOUT:
            return self.before, []
        fitted = pipeline.train(
            found.seen,
            found.encoder,
            self.models._replace(variant=variant),
            directory=run.path("training") / str(self.seed) / variant,
            seed=self.seed,
            mode=run.mode,
        )
        if variant == "giant" and fitted.model:
            path = _path(run, self.seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            artifact.save(path, fitted.model)
        features = fitted.features
        if len(found.hidden):
            features = encoding.embed(fitted.encoder, texts)
        return features, fitted.rounds

    def classified(self, variant: str, features):
        """Rows of classifiers on all splits; accuracies `[splits]` by setting."""
        found, rows, kept = self.found, [], {}
        links, labels = self._links(), found.whole.nodes.labels
        for kind, masks in found.kinds.items():
            for model in self.run.options.downstream:
                asked = model
                if variant == "two_hop":
                    if model != "mlp":
                        continue
                    asked = "two_hop"
                got = splits.run(asked, links, features, labels, masks, seed=self.seed)
                setting = self.setting(kind, model)
                kept[setting] = got.test.tolist()
                rows += self._rows(variant, setting, model, got)
        return rows, kept

    def _links(self):
        """What classifiers see: hidden nodes have no links; held-out links are not there."""
        found = self.found
        links, n = graph.links(found.seen.nodes.graph), len(found.whole.texts)
        return graph.build(
            np.zeros((n, 0), np.float32),
            found.rows[links.senders],
            found.rows[links.receivers],
            weights=links.weights,
            directed=True,
        )

    def _rows(self, variant: str, setting: str, model: str, got) -> list[tuple]:
        run, name = self.run, shown(self.run, variant)
        values = {
            "test/accuracy": got.test.mean(),
            "isolation/accuracy": np.nanmean(got.isolated)
            if np.isfinite(got.isolated).any()
            else np.nan,
        }
        return [
            (
                name,
                setting,
                self.seed,
                metric,
                float(value),
                paper.published(run.dataset_name, name, metric, model),
            )
            for metric, value in values.items()
            if np.isfinite(value)
        ]

    def setting(self, kind: str, model: str) -> str:
        """Splits and downstream model, as a line of a table says it."""
        hidden, config = self.run.options.hide, self.found.encoder.config
        told = f"{kind}, {model}"
        if config.kind == "bert":
            told += f", {self.encoder}"
        return f"{told}, {100 * hidden:g} % hidden" if hidden else told

    @functools.cached_property
    def before(self) -> np.ndarray:
        """Features `[n, h]` of the encoder as it begins."""
        return encoding.embed(self.found.encoder, self.found.whole.texts)

    def ranked(self, name: str, features) -> list[tuple]:
        """A row of the rank of links that were held out."""
        found = self.found
        if not found.held.shape[1]:
            return []
        links = graph.links(found.seen.nodes.graph)
        edges = np.stack([found.rows[links.senders], found.rows[links.receivers]])
        held = outputs.some(found.held, self.seed)
        value = use.mean_reciprocal_rank(features, edges, held)
        logging.info("%s: links/mrr %.2f", name, value)
        return [(name, self.encoder, self.seed, "links/mrr", value, "")]

    @property
    def encoder(self) -> str:
        """The encoder as a line of a table says it."""
        config = self.found.encoder.config
        if config.kind == "bag":
            return f"bag of {config.width}"
        return f"{config.bert.layers}x{config.bert.width}, {config.pooling}"


def gaps(run: runner.Run, seed: int) -> dict:
    """Rows of differences from the encoder as it was, over the splits that both share."""
    rows, cells = [], {}
    for variant in run.options.variant:
        cells[variant] = run.cell(f"{variant}-{seed}", dict)["accuracies"]
    for variant, found in cells.items():
        for setting, values in found.items():
            reference = cells.get(REFERENCE, {}).get(setting)
            if variant == REFERENCE or reference is None:
                continue
            gap = splits.paired(values, reference)
            key = variant, setting, seed
            rows.append((*key, "gap/accuracy", gap.mean, ""))
            rows.append((*key, "gap/positive", gap.positive, ""))
    return {"rows": rows}
