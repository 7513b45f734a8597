"""Steps of time: found from timestamps, counted, and told to networks as features."""

import math
import re
from typing import NamedTuple

import numpy as np

from iclr22 import errors

SECONDS = {"s": 1, "min": 60, "h": 3600, "D": 86400, "W": 604800}
UNITS = (*SECONDS, "B", "M")  # B: days of business, M: months
DAY, MONTH = np.timedelta64(1, "D"), np.timedelta64(1, "M")


class Step(NamedTuple):
    """So many units from one value to the next: `Step(15, "min")`.

    Units are s, min, h, D, B (Monday to Friday), W and M (calendar months).
    """

    count: int
    unit: str

    def __str__(self) -> str:
        return f"{self.count if self.count > 1 else ''}{self.unit}"


WORDS = {  # of frequencies as pandas and people write them
    "s": ("S", "s", "sec", "second", "seconds"),
    "min": ("T", "min", "minute", "minutes"),
    "h": ("H", "h", "hour", "hours"),
    "D": ("D", "d", "day", "days"),
    "B": ("B",),
    "W": ("W", "w", "week", "weeks"),
    "M": ("M", "MS", "ME", "month", "months"),
}
LONGER = {"Q": 3, "QS": 3, "QE": 3, "Y": 12, "YS": 12, "YE": 12, "A": 12, "AS": 12}


def parse(text: str) -> Step:
    """The step that a text such as `15min`, `1H`, `W-SUN` or `day` says.

    Raises:
      errors.InputError: none.
    """
    found = re.fullmatch(r"\s*(\d*)\s*([A-Za-z]+)(-[A-Za-z]+)?\s*", text)
    count = int(found[1] or 1) if found else 0
    word = found[2] if found else ""
    if count and word in LONGER:
        return Step(count * LONGER[word], "M")
    unit = next((u for u, words in WORDS.items() if word in words), None)
    if not count or unit is None:
        raise errors.InputError(
            f"expected a step such as 1h, 15min, D, W or M; found {text[:40]!r}"
        )
    return Step(count, unit)


def times(start, step: Step, count: int) -> np.ndarray:
    """Times datetime64[s] `[count]` from a first one on."""
    return at(start, step, np.arange(count))


def at(start, step: Step, places) -> np.ndarray:
    """Times datetime64[s] so many steps after others, or before where it is negative.

    Months keep the day, or, if the first is the last of its month, stay at the last.

    Args:
      start, places: arrays that broadcast.
    """
    start = np.asarray(start, "datetime64[s]")
    number = step.count * np.asarray(places, np.int64)
    if step.unit in SECONDS:
        return start + (number * SECONDS[step.unit]).astype("timedelta64[s]")
    day = start.astype("datetime64[D]")
    clock = start - day
    if step.unit == "B":
        return np.busday_offset(day, number, roll="forward").astype("M8[s]") + clock
    month = day.astype("datetime64[M]") + number.astype("timedelta64[M]")
    last = (month + MONTH).astype("datetime64[D]") - DAY
    within = day - day.astype("datetime64[M]").astype("datetime64[D]")
    found = np.minimum(month.astype("datetime64[D]") + within, last)
    found = np.where(_ends_month(day), last, found)
    return found.astype("datetime64[s]") + clock


def _ends_month(day):
    return day + DAY == (day.astype("datetime64[M]") + MONTH).astype("datetime64[D]")


