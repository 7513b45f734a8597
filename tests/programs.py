"""Compiled programs of the tests: kept for one module, or one stage, then forgotten."""

import ctypes
import gc
import sys

import jax


def forget() -> None:
    """Drop what was compiled, and give its memory back to the system."""
    jax.clear_caches()
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(
            ctypes.CDLL(None), "malloc_trim", None
        )  # of glibc, which keeps it
        if trim:
            trim(0)
