"""Python processes that begin with the libraries in memory, forked from one that has them.

Half of what a short command costs is to import JAX, Flax, Optax, Orbax and matplotlib. A
server has done that once. It knows nothing of this project: a command still imports its
own modules, from its own path, as in any new process.
"""

import atexit
import ctypes
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import types

LIBRARIES = (
    "flax.linen",
    "jax.numpy",
    "matplotlib.pyplot",
    "optax",
    "orbax.checkpoint",
    "scipy.optimize",
    "scipy.sparse",
    "absl.app",
)
AT_START = (
    "JAX",
    "XLA",
    "MPL",
    "PYTHON",
    "OMP",
    "OPENBLAS",
    "LD_",
)  # read by then only
OPTIONS = {"stdout", "stderr", "text", "env", "cwd"}  # of Popen, that are understood
SUBREAPER = 36  # of prctl: whoever loses its parent becomes a child of this process
LONGEST = 200_000  # bytes of a request


class Forked(subprocess.Popen):
    """`Popen([python, "-m" or "-c" or a script, ...], env=...)`, by the server."""

    def _execute_child(self, args, executable, *given):
        cwd, env = given[3:5]
        pipes = given[8:14]  # p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite
        request = {"arguments": args[1:], "env": env, "cwd": os.fspath(cwd or ".")}
        request["cwd"] = os.path.abspath(request["cwd"])
        ends = [pipes[0], pipes[3], pipes[5]]
        ends = [own if end == -1 else end for own, end in enumerate(ends)]
        line, server = _server(_at_start(env))
        socket.send_fds(line, [json.dumps(request).encode()], ends)
        answer = line.recv(100)
        assert answer, f"libraries could not be imported: {server.stderr.read()}"
        self.pid, self._child_created = int(answer), True
        self._close_pipe_fds(*pipes)


def can(arguments, options) -> bool:
    """Whether `Forked` does what `Popen` does with these arguments of Python."""
    first = arguments[0]
    plain = first in ("-m", "-c") or not first.startswith("-")
    return sys.platform == "linux" and plain and set(options) <= OPTIONS


def _at_start(env) -> tuple[tuple[str, str], ...]:
    found = {k: v for k, v in env.items() if k.startswith(AT_START)}
    found.pop("PYTHONPATH", None)  # looked at by each process itself
    return tuple(sorted(found.items()))


@functools.cache
def _server(at_start) -> tuple[socket.socket, subprocess.Popen]:
    """A server whose libraries saw these variables, and the line to it."""
    here = ctypes.CDLL(None)
    assert here.prctl(SUBREAPER, 1, 0, 0, 0) == 0
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(AT_START)}
    with theirs:
        server = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            env=kept | dict(at_start),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # no file: Python would remember that it can seek
            stderr=subprocess.PIPE,
        )
    atexit.register(_end, ours, server)
    return ours, server


def _end(line, server):
    line.close()
    server.wait(timeout=10)


def serve(line: socket.socket) -> dict:
    """Fork at every request; returns what to run in the new process alone."""
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # or every collection copies what is shared
    gc.set_threshold(100_000, 50, 100)  # as conftest.py does, and why
    while True:
        data, ends, *_ = socket.recv_fds(line, LONGEST, 3)
        if not data:
            sys.exit()
        read, write = os.pipe()
        between = os.fork()
        if not between:
            pid = os.fork()
            if pid:  # its parent ends: it becomes a child of the tests
                os.write(write, str(pid).encode())
                os._exit(0)
            line.close()
            os.close(read)
            os.close(write)
            return _prepared(json.loads(data), ends)
        for end in (write, *ends):
            os.close(end)
        os.waitpid(between, 0)
        line.send(os.read(read, 100))
        os.close(read)


def _prepared(request, ends) -> dict:
    """Input, output, folder, environment and path of the request."""
    for own, end in enumerate(ends):
        os.dup2(end, own)
    for end in set(ends) - {0, 1, 2}:
        os.close(end)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    first, *words = request["arguments"]
    script = first not in ("-m", "-c")
    before = os.path.dirname(os.path.abspath(first)) if script else request["cwd"]
    path = [x for x in os.environ.get("PYTHONPATH", "").split(os.pathsep) if x]
    sys.path[:1] = [before, *path]
    sys.argv = [first, *words] if script else [first, *words[1:]]
    return request


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        first, *words = serve(requests)["arguments"]
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if first == "-m":
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(words[0], "<string>", "exec"), main.__dict__)
    else:
        runpy.run_path(first, run_name="__main__")
