"""Generated agents (first version)."""

import numpy as np

from iclr22.data.tracks import Fold, Tracks, sort_tracks, split_tracks


def synthetic(rng: np.random.Generator, size: int) -> Fold:
    """About `size` windows of agents that follow each other."""
    scenes, n, t = max(6, size // 20), 4, 26
    head = rng.uniform(0, 6.28, (scenes, n, 1)) + 0.3 * rng.standard_normal(
        (scenes, n, t)
    ).cumsum(-1)
    xy = 0.5 * np.stack([np.cos(head), np.sin(head)], -1).cumsum(2)
    xy += rng.uniform(-2, 2, (scenes, n, 1, 2))
    ids = np.indices((scenes, n, t)).reshape(3, -1)
    tracks = Tracks(
        *ids,
        xy.reshape(-1, 2),
        0 * ids[0],
        tuple(f"scene {i}" for i in range(scenes)),
        ("agent",),
        0.4,
        1000.0,
    )
    return split_tracks(sort_tracks(tracks))
