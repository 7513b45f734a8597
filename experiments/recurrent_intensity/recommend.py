"""What to tell a user about: the items of which most events are expected."""

import jax
import numpy as np

from experiments import run as runner
from experiments.recurrent_intensity.now import now
from iclr22 import record
from iclr22.recurrent_intensity import ranking, requests


def recommend(run: runner.Run) -> None:
    """recommend.csv: for each user the items of which most events are expected."""
    asked = now(run)
    if run.options.users:
        users = requests.find_users(asked.events, run.options.users)
        wanted = np.isin(asked.given.user, users)
        asked = asked._replace(given=requests.select(asked.given, wanted))
    top = min(run.options.top, len(asked.items))
    values, columns = map(
        np.asarray, ranking.top_items(asked.scores(), top, key=jax.random.key(0))
    )
    lines = [
        (asked.events.user_names[user], rank, asked.items[column], f"{v:.6g}")
        for user, value, row in zip(asked.given.user, values, columns, strict=True)
        for rank, (v, column) in enumerate(zip(value, row, strict=True), 1)
        if column >= 0
    ]
    head = ("user", "rank", "item", asked.value)
    record.write_csv(run.output("recommend.csv"), head, lines)
    count = len(asked.given.user)
    run.summary = f"recommend.csv: {top} items for each of {count:,} users."
