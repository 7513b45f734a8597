"""Where a number comes from: the device and the commit."""

import os
import pathlib
import subprocess

import jax


def device() -> str:
    """What this process computes on, in words."""
    first = jax.devices()[0]
    kind = first.device_kind if first.platform != "cpu" else f"{os.cpu_count()} cores"
    return f"{jax.device_count()} x {first.platform} ({kind})"


def commit() -> str:
    """Commit of the checkout, with a plus if it has changes; empty outside one."""
    root = pathlib.Path(__file__).parent

    def git(*arguments):
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "--short", "HEAD")
        return head + ("+" if head and git("status", "--porcelain") else "")
    except OSError:
        return ""
