"""The methods: what came of each, its command, who needs it.

python -m experiments
"""

import iclr22
from experiments import paper, verdicts


def lines() -> list[str]:
    """One per method."""
    cells = [_cells(name, about) for name, about in iclr22.index().items()]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            f"{x:{width}s}" for x, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in cells
    ]


def _cells(name: str, about: str) -> tuple[str, ...]:
    if name not in paper.there():
        return name, "to come", "", about
    found = verdicts.verdict(name, paper.results(name))
    return name, found.text, paper.command(name), paper.of(name).NEED


if __name__ == "__main__":
    print("\n".join(lines()))
