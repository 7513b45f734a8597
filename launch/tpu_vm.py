"""Run experiments on Cloud TPU VMs, single hosts and pods, with gcloud.

  python launch/tpu_vm.py create --accelerator_type=v5litepod-8 --spot
  python launch/tpu_vm.py setup
  python launch/tpu_vm.py run -- diva --dataset=mnist
  python launch/tpu_vm.py logs --follow
  python launch/tpu_vm.py delete

  python launch/tpu_vm.py run --keep_alive --spot --accelerator_type=v5litepod-8 \
      --workdir=gs://bucket/diva -- diva --dataset=mnist

--dry_run prints the commands and calls nothing. Settings come from flags or from
PROJECT_ID, ZONE, TPU_NAME, ACCELERATOR_TYPE, RUNTIME_VERSION, WORKDIR. See README.md.
"""

import math
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time
from typing import Any, NamedTuple

from absl import app, flags

ROOT = pathlib.Path(__file__).parents[1]
FLAGS = flags.FLAGS
RUNTIMES = {  # by the beginning of the accelerator type
    "v6e": "v2-alpha-tpuv6e",
    "v5p": "v2-alpha-tpuv5",
    "v5e": "v2-alpha-tpuv5-lite",
    "v5litepod": "v2-alpha-tpuv5-lite",
    "v4": "tpu-ubuntu2204-base",
    "v3": "tpu-ubuntu2204-base",
    "v2": "tpu-ubuntu2204-base",
}
VARIABLES = {
    "project": "PROJECT_ID",
    "zone": "ZONE",
    "name": "TPU_NAME",
    "accelerator_type": "ACCELERATOR_TYPE",
    "runtime_version": "RUNTIME_VERSION",
    "workdir": "WORKDIR",
}
NO_CAPACITY = (
    "no more capacity",
    "insufficient capacity",
    "not enough resources",
    "not have enough resources",
    "insufficient reserved capacity",
    "resource_pool_exhausted",
    "stockout",
)
LOST = ("PREEMPTED", "TERMINATED", "STOPPED", "")  # "": there is no such machine
NEVER = ("FAILED", "SUSPENDING", "SUSPENDED")  # queued resources that stay so
PATIENCE = 10  # questions in a row without an answer


class Settings(NamedTuple):
    """What the flags say; the first six also come from the environment."""

    project: str = ""
    zone: str = ""
    name: str = ""
    accelerator_type: str = ""
    runtime_version: str = ""
    workdir: str = ""
    spot: bool = False
    queued: bool = False
    keep_alive: bool = False
    worker: str = "0"
    follow: bool = False
    env: tuple[str, ...] = ()
    retries: float = 0
    wait: float = 60.0


# Verbs: settings and the experiment's words in, argument lists out.


def create(s: Settings, words=()) -> list[list[str]]:
    """Create the machine now, or fail."""
    command = _gcloud(s, "tpu-vm", "create")
    command += [f"--accelerator-type={s.accelerator_type}"]
    return [[*command, f"--version={s.runtime_version}", *_spot(s)]]


def queue(s: Settings, words=()) -> list[list[str]]:
    """Ask for the machine; the second command is repeated until it answers ACTIVE."""
    command = _gcloud(s, "queued-resources", "create")
    command += [f"--node-id={s.name}", f"--accelerator-type={s.accelerator_type}"]
    command += [f"--runtime-version={s.runtime_version}", *_spot(s)]
    return [command, describe_queue(s)]


def setup(s: Settings, words=()) -> list[list[str]]:
    """Bring the committed files to every worker and install what they need."""
    bundle = f"runs/launch/{s.name}.bundle"
    unpack = (
        "git init --quiet iclr22 && cd iclr22"
        " && git fetch --quiet ../iclr22.bundle HEAD"
        " && git checkout --quiet --force --detach FETCH_HEAD"
        " && bash launch/setup_worker.sh tpu"
    )
    scp = [*_gcloud(s, "tpu-vm", "scp"), "--worker=all", "--quiet"]
    scp.remove(s.name)
    return [
        ["git", "bundle", "create", "--quiet", bundle, "HEAD"],
        _ssh(s, "all", "true"),  # keys are exchanged with each worker
        scp[:5] + [bundle, f"{s.name}:iclr22.bundle"] + scp[5:],
        _ssh(s, "all", unpack),
    ]


