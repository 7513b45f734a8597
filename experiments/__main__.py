"""The ten methods: what each is for, what came of it, and its command.

python -m experiments
"""

import iclr22
from experiments import paper, verdicts


def lines() -> list[str]:
    """One per method."""
    there = paper.there()
    return [
        _line(name) if name in there else f"{name}: {about} (to come)"
        for name, about in iclr22.METHODS.items()
    ]


def _line(name: str) -> str:
    found = verdicts.verdict(name, paper.results(name))
    return (
        f"{name}: {paper.of(name).NEED} {found.text.capitalize()}: {found.reason}. "
        f"{paper.command(name)}"
    )


if __name__ == "__main__":
    print("\n".join(lines()))
