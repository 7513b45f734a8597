"""The scripts of workers, in a small checkout whose one experiment is a toy.

A bucket is a folder that a fake `gcloud storage` copies to; the real script with a real
experiment runs once, at the end.
"""

import functools
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tarfile

import helpers
import pytest

ROOT = pathlib.Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "launch").glob("*.sh"))
NAME = "gs://bucket/a/run"

TOY = """
import json, os, pathlib, signal, sys, time
given = dict(x.lstrip("-").partition("=")[::2] for x in sys.argv[1:])
folder = pathlib.Path(given["workdir"])
folder.mkdir(parents=True, exist_ok=True)
count = folder / "count.json"
seen = json.loads(count.read_text()) if count.exists() else 0
print("seen", seen, *sys.argv[1:], os.environ.get("JAX_LOCAL_DEVICE_IDS"), flush=True)
(folder / "8.orbax-checkpoint-tmp").mkdir(exist_ok=True)
(folder / "8.orbax-checkpoint-tmp" / "half").touch()
(folder / ".cell.npz.123").touch()
(folder / "4").mkdir(exist_ok=True)
(folder / "4" / "_METADATA").touch()
(folder / "4" / "empty").mkdir(exist_ok=True)
(folder / "array.npy").write_text("rows")
count.write_text(json.dumps(seen + 1))
if "wait" in given:
    time.sleep(100)
sys.exit(int(given.get("status", 0)))
"""

GCLOUD = """#!{python} -SE
import pathlib, shutil, sys
here = pathlib.Path(__file__).parent
def local(x):
    return here / "buckets" / x[5:] if x.startswith("gs://") else pathlib.Path(x)
words = [x for x in sys.argv[1:] if not x.startswith("--")]
with open(here / "calls", "a") as log:
    log.write(" ".join(words) + "\\n")
refusal = here / "refusal"
if refusal.exists():
    sys.exit(refusal.read_text())
kind, verb, *paths = words
paths = [local(x) for x in paths]
if verb == "ls" and not paths[0].exists():
    sys.exit("ERROR: (gcloud.storage.ls) One or more URLs matched no objects.")
elif verb == "cp":
    paths[1].parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(paths[0], str(paths[1]) + "~")
    pathlib.Path(str(paths[1]) + "~").rename(paths[1])
elif verb == "rsync":
    shutil.copytree(*paths, dirs_exist_ok=True)
"""


class Checkout:
    """The scripts, a toy experiment, and a folder of programs first on PATH."""

    def __init__(self, folder):
        self.folder, self.programs = folder / "checkout", folder / "programs"
        shutil.copytree(ROOT / "launch", self.folder / "launch")
        (self.folder / "experiments" / "toy").mkdir(parents=True)
        (self.folder / "experiments" / "toy" / "__main__.py").write_text(TOY)
        self.programs.mkdir()
        self.program("gcloud", GCLOUD.format(python=sys.executable))
        self.program("curl", "#!/bin/sh\nexit 22\n")  # no metadata: not on a TPU VM
        self.bucket = self.programs / "buckets" / NAME[5:]
        self.copy = self.folder / "runs" / "bucket" / NAME[5:]
        self.environment = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHON": sys.executable,
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMUX_TMPDIR": str(folder),
        }

    def program(self, name, text):
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(stat.S_IRWXU)

    def start(self, script, *arguments, **environment):
        return subprocess.Popen(
            ["bash", str(self.folder / "launch" / script), *arguments],
            env=self.environment | environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, script, *arguments, expect=0, **environment):
        """`(stdout, stderr)`."""
        process = self.start(script, *arguments, **environment)
        try:
            return helpers.finish(process, expect=expect, timeout=60)
        finally:
            kill(process)

    def archived(self):
        """Names in the archive, in their order."""
        with tarfile.open(self.bucket / "workdir.tar") as archive:
            return [name.removeprefix("./") for name in archive.getnames()]

    def calls(self):
        path = self.programs / "calls"
        return path.read_text().splitlines() if path.exists() else []


