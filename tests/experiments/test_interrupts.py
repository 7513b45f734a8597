"""A signal ends a run at once, with one line and nothing else."""

import signal
import time

import helpers
import pytest

from experiments import interrupts

WORK = {
    "Python": "time.sleep(60)",
    "a compiled program": "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)",
}
PROGRAM = """
import hashlib, time
from experiments import interrupts
interrupts.GRACE = 0.3
with interrupts.told():
    print("begun", flush=True)
    {work}
"""


@pytest.mark.parametrize("number", interrupts.SIGNALS)
@pytest.mark.parametrize("where", WORK)
def test_a_signal_ends_the_program_with_one_line(number, where, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(work=WORK[where]))
    process = helpers.start(script)
    assert process.stdout.readline() == "begun\n"
    began = time.monotonic()
    process.send_signal(number)
    out, err = helpers.finish(process, expect=128 + number, timeout=20)
    assert time.monotonic() - began < 10
    assert (out, err) == ("", f"\n{interrupts.LINE}\n")


def test_handlers_are_those_of_before(monkeypatch):
    before = [signal.getsignal(x) for x in interrupts.SIGNALS]
    with interrupts.told():
        assert [signal.getsignal(x) for x in interrupts.SIGNALS] != before
    assert [signal.getsignal(x) for x in interrupts.SIGNALS] == before
