"""Start one command as several CPU processes on this machine: the rehearsal of a pod.

  python launch/local_processes.py --processes=2 --devices=4 -- diva --quick
  python launch/local_processes.py --processes=2 -- python my_program.py

The name of an experiment is run by `run_worker.sh`, as on the worker of a pod.
Each process learns from its environment which one it is (`parallel.initialize` reads it).
Process 0 is shown here, all are logged below --logs. As soon as one fails the others are
ended and its exit status is returned; without that they would wait for it, minutes or
for ever.
"""

import contextlib
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

from absl import app, flags

FLAGS = flags.FLAGS
GRACE = 2.0  # seconds between asking and killing; JAX itself does not heed the asking
SETTLE = 1.5  # seconds after a failure in which others may turn out to be its cause
ROOT = pathlib.Path(__file__).parents[1]
LAST_LINES = 15  # of the log of the process that failed


class Processes:
    """The running processes; leaving the `with` block ends those that are left."""

    def __init__(self, command: list[str], count: int, devices: int, logs):
        self.command, self.count, self.devices = command, count, devices
        self.logs = [pathlib.Path(logs) / f"process-{i}.log" for i in range(count)]
        self.logs[0].parent.mkdir(parents=True, exist_ok=True)
        self._running: list[subprocess.Popen] = []
        self._ended: queue.Queue[tuple[int, int]] = queue.Queue()
        self._shown = threading.Thread(target=self._show, daemon=True)

    def __enter__(self):
        try:
            address = f"127.0.0.1:{free_port()}"
            for index in range(self.count):
                self._start(index, address)
            self._shown.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    def first_failure(self) -> tuple[int, int] | None:
        """Wait for all, or until one fails; `(process, status)` of that one.

        A failing process can bring down others before it is gone itself, but its last
        words are older than theirs (files are dated to a tick of the kernel, some ms).
        """
        failed = []
        for _ in self._running:
            failed.append(self._ended.get())
            if failed[-1][1]:
                time.sleep(SETTLE)
                break
        while not self._ended.empty():
            failed.append(self._ended.get())
        failed = [found for found in failed if found[1]]

        def spoke(found):
            return self.logs[found[0]].stat().st_mtime_ns

        return min(failed, key=spoke, default=None)

    def _start(self, index: int, address: str):
        # A session each: signals reach what the command itself starts, and Ctrl-C only
        # reaches this program, which then ends all of them in the same way.
        with open(self.logs[index], "wb") as log:
            process = subprocess.Popen(
                self.command,
                env=os.environ | environment(index, self.count, self.devices, address),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(process)

        def wait():
            self._ended.put((index, process.wait()))

        threading.Thread(target=wait, daemon=True).start()

    def _show(self):
        """Follow the log of process 0 until its end."""
        with open(self.logs[0], "rb") as log:
            over = False
            while not over:
                time.sleep(0.05)
                over = self._running[0].poll() is not None  # before the last look
                with contextlib.suppress(BrokenPipeError):  # as under `| head`
                    sys.stdout.buffer.write(log.read())
                    sys.stdout.flush()

    def _end(self):
        """End every session, politely first, and show process 0 to its end."""
        for impatience in (signal.SIGINT, signal.SIGTERM):
            signal.signal(impatience, signal.SIG_IGN)  # nothing may be left behind
        for wanted in (signal.SIGTERM, signal.SIGKILL):
            for process in self._running:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, wanted)
            deadline = time.monotonic() + GRACE
            while any(x.poll() is None for x in self._running):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
        if self._shown.ident:
            self._shown.join(GRACE)


def environment(index: int, count: int, devices: int, address: str) -> dict[str, str]:
    """What process `index` finds in its environment."""
    return {
        "COORDINATOR_ADDRESS": address,
        "NUM_PROCESSES": str(count),
        "PROCESS_ID": str(index),
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
        "PYTHONUNBUFFERED": "1",  # so that the log of a killed process is complete
    }


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def worker(command: list[str]) -> list[str]:
    """The worker script for the name of an experiment, else the command itself."""
    if not (ROOT / "experiments" / command[0] / "__main__.py").exists():
        return command
    os.environ.setdefault("PYTHON", sys.executable)
    return ["bash", str(ROOT / "launch" / "run_worker.sh"), *command]


def explain(index: int, status: int, log: pathlib.Path) -> str:
    """Which process failed, how, and the end of its log."""
    how = f"status {status}" if status > 0 else signal.Signals(-status).name
    lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
    return "\n".join(
        [f"process {index} ended with {how}; the end of its log {log}:"]
        + [f"  {line}" for line in lines]
    )


def main(argv):
    """Run the command that follows `--`."""
    if len(argv) < 2:
        raise app.UsageError("no command; put it after --")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        command = worker(argv[1:])
        with Processes(command, FLAGS.processes, FLAGS.devices, FLAGS.logs) as all_:
            failure = all_.first_failure()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except OSError as error:
        sys.exit(f"error: cannot start {argv[1]}: {error}")
    if failure:
        index, status = failure
        print(explain(index, status, all_.logs[index]), file=sys.stderr)
        sys.exit(status if status > 0 else 128 - status)


if __name__ == "__main__":
    flags.DEFINE_integer("processes", 2, "how many", lower_bound=1)
    flags.DEFINE_integer("devices", 1, "CPU devices in each process", lower_bound=1)
    flags.DEFINE_string("logs", "runs/logs", "folder of the logs, process-<i>.log")
    app.run(main)
