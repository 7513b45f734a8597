"""One error for bad input: what was expected, what was found and what to do."""

import difflib
from collections.abc import Iterable

KNOWN = 60  # names that an error lists, at most
LONG = 100  # characters of a name that is compared or listed, at most
MANY = 10_000  # names that are compared, at most


class InputError(ValueError):
    """Input from outside (a file, a flag, an array) that cannot be worked with."""


def nearest(name: str, options: Iterable[str], what: str) -> InputError:
    """Error for an unknown name; it lists the nearest known names first.

    Of many known names, as data have them, some are listed; of long ones a part.
    """
    options = sorted(options)
    name, known = name[:LONG], [option[:LONG] for option in options]
    close = []
    if len(known) <= MANY:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    more = f" and {len(known) - KNOWN} more" if len(known) > KNOWN else ""
    listed = ", ".join(known[:KNOWN]) + more
    return InputError(f"Unknown {what} {name!r}. {hint}Known: {listed}.")