def kill(process):
    """The process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


wait_for = functools.partial(helpers.wait_for, seconds=60.0)


@pytest.fixture
def checkout(tmp_path):
    """A small checkout of its own."""
    return Checkout(tmp_path)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda x: x.name)
def test_script_is_sound(script):
    subprocess.run(["bash", "-n", script], check=True)
    if script.name != "hosts.sh":  # sourced
        assert "\nset -euo pipefail\n" in script.read_text()
        assert script.stat().st_mode & stat.S_IXUSR


# run_worker.sh


def test_folder_is_passed_on_and_flags_arrive_as_they_are(checkout):
    out, _ = checkout.run("run_worker.sh", "toy", "--workdir=w", "--label=a b's $x")
    assert out == "seen 0 --workdir=w --label=a b's $x --distributed None\n"
    assert checkout.calls() == []
    cache = {"JAX_COMPILATION_CACHE_DIR": "/c"}
    out, _ = checkout.run("run_worker.sh", "toy", "--workdir=w", **cache)
    assert "--distributed --compile_cache=/c" in out
    checkout.run("run_worker.sh", "toy", "--workdir=w", "--status=7", expect=7)


def test_relative_paths_are_those_of_the_caller(checkout, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    toy = checkout.folder / "experiments" / "toy" / "__main__.py"
    toy.write_text("import pathlib; print(pathlib.Path.cwd())")
    done = subprocess.run(
        ["bash", str(checkout.folder / "launch" / "run_worker.sh"), "toy"],
        env=checkout.environment,
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{elsewhere}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "usage: run_worker.sh NAME"),
        (["tyo"], "no experiments/tyo"),
        (["toy", "--workdir", "gs://b/x"], "write --workdir=gs://b/x in one word"),
    ],
)
def test_what_cannot_be_run_is_said(checkout, words, message):
    _, err = checkout.run("run_worker.sh", *words, expect=1)
    assert message in err


def test_bucket_brings_a_run_to_the_next_machine(checkout):
    out, _ = checkout.run("run_worker.sh", "toy", f"--workdir={NAME}/")
    assert out.startswith(f"seen 0 --distributed --workdir={checkout.copy}")
    names = checkout.archived()
    assert names[0] == "count.json"  # it tells of rows of the array, so it is older
    assert set(names) == {"count.json", "array.npy", "4/_METADATA", "4/empty"}
    assert (checkout.bucket / "count.json").read_text() == "1"  # for people
    shutil.rmtree(checkout.folder / "runs")
    out, _ = checkout.run("run_worker.sh", "toy", f"--workdir={NAME}")
    assert out.startswith("seen 1 ")
    (checkout.copy / "count.json").write_text(
        "99"
    )  # of an earlier run, not in the bucket
    out, _ = checkout.run("run_worker.sh", "toy", f"--workdir={NAME}")
    assert out.startswith("seen 2 ")


def test_failed_run_leaves_its_state_but_no_results(checkout):
    checkout.run("run_worker.sh", "toy", f"--workdir={NAME}", "--status=7", expect=7)
    assert "count.json" in checkout.archived()
    assert not (checkout.bucket / "count.json").exists()


def test_machine_that_vanishes_loses_minutes(checkout):
    words = ("toy", f"--workdir={NAME}", "--wait")
    process = checkout.start("run_worker.sh", *words, SYNC_EVERY="1")
    wait_for((checkout.bucket / "workdir.tar").exists)
    kill(process)
    shutil.rmtree(checkout.folder / "runs")
    out, _ = checkout.run("run_worker.sh", "toy", f"--workdir={NAME}")
    assert out.startswith("seen 1 ")


def test_ended_run_brings_its_state_away(checkout):
    words = ("toy", f"--workdir={NAME}", "--wait")
    process = checkout.start("run_worker.sh", *words)
    wait_for((checkout.copy / "count.json").exists)
    process.terminate()
    helpers.finish(process, expect=128 + signal.SIGTERM, timeout=60)
    assert "count.json" in checkout.archived()


def test_bucket_that_cannot_be_read_is_not_an_empty_one(checkout):
    (checkout.programs / "refusal").write_text("ERROR: 403 no permission")
    words = ("toy", f"--workdir={NAME}")
    out, err = checkout.run("run_worker.sh", *words, expect=1)
    assert "cannot look into gs://bucket/a/run: ERROR: 403" in err and out == ""


def test_processes_of_one_machine_share_the_copy_of_the_first(checkout):
    rehearsal = {"COORDINATOR_ADDRESS": "127.0.0.1:1", "NUM_PROCESSES": "2"}
    words = ("toy", f"--workdir={NAME}")
    out, _ = checkout.run("run_worker.sh", *words, PROCESS_ID="1", **rehearsal)
    assert f"--workdir={checkout.copy}" in out and checkout.calls() == []
    checkout.run("run_worker.sh", *words, PROCESS_ID="0", **rehearsal)
    assert [call.split()[1] for call in checkout.calls()] == ["ls", "cp", "rsync"]


def test_machines_of_a_pod_mount_the_bucket(checkout):
    words = ("toy", f"--workdir={NAME}")
    metadata = "#!/bin/sh\necho a:b:10.0.0.1,a:b:10.0.0.2\n"
    checkout.program("curl", metadata)
    _, err = checkout.run("run_worker.sh", *words, expect=1)
    assert "needs gcsfuse" in err
    checkout.program("gcsfuse", f'#!/bin/sh\necho "$@" >{checkout.programs}/calls\n')
    mounted = checkout.folder / "runs" / "mounted" / "bucket"
    for environment in ({}, {"SLURM_NNODES": "2"}):
        out, _ = checkout.run("run_worker.sh", *words, **environment)
        assert f"--workdir={mounted}/a/run" in out
        (call,) = checkout.calls()
        assert "--metadata-cache-ttl-secs=0" in call
        assert call.endswith(f" bucket {mounted}")


# control_worker.sh


def without(checkout, *hidden):
    """PATH on which some programs are not to be found."""
    folder = checkout.programs / "others"
    folder.mkdir()
    for name in os.listdir("/usr/bin"):
        if name not in hidden:
            (folder / name).symlink_to(f"/usr/bin/{name}")
    return {"PATH": f"{checkout.programs}:{folder}"}


@pytest.mark.parametrize("means", ["tmux", "nohup"])
def test_run_outlives_who_started_it_and_can_be_stopped(checkout, means):
    if means == "tmux" and not shutil.which("tmux"):
        pytest.skip("needs tmux")
    path = without(checkout, "tmux") if means == "nohup" else {}

    def control(*words, **more):
        return checkout.run("control_worker.sh", *words, **path, **more)

    assert control("status")[0] == "none\n"
    log = checkout.folder / "runs" / "worker" / "log"
    variables = ("JAX_LOCAL_DEVICE_IDS=5 6", "PYTHON=" + sys.executable)
    words = ("toy", "--workdir=w", "--label=a b's $x")
    control("start", *variables, *words, "--wait")
    wait_for(lambda: "seen" in log.read_text())
    assert "--workdir=w --label=a b's $x --wait --distributed 5 6" in log.read_text()
    assert control("status")[0] == "running\n"
    assert "has a run already" in control("start", *words, expect=1)[1]
    assert control("stop")[0].endswith("stopped\n")
    assert control("status")[0] == "143\n"
    control("start", *words, "--status=3")
    wait_for(lambda: control("status")[0] == "3\n")
    assert "ended with status 3" in log.read_text()


def test_worker_that_was_restarted_knows_that_its_run_is_lost(checkout):
    files = checkout.folder / "runs" / "worker"
    files.mkdir(parents=True)
    (files / "pid").write_text("999999999")
    assert checkout.run("control_worker.sh", "status")[0] == "lost\n"
    assert checkout.run("control_worker.sh", "stop")[0].endswith("nothing runs\n")


# setup_worker.sh


@pytest.mark.parametrize(("word", "status"), [("--help", 0), ("cuda", 2)])
def test_help_and_typing_errors_install_nothing(checkout, word, status):
    _, err = checkout.run("setup_worker.sh", word, expect=status)
    assert "usage: setup_worker.sh [tpu|gpu|none]" in err
    assert checkout.calls() == [] and not (checkout.folder / ".venv").exists()


PYTHON = """#!/bin/sh
echo "{name} $*" >>{log}
case "$*" in
  "-c "*) exit {old} ;;
  "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *) echo "Python" ;;
