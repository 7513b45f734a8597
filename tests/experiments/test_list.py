"""`python -m experiments`: the ten methods, at once."""

import json

import helpers

import iclr22
from experiments import __main__ as listing
from experiments import paper

HEAVY = ("flax", "optax", "matplotlib", "scipy.stats", "iclr22.data", "iclr22.loop")
ASK = f"""
import json, sys
from experiments import __main__ as listing
lines = listing.lines()
print(json.dumps([x for x in {HEAVY} if x in sys.modules]))
"""


def test_a_line_for_each_of_the_ten_methods():
    lines = listing.lines()
    assert [line.split()[0] for line in lines] == list(iclr22.METHODS)
    assert len(lines) == 10 and not any("\n" in line for line in lines)
    verdicts = ("holds", "holds partly", "does not hold")
    for name, line in zip(iclr22.METHODS, lines, strict=True):
        if name in paper.there():
            command = f"  python -m experiments.{name}  "
            verdict, need = line.removeprefix(name).split(command)
            assert verdict.strip() in verdicts and need.strip() == paper.of(name).NEED
        else:
            assert "  to come  " in line and line.endswith(iclr22.METHODS[name])


def test_the_list_needs_nothing_that_computes():
    """It starts in a second."""
    out, _ = helpers.finish(helpers.start("-c", ASK, fresh=True))
    assert json.loads(out) == []
