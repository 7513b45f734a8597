"""Extension: a core set grown from a pool, against adding at random."""

import numpy as np

from experiments import run as runner
from experiments.diva.features import featurise, ridge_error
from experiments.diva.tasks import Task, flip
from iclr22 import diva
from iclr22.diva import figures

EXTEND_L2 = 4.0  # times what predicts best within the core: the set is going to grow
SIZES = 10  # of the set, from a tenth of the data to all


def extension(run: runner.Run, tasks: list[Task], model: str, kind: str) -> None:
    """Grow a tenth of the data from the rest, which is `noisy` or `clean`."""
    cells = [
        run.cell(
            f"extend-{kind}-{task.seed}",
            lambda t=task: extend_once(run, model, t, kind),
        )
        for task in tasks
    ]
    curves = {name: [cell[name] for cell in cells] for name in ("extend", "uniform")}
    path = run.figure(
        f"extend-{kind}",
        f"Extension of a core set from a {kind} pool ({model}): test error against size; "
        "shading is the range over seeds.",
    )
    figures.curves(
        path,
        cells[0]["sizes"],
        curves,
        xlabel="examples",
        ylabel="test error [%]",
    )


def extend_once(run: runner.Run, model: str, task: Task, kind: str) -> dict:
    """Test errors at ten sizes; the last is the whole pool."""
    rng = np.random.default_rng(1000 + task.seed)
    n = len(task.x)
    core = np.arange(n) < n // SIZES
    share = 0.3 if kind == "noisy" else 0.0
    labels, _ = flip(task.clean, task.classes, share, rng)
    labels = np.where(core, task.clean, labels)
    task = task._replace(y=labels, tag=f"-extend-{kind}")
    features = featurise(run, model, task, run.options.random_features // 4)
    z, targets = features.train, task.targets
    l2 = EXTEND_L2 * diva.choose_l2(z[core], targets[core]).l2
    batch = run.options.extend_batch
    grown = diva.extend(z, targets, core, l2=l2, batch=batch, stop=False)
    inside = np.flatnonzero(core)
    orders = {
        "extend": np.concatenate([inside, grown.order]),
        "uniform": np.concatenate([inside, rng.permutation(np.flatnonzero(~core))]),
    }
    sizes = np.linspace(n // SIZES, n, SIZES).astype(int)
    result, rows = {"sizes": sizes}, []
    for name, order in orders.items():
        found = []
        for size in sizes:
            weights = np.isin(np.arange(n), order[:size]).astype(float)
            found.append(ridge_error(task, features, weights, l2))
            setting = f"{model}/{kind}/size={size}"
            rows.append((name, setting, task.seed, "test/error", found[-1], ""))
        result[name] = np.asarray(found)
    helpful = np.flatnonzero(grown.best_derivative >= 0)
    stop = int(core.sum() + batch * (helpful[0] if len(helpful) else n))
    return result | {"rows": rows, "stop": stop}