def detect(stamps) -> Step:
    """The step of times datetime64[s] that rise; gaps are whole numbers of steps.

    Raises:
      errors.InputError: fewer than two, or no step that most times keep to.
    """
    stamps = np.unique(np.asarray(stamps, "datetime64[s]"))
    if len(stamps) < 2:
        raise errors.InputError(
            f"expected at least two times to find their step; found {len(stamps)}"
        )
    apart = np.diff(stamps).astype(np.int64)
    days = stamps.astype("datetime64[D]")
    if apart.min() >= 28 * SECONDS["D"] and _monthly(days):
        months = np.diff(days.astype("datetime64[M]")).astype(np.int64)
        return Step(int(np.gcd.reduce(months)), "M")
    if _business(days, apart):
        return Step(1, "B")
    size, counts = np.unique(apart, return_counts=True)
    common, step = int(size[counts.argmax()]), int(np.gcd.reduce(apart))
    if step != common:
        raise errors.InputError(
            f"expected times of one frequency; found most {_words(common)} apart, others "
            f"{_words(int(size[size % common != 0][0]))}. Bring them to one frequency."
        )
    unit = next(u for u in reversed(SECONDS) if step % SECONDS[u] == 0)
    return Step(step // SECONDS[unit], unit)


def _monthly(days) -> bool:
    month = days.astype("datetime64[M]")
    within = (days - month.astype("datetime64[D]")).astype(int)
    last = _ends_month(days)
    return bool(last.all() or np.all((within == within.max()) | last))


def _business(days, apart) -> bool:
    if apart.min() != SECONDS["D"] or np.any(apart % SECONDS["D"]):
        return False
    return bool(np.is_busday(days).all()) and np.ptp(days).astype(int) >= 7


def _words(seconds: int) -> str:
    unit = next(u for u in reversed(SECONDS) if seconds % SECONDS[u] == 0)
    return f"{seconds // SECONDS[unit]} {unit}"


def position(start, step: Step, stamps) -> np.ndarray:
    """Which step after `start` each time is, int64; -1 where it is on none."""
    start, stamps = np.datetime64(start, "s"), np.asarray(stamps, "datetime64[s]")
    if step.unit in SECONDS:
        apart = (stamps - start).astype(np.int64)
        size = step.count * SECONDS[step.unit]
        return np.where(apart % size == 0, apart // size, -1)
    days = [x.astype("datetime64[D]") for x in (start, stamps)]
    if step.unit == "B":
        found = np.busday_count(days[0], days[1])
    else:
        months = [x.astype("datetime64[M]").astype(int) for x in days]
        found = months[1] - months[0]
    found = np.where(found % step.count == 0, found // step.count, -1)
    grid = times(start, step, int(found.max(initial=0)) + 1)
    return np.where((found >= 0) & (grid[np.maximum(found, 0)] == stamps), found, -1)


def features(stamps, step: Step, *, cyclic: bool = False) -> np.ndarray:
    """Where in hour, day, week, month and year, each within -0.5 to 0.5, `[t, d]` float32.

    Hourly: hour, weekday (Monday first), day of the month, day of the year; minutes come
    before these for shorter steps; daily without the hour; weekly: day of the month, week
    of the year; monthly: month.

    Args:
      stamps: datetime64[s] `[t]`.
      cyclic: sine and cosine of each follow, so that an hour before midnight is near one
        after.
    """
    stamps = np.asarray(stamps, "datetime64[s]")
    day = stamps.astype("datetime64[D]")
    month, year = day.astype("datetime64[M]"), day.astype("datetime64[Y]")
    clock = (stamps - day).astype(np.int64)
    parts = {
        "minute": (clock % 3600 / 60, 59),
        "hour": (clock // 3600, 23),
        "weekday": ((day.astype(np.int64) + 3) % 7, 6),
        "day": ((day - month.astype("datetime64[D]")).astype(np.int64), 30),
        "yearday": ((day - year.astype("datetime64[D]")).astype(np.int64), 365),
        "week": (np.minimum((_week(day) - 1), 52), 52),
        "month": ((month - year.astype("datetime64[M]")).astype(np.int64), 11),
    }
    chosen = {
        "W": ["day", "week"],
        "M": ["month"],
        "D": ["weekday", "day", "yearday"],
        "B": ["weekday", "day", "yearday"],
        "h": ["hour", "weekday", "day", "yearday"],
    }.get(step.unit, ["minute", "hour", "weekday", "day", "yearday"])
    found = [parts[name][0] / parts[name][1] - 0.5 for name in chosen]
    for place, last in (parts[name] for name in chosen if cyclic):
        angle = 2 * np.pi * place / (last + 1)
        found += [np.sin(angle), np.cos(angle)]
    return np.stack(found, axis=1).astype(np.float32)


def _week(day) -> np.ndarray:
    """Week of the year of ISO 8601: that of the year of its Thursday."""
    thursday = day + (3 - (day.astype(np.int64) + 3) % 7).astype("timedelta64[D]")
    first = thursday.astype("datetime64[Y]").astype("datetime64[D]")
    return (thursday - first).astype(np.int64) // 7 + 1


def age(places) -> np.ndarray:
    """Logarithm of how old a series is at these places of it, float32: 0.301 at the first
    and before."""
    return np.log10(2.0 + np.maximum(places, 0)).astype(np.float32)


def season(step: Step) -> int:
    """Steps of the most usual cycle: a day of hours, a week of days, a year of months."""
    whole = {"s": 86400, "min": 1440, "h": 24, "D": 7, "B": 5, "W": 52, "M": 12}
    return max(1, math.ceil(whole[step.unit] / step.count))