esac
"""


def commands(checkout, *arguments):
    """What setup_worker.sh calls, without questions for versions."""
    checkout.run("setup_worker.sh", *arguments)
    lines = checkout.calls()
    (checkout.programs / "calls").unlink()
    return [line for line in lines if " -c " not in line]


def fake_pythons(checkout, **old):
    for name in ("python3.13", "python3.12", "python3.11", "python3"):
        values = {"name": name, "log": checkout.programs / "calls"}
        checkout.program(name, PYTHON.format(old=old.get(name, 1), **values))


def test_setup_takes_the_newest_python_and_may_be_repeated(checkout):
    fake_pythons(checkout)
    checkout.program(
        "python3.12",
        PYTHON.format(name="python3.12", log=checkout.programs / "calls", old=0),
    )
    install = "-m pip install --quiet --editable .[tpu,plot,data]"
    first, *rest = commands(checkout)
    assert (
        first == "python3.12 -m venv --clear .venv" and f"python3.12 {install}" in rest
    )
    again = commands(checkout, "gpu")
    assert not any("venv --clear" in line for line in again)
    assert "python3.12 " + install.replace("tpu", "gpu") in again


def test_setup_brings_python_where_the_image_has_an_older_one(checkout):
    fake_pythons(checkout)
    log = checkout.programs / "calls"
    made = PYTHON.format(name="made", log=log, old=0)
    uv = f"cat >.venv/bin/python <<'END'\n{made}END\nchmod +x .venv/bin/python\n"
    checkout.program("uv", f'#!/bin/sh\necho "uv $*" >>{log}\nmkdir -p .venv/bin\n{uv}')
    checkout.program("sudo", f'#!/bin/sh\necho "sudo $*" >>{log}\n')
    called = commands(checkout)
    assert called[0] == "uv venv --quiet --clear --seed --python 3.11 .venv"
    assert not any("sudo" in line for line in called)
    assert "made -m pip install --quiet --editable .[tpu,plot,data]" in called


# slurm.sh

SRUN = """#!/bin/sh
echo "srun $*" >>{log}
shift
SLURM_PROCID=0 SLURM_LOCALID=0 exec "$@"
"""


@pytest.fixture
def cluster(checkout):
    """A checkout where srun runs its command once."""
    log = checkout.programs / "calls"
    checkout.program("srun", SRUN.format(log=log))
    checkout.program("scontrol", f'#!/bin/sh\necho "scontrol $*" >>{log}\n')
    checkout.environment["SLURM_JOB_ID"] = "42"
    checkout.environment["SLURM_SUBMIT_DIR"] = str(checkout.folder)
    return checkout


def test_slurm_starts_the_worker_script_with_its_words(cluster):
    node = {"SLURM_NTASKS_PER_NODE": "1", "SLURM_GPUS_ON_NODE": "4"}
    words = ("toy", "--workdir=w", "--label=a b", "--status=5")
    out, _ = cluster.run("slurm.sh", *words, expect=5, **node)
    assert out == f"seen 0 {' '.join(words[1:])} --distributed 0,1,2,3\n"
    worker = "--kill-on-bad-exit=1 bash launch/run_worker.sh"
    assert cluster.calls() == [f"srun {worker} {' '.join(words)}"]
    out, _ = cluster.run("slurm.sh", "toy", "--workdir=w", SLURM_NTASKS_PER_NODE="4")
    assert out == "seen 1 --workdir=w --distributed None\n"
    assert "usage" in cluster.run("slurm.sh", expect=2)[1]


def test_slurm_job_near_its_time_limit_is_queued_again(cluster):
    job = cluster.start("slurm.sh", "toy", "--workdir=w", "--wait")
    wait_for((cluster.folder / "w" / "count.json").exists)
    job.send_signal(signal.SIGUSR1)
    wait_for(lambda: "scontrol requeue 42" in cluster.calls())
    assert job.poll() is None  # Slurm itself ends it
    kill(job)


def test_slurm_options_ask_for_requeueing_and_a_warning():
    lines = (ROOT / "launch" / "slurm.sh").read_text().splitlines()
    options = {x.removeprefix("#SBATCH ") for x in lines if x.startswith("#SBATCH ")}
    wanted = {"--requeue", "--open-mode=append", "--signal=B:USR1@120"}
    assert wanted <= options


# The real thing.


def test_worker_script_runs_a_real_experiment(tmp_path):
    """Named in the rehearsal: run_worker.sh, --distributed, one process."""
    process = helpers.start(
        *(ROOT / "launch" / "local_processes.py", "--processes=1"),
        *(f"--logs={tmp_path / 'logs'}", "--", "recurrent_intensity", "--quick"),
        *("--variant=pop,hp", "--sweep=", f"--workdir={tmp_path / 'run'}"),
    )
    try:
        out, _ = process.communicate(timeout=120)
    finally:
        process.terminate()  # it ends what it started
        process.wait()
    assert process.returncode == 0 and "numbers in" in out
    assert json.loads((tmp_path / "run" / "config.json").read_text())["quick"]
    assert (tmp_path / "run" / "report.html").exists()
