"""Ctrl-C and SIGTERM end a run within seconds: one line, no stack trace.

Nothing is lost, as everything that is finished is on disk.
"""

import contextlib
import functools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator

GRACE = 3.0  # seconds for what is being written; compiled programs do not listen
LINE = "interrupted; the same command goes on from here"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """One of `SIGNALS` came; `signal` tells which."""

    signal = signal.SIGINT


def _raise(number, _):
    interrupted = Interrupted()
    interrupted.signal = number
    raise interrupted


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Signals in this block end the program with `LINE` and the status that shells know."""
    before = {number: signal.signal(number, _raise) for number in SIGNALS}
    here, there = socket.socketpair()
    there.setblocking(False)
    wakeup = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(here,), daemon=True).start()
    try:
        yield
    except KeyboardInterrupt as error:
        _say()
        sys.exit(128 + getattr(error, "signal", signal.SIGINT))
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(here: socket.socket):
    """Ends the program if a signal has not ended it in time."""
    while number := here.recv(1):
        if number[0] in SIGNALS:
            time.sleep(GRACE)
            _say()
            os._exit(128 + number[0])


@functools.cache  # once
def _say():
    sys.stderr.write(f"\n{LINE}\n")
    sys.stderr.flush()
