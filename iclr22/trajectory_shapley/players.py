"""Players of many windows at once: whose slots they are, in which shape they are asked.

Windows of similar numbers of neighbours are cut to one width, so that a model is compiled
once per width and no window is padded to another's number.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from iclr22 import errors
from iclr22.trajectory_shapley.windows import Windows

WIDTHS = (4, 16, 64, 256)  # slots that windows are cut to
SLOTTED = ("neighbours", "present", "neighbour_kind", "substitutes", "substitute_kind")


class Plan(NamedTuple):
    """Players of each window, who come first among its slots."""

    slots: np.ndarray  # [windows, width] int, slots with neighbours before empty ones
    # [windows, 1 + width] int, player of the past and slots; -1: none
    owner: np.ndarray
    players: np.ndarray  # [windows] int
    width: int  # slots of the predictor's inputs


def plan(mask, most: int | None, control: bool) -> Plan:
    """Players of windows.

    Args:
      mask: `[windows, slots]` bool, where neighbours are.
      most: players of a window at most, None: as many as there are. The farthest then
        share one.
      control: the last neighbour shares none.

    Raises:
      errors.InputError: so few that nobody would be left.
    """
    least = 2 + control
    if most is not None and most < least:
        raise errors.InputError(f"max_exact must be {least} or more, found {most}")
    slots = np.argsort(~mask, 1, kind="stable")
    count = mask.sum(1)
    place = np.arange(1 + mask.shape[1])
    owner = np.where(place <= count[:, None], place, -1)
    players = 1 + count
    if most is not None:
        grouped = players > most
        group = most - 1 - control
        shared = np.where(owner > group, group, owner)
        if control:  # the last of those who are there
            shared = np.where(owner == count[:, None], most - 1, shared)
        owner = np.where(grouped[:, None], shared, owner)
        players = np.minimum(players, most)
    return Plan(slots, owner, players, mask.shape[1])


def buckets(plan: Plan) -> Iterator[tuple[int, np.ndarray]]:
    """Widths and the windows of each, by number of players."""
    used = (plan.owner[:, 1:] >= 0).sum(1)
    widths = [min(w, plan.width) for w in WIDTHS if w < 4 * max(plan.width, 1)]
    widths = sorted({*widths, plan.width})
    which = np.searchsorted(widths, used)
    for i, width in enumerate(widths):
        chosen = np.flatnonzero(which == i)
        if len(chosen):
            order = np.argsort(plan.players[chosen], kind="stable")
            yield width, chosen[order]


def narrow(plan: Plan, chosen, width: int) -> Plan:
    """The plan of chosen windows, cut to a width."""
    slots, owner = plan.slots[chosen, :width], plan.owner[chosen, : 1 + width]
    return Plan(slots, owner, plan.players[chosen], width)


def take(given: dict, chosen, slots) -> dict:
    """Inputs of chosen windows with their slots in another order."""
    found = {}
    for name, x in given.items():
        x = x[chosen]
        if name in SLOTTED:
            place = slots.reshape(slots.shape + (1,) * (x.ndim - 2))
            x = np.take_along_axis(x, place, 1)
        found[name] = x
    return found


def with_slot(windows: Windows) -> Windows:
    """Windows with a slot: an empty one where they have none."""
    if windows.mask.shape[1]:
        return windows
    n, time = windows.history.shape[:2]
    return windows._replace(
        neighbours=np.zeros((n, 1, time, 6), np.float32),
        mask=np.zeros((n, 1), bool),
        neighbour_kind=np.zeros((n, 1), np.int32),
        neighbour_agent=np.full((n, 1), -1, np.int32),
    )
