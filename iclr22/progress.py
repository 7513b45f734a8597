"""Progress of long work: one line on a terminal, quiet log lines elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator

from absl import logging

from iclr22 import parallel

QUIET_SECONDS = 30.0  # between log lines when nobody watches


class Bar:
    """Progress towards `total`, shown by the main process only."""

    def __init__(self, total: int, name: str, *, start: int = 0):
        self.total, self.name, self.start = total, name, start
        self._began = self._shown = time.monotonic()
        self._live = sys.stderr.isatty()

    def update(self, done: int, values: dict | None = None) -> None:
        """Show where we are, with a few values beside it."""
        now = time.monotonic()
        wait = 0.1 if self._live else QUIET_SECONDS
        if not parallel.is_main() or (now - self._shown < wait and done < self.total):
            return
        self._shown = now
        rate = (done - self.start) / max(now - self._began, 1e-9)
        left = (self.total - done) / rate if rate else float("inf")
        shown = " ".join(f"{k} {v:.4g}" for k, v in (values or {}).items())
        text = f"{self.name} {done}/{self.total} {shown} {left:.0f} s left"
        if self._live:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
        elif now - self._began > QUIET_SECONDS:
            logging.info(text)

    def close(self) -> None:
        """Leave the line."""
        if self._live and parallel.is_main():
            sys.stderr.write("\r\x1b[K")


def track(items: Iterable, name: str, total: int | None = None) -> Iterator:
    """Iterate with progress."""
    if total is None:
        items = list(items)
        total = len(items)
    bar = Bar(total, name)
    for done, item in enumerate(items, start=1):
        yield item
        bar.update(done)
    bar.close()
