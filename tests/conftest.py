"""Eight CPU devices, one of them used unless a file says so; no accelerator unless
ICLR22_TEST_PLATFORM asks."""

import gc
import importlib.metadata
import os
import pathlib
import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job; what the tests start would not hear an interrupt either.
    signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, str(pathlib.Path(__file__).parent))
# Tracing makes millions of objects that live; to look through them takes a tenth of the time.
gc.set_threshold(100_000, 50, 100)
os.environ.setdefault("MPLBACKEND", "Agg")
# Threads of XLA's pool. As many as cores are too few for eight devices: independent sums of
# one program block a thread each, on some devices one first, on others the other, for ever.
os.environ.setdefault("NPROC", "32")
PLATFORM = os.environ.get("ICLR22_TEST_PLATFORM", "cpu")
# Compile time is what the suite consists of; its loops are tiny.
QUICK = ["--xla_backend_optimization_level=0"]
if importlib.metadata.version("jaxlib").startswith("0.10."):
    # Half of the time; a version that does not know them does not start.
    QUICK += [
        "--xla_cpu_use_fusion_emitters=false",
        "--xla_llvm_disable_expensive_passes=true",
        "--xla_cpu_parallel_codegen_split_count=1",
        "--xla_cpu_enable_concurrency_optimized_scheduler=false",
    ]
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *QUICK])
os.environ["JAX_PLATFORMS"] = PLATFORM if PLATFORM == "cpu" else f"{PLATFORM},cpu"

import jax  # noqa: E402
import programs  # noqa: E402
import pytest  # noqa: E402

CACHE = pathlib.Path(__file__).parents[1] / ".pytest_cache" / "xla"
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
if PLATFORM == "cpu":
    jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture(scope="module", autouse=True)
def devices(request):
    """One, as a user's machine has: a fifth less where networks train. All eight in files
    that are marked so: what is about devices, and one or two of each method."""
    if request.node.get_closest_marker("eight_devices"):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in ("devices", "local_devices"):
            every = getattr(jax, name)
            patch.setattr(jax, name, lambda *a, every=every, **k: every(*a, **k)[:1])
        for name in ("device_count", "local_device_count"):
            patch.setattr(jax, name, lambda *a, **k: 1)
        yield


@pytest.fixture(scope="module", autouse=True)
def forget_compiled_programs():
    """Programs of one file are of no use to the next, and fill gigabytes."""
    yield
    programs.forget()


@pytest.fixture
def shared():
    """Folder of study data beside the checkout, or skip."""
    folder = pathlib.Path(__file__).parents[2] / "shared"
    if not folder.exists():
        pytest.skip("needs the study data folder beside the checkout")
    return folder


@pytest.fixture
def command_line():
    """Function that parses arguments; flags defined in the test are gone afterwards."""
    from absl import flags
    from absl.testing import flagsaver

    with flagsaver.flagsaver():
        yield lambda *arguments: flags.FLAGS(["program", *map(str, arguments)])
    flags.FLAGS.unparse_flags()