def run(s: Settings, words=()) -> list[list[str]]:
    """Start the experiment on every worker; it does not need the connection."""
    if s.workdir and not any(word.startswith("--workdir") for word in words):
        words = [*words, f"--workdir={s.workdir}"]
    return [_control(s, "start", "JAX_PLATFORMS=tpu,cpu", *s.env, *words)]


def logs(s: Settings, words=()) -> list[list[str]]:
    """The end of the log of one worker, or of all."""
    how = "-n 100 -F" if s.follow else "-n 100"
    return [_ssh(s, s.worker, f"tail {how} iclr22/runs/worker/log")]


def stop(s: Settings, words=()) -> list[list[str]]:
    """End the experiment on every worker; the machine stays."""
    return [_control(s, "stop")]


def delete(s: Settings, words=()) -> list[list[str]]:
    """Give the machine back, with its disk."""
    if s.queued:
        return [[*_gcloud(s, "queued-resources", "delete"), "--force", "--quiet"]]
    return [[*_gcloud(s, "tpu-vm", "delete"), "--quiet"]]


def describe(s: Settings) -> list[str]:
    """Ask for the state of the machine."""
    return [*_gcloud(s, "tpu-vm", "describe"), "--format=value(state)"]


def describe_queue(s: Settings) -> list[str]:
    """Ask for the state of the request."""
    return [*_gcloud(s, "queued-resources", "describe"), "--format=value(state.state)"]


def _spot(s):
    return ["--spot"] if s.spot else []


def _gcloud(s, kind, verb):
    place = [f"--zone={s.zone}", f"--project={s.project}"]
    return ["gcloud", "compute", "tpus", kind, verb, s.name, *place]


def _ssh(s, worker, command):
    where = [f"--worker={worker}", "--quiet"]
    return [*_gcloud(s, "tpu-vm", "ssh"), *where, f"--command={command}"]


def _control(s, *words):
    return _ssh(
        s, "all", shlex.join(["bash", "iclr22/launch/control_worker.sh", *words])
    )


VERBS = {x.__name__: x for x in (create, queue, setup, run, logs, stop, delete)}


def recovery(s: Settings, words) -> list[list[str]]:
    """What follows a pre-emption: the same machine again, the same code, the same run."""
    get = queue if s.queued else create
    return delete(s) + get(s) + setup(s)[1:] + run(s, words)


# Carrying them out.


def say(text: str) -> None:
    """Progress; what the commands print is all that goes to the standard output."""
    print(text, file=sys.stderr, flush=True)


def execute(commands) -> None:
    """Run one after the other; the first failure ends it."""
    for i, command in enumerate(commands, 1):
        say(f"[{i}/{len(commands)}] {shlex.join(command)}")
        subprocess.run(command, check=True, cwd=ROOT)


def ask(command, tries: int = PATIENCE, wait: float = 1.0) -> str:
    """What a command prints; "" if it says that there is no such thing."""
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
        if "NOT_FOUND" in done.stderr:
            return ""
        tries -= 1
        if not tries:
            sys.stderr.write(done.stderr)
            done.check_returncode()
        time.sleep(wait)


def carry_out_create(s: Settings) -> None:
    """Create the machine, again and again while there is no capacity."""
    attempt, (command,) = 0, create(s)
    while True:
        say(shlex.join(command))
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        sys.stderr.write(done.stderr)
        if done.returncode == 0:
            return
        full = any(text in done.stderr.lower() for text in NO_CAPACITY)
        if not full or attempt >= s.retries:
            done.check_returncode()
        attempt += 1
        say(f"no capacity; attempt {attempt + 1} in {s.wait:g} s")
        time.sleep(s.wait)


def carry_out_queue(s: Settings) -> None:
    """Ask for the machine and wait until it is there."""
    request, question = queue(s)
    execute([request])
    said = None
    while (state := ask(question, wait=s.wait)) != "ACTIVE":
        if state in NEVER or not state:
            sys.exit(
                f"error: the request for {s.name} is {state or 'gone'}. Details: "
                f"{shlex.join(question[:-1])}; remove it: {shlex.join(_deletion(s))}"
            )
        if state != said:
            say(f"{s.name} is {state}")
        said = state
        time.sleep(s.wait)


def _deletion(s):
    return delete(s._replace(queued=True))[0]


def carry_out_setup(s: Settings) -> None:
    """Set up every worker with the newest commit."""
    bundle_path(s).parent.mkdir(parents=True, exist_ok=True)
    execute(setup(s))


def bundle_path(s: Settings) -> pathlib.Path:
    """The commits that the machine has, or is to have."""
    return ROOT / setup(s)[0][-2]


