"""The launcher of TPU VMs against a `gcloud` that only writes down how it was called."""

import json
import os
import pathlib
import shlex
import stat
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
LAUNCHER = ROOT / "launch" / "tpu_vm.py"
PLACE = ["--zone=us-x1-a", "--project=prj"]
SETTINGS = {"PROJECT_ID": "prj", "ZONE": "us-x1-a", "TPU_NAME": "fake-node"}
VM = ["gcloud", "compute", "tpus", "tpu-vm"]
QUEUE = ["gcloud", "compute", "tpus", "queued-resources"]
SSH_ALL = [*VM, "ssh", "fake-node", *PLACE, "--worker=all", "--quiet"]
SETUP = (
    "git init --quiet iclr22 && cd iclr22 && git fetch --quiet ../iclr22.bundle HEAD"
    " && git checkout --quiet --force --detach FETCH_HEAD"
    " && bash launch/setup_worker.sh tpu"
)
CONTROL = "bash iclr22/launch/control_worker.sh"

# Answers are a JSON list in a file: the first whose words all occur is used up.
FAKE = """#!{python} -SE
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
called = [pathlib.Path(__file__).name, *sys.argv[1:]]
with open(folder / "calls.jsonl", "a") as log:
    log.write(json.dumps(called) + "\\n")
answers = json.loads((folder / "answers.json").read_text())
for i, (words, status, out, err) in enumerate(answers):
    if set(words) <= set(" ".join(called).split()):
        del answers[i]
        (folder / "answers.json").write_text(json.dumps(answers))
        sys.stdout.write(out)
        sys.stderr.write(err)
        sys.exit(status)
"""


