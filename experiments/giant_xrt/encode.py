"""Features of new texts, by a model of an earlier run."""

import pathlib

import numpy as np

from experiments import run as runner
from iclr22 import checkpoint, data, errors, record
from iclr22.data import checks
from iclr22.giant_xrt import artifact, use


def encode(run: runner.Run) -> None:
    """embeddings.npy, a row for each text, and ids.csv."""
    path = pathlib.Path(run.options.model)
    model = artifact.load(path / "model.npz" if path.is_dir() else path)
    new = data.load_node_texts(run.options.texts)
    features = use.encode(model, new.texts)
    out = run.output("embeddings.npy")
    with checkpoint.atomic(out) as temporary, open(temporary, "wb") as file:
        np.save(file, features)
    record.write_columns(run.output("ids.csv"), {"id": new.ids})
    rows = [("giant", "kept model", 0, "encode/texts", float(len(new.ids)), "")]
    run.cell("encode", lambda: {"rows": rows})
    run.summary = (
        f"{len(new.ids):,} features of {features.shape[1]} numbers, from texts alone, one "
        "for each id of ids.csv."
    )


def check(options) -> None:
    """Refuse a use without what it needs.

    Raises:
      errors.InputError: no model or no texts.
    """
    if not options.model:
        raise errors.InputError(
            "--task=encode needs --model=RUN, the folder of an earlier run; found none"
        )
    if not pathlib.Path(options.model).exists():
        raise errors.InputError(f"--model: no such file or folder: {options.model}")
    if not options.texts:
        raise errors.InputError("--task=encode needs --texts=new.csv; found none")
    checks.existing(options.texts, "texts")
