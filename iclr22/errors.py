"""One error for bad input: what was expected, what was found and what to do."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input from outside (a file, a flag, an array) that cannot be worked with."""


def nearest(name: str, options: Iterable[str], what: str) -> InputError:
    """Error for an unknown name; it lists the nearest known names first."""
    options = sorted(options)
    close = difflib.get_close_matches(name, options, n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    return InputError(f"Unknown {what} {name!r}. {hint}Known: {', '.join(options)}.")