class Cloud:
    """A folder first on PATH with a fake gcloud and git; what they were called with."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("gcloud", "git"):
            (folder / name).write_text(FAKE.format(python=sys.executable))
            (folder / name).chmod(stat.S_IRWXU)
        self.answer()

    def answer(self, *answers):
        """Each `(words of the call, status, stdout, stderr)`; else success and silence."""
        (self.folder / "answers.json").write_text(json.dumps(answers))

    def run(self, *arguments, expect=0, settings=SETTINGS):
        """`(calls, stdout, stderr)` of the launcher with these arguments."""
        (self.folder / "calls.jsonl").write_text("")
        kept = {"HOME", "LANG", "PYTHONDONTWRITEBYTECODE"} & set(os.environ)
        done = subprocess.run(
            [sys.executable, LAUNCHER, *arguments],
            env={x: os.environ[x] for x in kept}
            | {"PATH": f"{self.folder}:/usr/bin:/bin", **settings},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        lines = (self.folder / "calls.jsonl").read_text().splitlines()
        return [json.loads(x) for x in lines], done.stdout, done.stderr


@pytest.fixture
def cloud(tmp_path):
    """A fake Google Cloud."""
    return Cloud(tmp_path)


@pytest.fixture
def bundle():
    """Where the commits for the machine are put; absent before and after."""
    if (ROOT / ".git" / "shallow").exists():
        pytest.skip("needs a clone with its history")
    path = ROOT / "runs" / "launch" / "fake-node.bundle"
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


def bundling():
    return [
        "git",
        "bundle",
        "create",
        "--quiet",
        "runs/launch/fake-node.bundle",
        "HEAD",
    ]


def setting_up():
    """Calls after the bundle."""
    copy = ["runs/launch/fake-node.bundle", "fake-node:iclr22.bundle"]
    return [
        [*SSH_ALL, "--command=true"],
        [*VM, "scp", *copy, *PLACE, "--worker=all", "--quiet"],
        [*SSH_ALL, f"--command={SETUP}"],
    ]


def creating(*more, version="v2-alpha-tpuv5-lite", kind="v5litepod-8"):
    what = [f"--accelerator-type={kind}", f"--version={version}", *more]
    return [*VM, "create", "fake-node", *PLACE, *what]


def control(*words):
    return [*SSH_ALL, f"--command={CONTROL} {' '.join(words)}"]


def queueing(*more):
    what = ["--node-id=fake-node", "--accelerator-type=v6e-4"]
    what += ["--runtime-version=v2-alpha-tpuv6e", *more]
    return [*QUEUE, "create", "fake-node", *PLACE, *what]


def asking(of=VM):
    state = "state" if of == VM else "state.state"
    return [*of, "describe", "fake-node", *PLACE, f"--format=value({state})"]


DELETE_QUEUE = [*QUEUE, "delete", "fake-node", *PLACE, "--force", "--quiet"]
DELETE_VM = [*VM, "delete", "fake-node", *PLACE, "--quiet"]
TAIL = "tail -n 100 iclr22/runs/worker/log"
ODD = ["--label=a b's $HOME", "--own_data="]
INNER = "start JAX_PLATFORMS=tpu,cpu A=1 diva '--label=a b'\"'\"'s $HOME' --own_data="
VERBS = {
    "create": (["create", "--accelerator_type=v5litepod-8"], [creating()]),
    "create spot": (
        ["create", "--accelerator_type=v4-32", "--spot"],
        [creating("--spot", version="tpu-ubuntu2204-base", kind="v4-32")],
    ),
    "create version": (
        ["create", "--accelerator_type=v5p-8", "--runtime_version=mine"],
        [creating(version="mine", kind="v5p-8")],
    ),
    "queue": (
        ["queue", "--accelerator_type=v6e-4", "--spot"],
        [queueing("--spot"), asking(QUEUE)],
    ),
    "setup": (["setup"], [bundling(), *setting_up()]),
    "run": (["run", "--env=A=1", "--", "diva", *ODD], [control(INNER)]),
    "run workdir": (
        ["run", "--workdir=gs://b/x", "--", "diva"],
        [control("start JAX_PLATFORMS=tpu,cpu diva --workdir=gs://b/x")],
    ),
    "logs": (
        ["logs"],
        [
            [
                *VM,
                "ssh",
                "fake-node",
                *PLACE,
                "--worker=0",
                "--quiet",
                f"--command={TAIL}",
            ]
        ],
    ),
    "logs all": (
        ["logs", "--worker=all", "--follow"],
        [[*SSH_ALL, f"--command={TAIL.replace('100', '100 -F')}"]],
    ),
    "stop": (["stop"], [control("stop")]),
    "delete": (["delete"], [DELETE_VM]),
    "delete queued": (["delete", "--queued"], [DELETE_QUEUE]),
}


@pytest.mark.parametrize("case", VERBS)
def test_verb_calls_exactly_this_and_a_dry_run_prints_it(cloud, bundle, case):
    arguments, expected = VERBS[case]
    cloud.answer([["queued-resources", "describe"], 0, "ACTIVE\n", ""])
    calls, _, _ = cloud.run(*arguments)
    assert calls == expected
    calls, out, _ = cloud.run("--dry_run", *arguments)
    assert calls == []
    assert [shlex.split(line) for line in out.splitlines()] == expected


def test_words_of_the_experiment_arrive_as_they_were_given(cloud):
    calls, _, _ = cloud.run("run", "--env=A=1", "--", "diva", *ODD)
    inner = calls[0][-1].removeprefix("--command=")
    assert shlex.split(inner)[3:] == ["JAX_PLATFORMS=tpu,cpu", "A=1", "diva", *ODD]


def test_settings_come_from_the_environment_and_flags_win(cloud):
    more = {"ACCELERATOR_TYPE": "v5p-8", "RUNTIME_VERSION": "mine", "WORKDIR": "gs://b"}
    calls, _, _ = cloud.run("create", settings=SETTINGS | more)
    assert calls == [creating(version="mine", kind="v5p-8")]
    flags = ("--accelerator_type=v2-8", "--runtime_version=other")
    calls, _, _ = cloud.run("create", *flags, settings=SETTINGS | more)
    assert calls == [creating(version="other", kind="v2-8")]
    calls, _, _ = cloud.run("run", "--", "diva", settings=SETTINGS | more)
    assert calls[0][-1].endswith("diva --workdir=gs://b")
    own = ("diva", "--workdir=gs://own")
    calls, _, _ = cloud.run("run", "--", *own, settings=SETTINGS | more)
    assert calls[0][-1].endswith("diva --workdir=gs://own")


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (["create"], {}, ["PROJECT_ID", "ZONE", "TPU_NAME", "ACCELERATOR_TYPE"]),
        (
            ["create", "--accelerator_type=tpu7x-8"],
            SETTINGS,
            ["'tpu7x-8' is not known", "v5litepod-N", "$RUNTIME_VERSION"],
        ),
        (["run", "--env=AB", "--", "diva"], SETTINGS, ["VARIABLE=VALUE; found 'AB'"]),
        (["setup"], {"ZONE": "z"}, ["--project (or $PROJECT_ID)", "--name"]),
        (
            ["run", "--keep_alive", "--", "diva"],
            SETTINGS,
            ["--accelerator_type", "WORK"],
        ),
        (
            ["run", "--keep_alive", "--accelerator_type=v4-8", "--workdir=x"]
            + ["--", "diva"],
            SETTINGS,
            ["--workdir=gs://"],
        ),
        (["run"], SETTINGS, ["no experiment; put it after --"]),
        (["run", "--", "dvia"], SETTINGS, ["no experiments/dvia"]),
        (
            ["delete", "fake-node"],
            SETTINGS,
            ["delete takes no further words: fake-node"],
        ),
        (["destroy"], SETTINGS, ["create, queue, setup, run, logs, stop, delete"]),
    ],
)
def test_what_is_missing_is_said_before_the_first_call(
    cloud, arguments, settings, words
):
    calls, out, err = cloud.run(*arguments, expect=1, settings=settings)
    assert calls == [] and "Traceback" not in err
    for word in words:
        assert word in out + err


def test_failing_command_ends_the_launcher_with_its_message_and_status(cloud, bundle):
    cloud.answer([["scp"], 23, "", "no route to node\n"])
    calls, _, err = cloud.run("setup", expect=23)
    assert calls == [bundling(), *setting_up()[:2]]
    assert "no route to node" in err and "Traceback" not in err
    assert "error: status 23 of gcloud compute tpus tpu-vm scp" in err


FULL = "ERROR: There is no more capacity in the zone\n"
CREATE = ("create", "--accelerator_type=v5litepod-8", "--wait=0")


def test_without_gcloud_nothing_is_tried(cloud):
    nothing = SETTINGS | {"PATH": str(cloud.folder / "empty")}
    calls, _, err = cloud.run("delete", expect=1, settings=nothing)
    assert calls == [] and "error: there is no gcloud on PATH" in err


@pytest.mark.parametrize(
    "text",
    [
        FULL,
        'ERROR: The zone "z" does not have enough resources available to fulfill\n',
        "ERROR: Insufficient reserved capacity\n",
    ],
)
def test_creation_is_tried_again_only_for_lack_of_capacity(cloud, text):
    full = [["tpu-vm", "create"], 1, "", text]
    cloud.answer(full, full)
    calls, _, err = cloud.run(*CREATE, "--retries=2")
    assert calls == [creating()] * 3 and "attempt 3" in err
    cloud.answer(full, full)
    calls, _, err = cloud.run(*CREATE, "--retries=1", expect=1)
    assert len(calls) == 2 and text in err
    cloud.answer([["create"], 1, "", "Quota exceeded\n"])
    calls, _, err = cloud.run(*CREATE, "--retries=5", expect=1)
    assert len(calls) == 1 and "Quota exceeded" in err


@pytest.mark.parametrize("end", ["ACTIVE", "FAILED"])
def test_queue_waits_until_the_request_is_decided(cloud, end):
    states = ["WAITING_FOR_RESOURCES", "PROVISIONING", end]
    cloud.answer(*[[["queued-resources", "describe"], 0, x, ""] for x in states])
    status = 1 if end == "FAILED" else 0
    arguments = ("queue", "--accelerator_type=v6e-4", "--wait=0")
    calls, _, err = cloud.run(*arguments, expect=status)
    assert calls == [queueing()] + [asking(QUEUE)] * 3
    if status:
        assert "fake-node is FAILED" in err and shlex.join(DELETE_QUEUE) in err


KEEP = ("run", "--keep_alive", "--wait=0", "--workdir=gs://b/x", "--spot")
STARTING = control("start JAX_PLATFORMS=tpu,cpu diva --workdir=gs://b/x")
GONE = "ERROR: (gcloud) NOT_FOUND: Resource 'node' was not found\n"


def states(*names):
    """Answers to the question for the machine, one after the other."""
    missing = {"": (1, "", GONE)}
    return [[["tpu-vm", "describe"], *missing.get(x, (0, x, ""))] for x in names]


def statuses(*texts):
    """Answers of the workers to the question how the run is getting on."""
    return [[["ssh", "status"], 0, text, ""] for text in texts]


def without_questions(calls):
    """Calls that change something."""
    return [x for x in calls if "describe" not in x and not x[-1].endswith(" status")]


def test_preempted_machine_is_made_again_and_the_same_run_started(cloud, bundle):
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.touch()  # what setup left: the machine made anew gets the same commit
    cloud.answer(
        *states("READY", "READY", "PREEMPTED", "READY"),
        *statuses("none", "running\nrunning\n", "0\n0\n"),
        [["tpu-vm", "create"], 1, "", FULL],
    )
    calls, _, err = cloud.run(*KEEP, "--accelerator_type=v5litepod-8", "--", "diva")
    made = [creating("--spot")] * 2  # endless attempts
    assert without_questions(calls) == [
        STARTING, DELETE_VM, *made, *setting_up(), STARTING
    ]  # fmt: skip
    assert "fake-node is PREEMPTED" in err


def test_machine_that_goes_while_it_is_set_up_is_made_once_more(cloud, bundle):
    """Also: one that is not there yet, from a queue, with the newest commit."""
    cloud.answer(
        *states("", "", "PREEMPTED", "TERMINATED", "READY"),
        *statuses("0\n"),
        [["queued-resources", "describe"], 1, "", GONE],
        *[[["queued-resources", "describe"], 0, "ACTIVE", ""]] * 2,
        [["scp"], 1, "", "connection lost\n"],
    )
    calls, _, _ = cloud.run(*KEEP, "--accelerator_type=v6e-4", "--queued", "--", "diva")
    assert without_questions(calls) == [
        queueing("--spot"), bundling(), *setting_up()[:2],
        DELETE_QUEUE, queueing("--spot"), bundling(), *setting_up(), STARTING,
    ]  # fmt: skip


def test_watching_goes_on_where_a_run_is_found_and_a_restart_is_seen(cloud):
    cloud.answer(
        *states("READY", "READY", "READY", "READY"),
        *statuses("running\n", "running\n", "lost\n", "0\n"),
    )
    calls, _, _ = cloud.run(*KEEP, "--accelerator_type=v6e-4", "--", "diva")
    assert without_questions(calls) == [control("stop"), STARTING]


def test_run_that_fails_by_itself_is_not_started_again(cloud):
    cloud.answer(
        *states("READY", "READY", "READY"),
        *statuses("none\n", "1\n0\n"),
        [["ssh", "--worker=0"], 0, "the reason\n", ""],
    )
    calls, out, err = cloud.run(
        *KEEP, "--accelerator_type=v6e-4", "--", "diva", expect=1
    )
    assert out == "the reason\n" and "the run failed" in err
    assert without_questions(calls)[0] == STARTING


def test_dry_run_shows_what_would_follow_a_preemption(cloud):
    calls, out, _ = cloud.run(
        *KEEP, "--dry_run", "--accelerator_type=v5litepod-8", "--", "diva"
    )
    lines = [shlex.split(x) for x in out.splitlines() if not x.startswith("#")]
    lost = [DELETE_VM, creating("--spot"), *setting_up(), STARTING]
    assert calls == [] and lines == [STARTING, asking(), control("status"), *lost]


def test_worker_gets_the_committed_files_also_a_second_time(tmp_path):
    """The commands of `setup` with the real git, on one machine."""
    here, home = tmp_path / "here", tmp_path / "home"
    (here / "launch").mkdir(parents=True)
    home.mkdir()
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]

    def git(*words):
        command = ["git", *identity, *words]
        subprocess.run(command, cwd=here, check=True, capture_output=True)

    git("init", "--quiet")
    for text in ("first", "second"):
        (here / "launch" / "setup_worker.sh").write_text(f"echo {text} $1\n")
        git("add", ".")
        git("commit", "--quiet", "--message=x")
        git(*bundling()[1:4], str(home / "iclr22.bundle"), "HEAD")
        options = {"cwd": home, "capture_output": True, "text": True, "check": True}
        assert subprocess.run(["sh", "-c", SETUP], **options).stdout == f"{text} tpu\n"
