"""The baseline without cross-encoders: bi-encoders learn what bi-encoders say."""

from collections.abc import Sequence

import numpy as np

from iclr22.trans_encoder.distillation import (
    Options,
    Run,
    beginning,
    claimed,
    students,
)
from iclr22.trans_encoder.phases import Phase
from iclr22.trans_encoder.tasks import Encoder, Task


def self_distil(
    encoders: Sequence[Encoder],
    task: Task,
    options: Options | None = None,
    *,
    given: np.ndarray | None = None,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> list[Phase]:
    """The baseline without cross-encoders: in each cycle fresh bi-encoders learn the labels
    of bi-encoders (section 5 of the paper, standard self-distillation).

    Args and errors as of `distil`.
    """
    options = Options() if options is None else options
    every = students(encoders, task, options.bi.tokens)
    folder = claimed(directory, options, task, seed, given, encoders)
    run = Run(every, task, options, None, seed, mode)
    done, before, taught = [], None, given
    now = beginning(encoders, options)
    for number in range(options.cycles):
        place = folder and folder / f"cycle_{number}"
        taught = run.cosines(now) if taught is None else taught
        done.append(run.learn_bi(number, taught, before, place))
        now, taught = done[-1].students, None
        before = [x.params for x in now]
    return done