def keep_alive(s: Settings, words) -> None:
    """Start the experiment and watch it; after each loss of the machine start it again.

    Called while it runs already, it only watches.
    """
    if machine(s) in LOST:
        bundle_path(s).unlink(missing_ok=True)  # a new machine gets the newest commit
    elif progress(s) != "running":
        _survive(s, execute, run(s, words))
    while True:
        state = machine(s)
        if state in LOST:
            say(f"{s.name} is {state or 'not there'}; getting it")
            _survive(s, recover, s, words, there=bool(state))
        elif state == "READY" and look_after(s, words):
            return
        time.sleep(s.wait)


def look_after(s: Settings, words) -> bool:
    """What a look at the workers calls for; True if the run is done."""
    found = progress(s)
    if found == "none":
        say(f"no answer from the workers of {s.name}")
    elif found == "lost":
        say("a worker was restarted; starting the run again")
        _survive(s, execute, stop(s) + run(s, words))
    elif found == "failed":
        time.sleep(s.wait)  # pre-empted machines take a while to say so
        if machine(s) not in LOST:
            execute(logs(s._replace(follow=False)))
            sys.exit(f"error: the run failed; the log of {s.name} is above")
    return found == "done"


def _survive(s, action, *arguments, **options):
    """Do it; a failure because the machine went away meanwhile is for the next round."""
    try:
        action(*arguments, **options)
    except subprocess.CalledProcessError:
        if machine(s) not in LOST:
            raise


def recover(s: Settings, words, *, there: bool) -> None:
    """Carry out `recovery`."""
    if there or (s.queued and ask(describe_queue(s))):
        execute(delete(s))
    (carry_out_queue if s.queued else carry_out_create)(s)
    if bundle_path(s).exists():  # the code that the run began with
        execute(setup(s)[1:])
    else:
        carry_out_setup(s)
    execute(run(s, words))


def machine(s: Settings) -> str:
    """State of the machine, "" if it is not there."""
    return ask(describe(s), wait=s.wait)


def progress(s: Settings) -> str:
    """How the run is getting on, over all workers: running, done, failed, lost, none."""
    question = _control(s, "status")
    done = subprocess.run(question, capture_output=True, text=True, check=False)
    found = set(done.stdout.split())
    if done.returncode or not found:
        return "none"  # no answer: not set up, or going away
    if "running" in found:
        return "running"
    if found == {"0"}:
        return "done"
    return "failed" if all(x.isdigit() for x in found) else "lost"


# Command line.


def runtime_version(accelerator_type: str) -> str:
    """Software of the machine for a kind of TPU; "" for one that is not known."""
    return RUNTIMES.get(accelerator_type.split("-")[0], "")


def needed(verb: str, s: Settings) -> list[str]:
    """Names of the settings without which the verb cannot begin."""
    names = ["project", "zone", "name"]
    if verb in ("create", "queue") or s.keep_alive:
        names += ["accelerator_type", "runtime_version"]
    return [*names, "workdir"] if s.keep_alive else names


def missing(verb: str, s: Settings) -> str:
    """One message about everything that is missing, or ""."""
    absent = [name for name in needed(verb, s) if not getattr(s, name)]
    if s.accelerator_type and absent == ["runtime_version"]:
        return (
            f"the accelerator type {s.accelerator_type!r} is not known here (known: "
            f"{', '.join(f'{x}-N' for x in RUNTIMES)}); correct it, or say which "
            "software it has with --runtime_version (or $RUNTIME_VERSION)"
        )
    if not s.accelerator_type and "accelerator_type" in absent:
        absent = [name for name in absent if name != "runtime_version"]  # follows
    if not absent:
        return ""
    return f"{verb} needs " + ", ".join(f"--{x} (or ${VARIABLES[x]})" for x in absent)


def unfit(verb: str, s: Settings, words) -> str:
    """What is wrong with the words that follow the verb, or else, or ""."""
    for word in s.env:
        if not re.fullmatch(r"[A-Za-z_]\w*=.*", word, re.DOTALL):
            return f"--env is VARIABLE=VALUE; found {word!r}"
    if (verb == "setup" or s.keep_alive) and (ROOT / ".git" / "shallow").exists():
        return "this clone has no history to send; first: git fetch --unshallow"
    if verb != "run":
        return f"{verb} takes no further words: {shlex.join(words)}" if words else ""
    if not words:
        return "no experiment; put it after --, as in: run -- diva --dataset=mnist"
    if not (ROOT / "experiments" / words[0] / "__main__.py").exists():
        return f"there is no experiments/{words[0]}"
    if s.keep_alive and not s.workdir.startswith("gs://"):
        return "--keep_alive needs a --workdir=gs://..., the disk goes with the machine"
    if s.keep_alive and {"--noresume", "--resume=false"} & set(words):
        return "--noresume would start over after each pre-emption"
    return ""


