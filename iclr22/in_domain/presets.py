"""How long models are trained, and on images of which size."""

from typing import Any

_READ = "readout.steps"
PRESETS: dict[str, dict[str, Any]] = {  # by names of flags; `tiny` is the defaults
    "tiny": {},
    "small": {
        "scale": "small",
        "batch": 128,
        "steps": 10_000,
        "vae.steps": 20_000,
        "pcl.steps": 20_000,
        _READ: 5_000,
        "image_size": 64,
        "test_size": 20_000,
    },
    "full": {
        "scale": "full",
        "batch": 256,
        "steps": 100_000,
        "schedule": "cosine",
        "vae.steps": 300_000,
        "pcl.steps": 300_000,
        _READ: 20_000,
        "image_size": 64,
        "test_size": 0,
    },
}
