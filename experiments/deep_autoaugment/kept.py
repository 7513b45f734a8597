"""Policies that earlier searches found, by name."""

import pathlib

FOLDER = pathlib.Path(__file__).parent / "policies"


def path_of(policy: str) -> str:
    """The file of a policy: of one in `policies/` if it is so named, else as it is."""
    kept = FOLDER / f"{policy}.json"
    named = policy and pathlib.PurePath(policy).name == policy and kept.exists()
    return str(kept) if named else policy
