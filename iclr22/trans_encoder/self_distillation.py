"""The baseline without cross-encoders: bi-encoders learn what bi-encoders say."""

from collections.abc import Sequence

import numpy as np

from iclr22.nn.encoders import Encoder
from iclr22.trans_encoder import plans
from iclr22.trans_encoder.distillation import Options, Run
from iclr22.trans_encoder.phases import Phase
from iclr22.trans_encoder.tasks import Task


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
    given = plans.checked(encoders, task, options, given)
    every = plans.students(encoders, task, options.bi.tokens)
    folder = plans.claimed(directory, options, task, seed, given, every)
    run = Run(every, task, options, None, seed, mode)
    done: list[Phase] = []
    for number in range(options.cycles):
        place = folder and folder / f"cycle_{number}"
        now = done[-1].students if done else plans.beginning(encoders, options)
        taught = given if given is not None and not done else run.cosines(now)
        done.append(run.learn_bi(number, taught, done[-1] if done else None, place))
    return done