def from_flags(verb: str, words) -> Settings:
    """Settings from flags, then from the environment, then from what follows."""
    values: dict[str, Any] = {x: FLAGS[x].value for x in Settings._fields if x in FLAGS}
    s = Settings(**values)
    empty = {x: os.environ.get(VARIABLES[x], "") for x in VARIABLES if not s[_at(x)]}
    s = s._replace(**empty, env=tuple(s.env), keep_alive=s.keep_alive and verb == "run")
    given = [x.partition("=")[2] for x in words if x.startswith("--workdir=")]
    if s.retries is None:
        s = s._replace(retries=math.inf if s.keep_alive else 0)
    found = s.runtime_version or runtime_version(s.accelerator_type)
    return s._replace(runtime_version=found, workdir=(given or [s.workdir])[-1])


def _at(name):
    return Settings._fields.index(name)


def show(verb: str, s: Settings, words) -> None:
    """Print the commands that would be called."""
    for command in VERBS[verb](s, words):
        print(shlex.join(command))
    if s.keep_alive:
        print(f"# every {s.wait:g} s")
        print(shlex.join(describe(s)))
        print(shlex.join(_control(s, "status")))
        print("# when the machine is lost")
        for command in recovery(s, words):
            print(shlex.join(command))


def act(verb: str, s: Settings, words) -> None:
    """Call the commands of a verb."""
    if verb == "create":
        carry_out_create(s)
    elif verb == "queue":
        carry_out_queue(s)
    elif verb == "setup":
        carry_out_setup(s)
    elif s.keep_alive:
        keep_alive(s, words)
    else:
        execute(VERBS[verb](s, words))


def main(argv):
    """Carry out the verb, or say what is wrong before anything is called."""
    verb, words = (argv[1:2] or [""])[0], argv[2:]
    if verb not in VERBS:
        raise app.UsageError(f"the first word is one of {', '.join(VERBS)}")
    s = from_flags(verb, words)
    wrong = missing(verb, s) or unfit(verb, s, words)
    if wrong:
        sys.exit(f"error: {wrong}")
    if FLAGS.dry_run:
        show(verb, s, words)
        return
    if not shutil.which("gcloud"):
        sys.exit(
            "error: there is no gcloud on PATH; install the Google Cloud CLI and log in "
            "(gcloud auth login)"
        )
    try:
        act(verb, s, words)
    except subprocess.CalledProcessError as error:
        say(f"error: status {error.returncode} of {shlex.join(error.cmd)}")
        sys.exit(error.returncode if error.returncode > 0 else 1)
    except OSError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def define_flags() -> None:
    """One flag per field of `Settings`, and --dry_run."""
    flags.DEFINE_string("project", "", "Google Cloud project; $PROJECT_ID")
    flags.DEFINE_string("zone", "", "zone of the machine; $ZONE")
    flags.DEFINE_string("name", "", "name of the machine; $TPU_NAME")
    flags.DEFINE_string("accelerator_type", "", "v5litepod-8...; $ACCELERATOR_TYPE")
    flags.DEFINE_string("runtime_version", "", "default: by type; $RUNTIME_VERSION")
    flags.DEFINE_string("workdir", "", "of the experiment, gs://...; $WORKDIR")
    flags.DEFINE_bool("spot", False, "cheaper, may be taken away at any time")
    flags.DEFINE_bool("queued", False, "the machine comes, or came, by `queue`")
    flags.DEFINE_bool("keep_alive", False, "run: watch, start again after pre-emption")
    flags.DEFINE_string("worker", "0", "logs: number of the worker, or all")
    flags.DEFINE_bool("follow", False, "logs: go on as they grow")
    flags.DEFINE_multi_string("env", [], "run: VARIABLE=VALUE for the workers")
    flags.DEFINE_integer(
        "retries",
        None,
        "create: after lack of capacity; default 0, endless to keep alive",
    )
    flags.DEFINE_float("wait", 60.0, "seconds between attempts and questions")
    flags.DEFINE_bool("dry_run", False, "print the commands, call nothing")


if __name__ == "__main__":
    define_flags()
    FLAGS.set_gnu_getopt(True)
    app.run(main)
