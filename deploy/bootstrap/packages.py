"""Make the environment in `.venv`: torch by pip, everything else by uv, then a stamp.

A stamped environment is taken as it is, without asking the network or any installer.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from deploy.bootstrap import pip_settings
from deploy.bootstrap.pip_settings import PipSettings

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "deploy" / "requirements.lock"
STAMP = VENV / ".tallymark-stamp"
TORCH = "2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SUPPORTED = ("3.11", "3.12", "3.13")
# What the environment takes on disk while it is made; torch for a GPU brings CUDA with it.
CPU_GIGABYTES, GPU_GIGABYTES = 4, 12


class Missing(SystemExit):
    """Something must be installed or freed by hand; the message says what and how."""

    def __init__(self, message: str) -> None:
        super().__init__("run: " + message)


def say(message: str) -> None:
    """Tell whoever waits what happens now."""
    print(f"run: {message}", file=sys.stderr, flush=True)


def ensure() -> Path:
    """The interpreter of an environment that fits; makes or completes it first if need be."""
    if _is_current():
        return PYTHON
    with _alone():
        if _is_current():
            return PYTHON
        began = time.monotonic()
        flavour = _flavour()
        if not PYTHON.exists():
            _check_disk(GPU_GIGABYTES if flavour == "gpu" else CPU_GIGABYTES)
            _make_venv()
        _check_venv()
        settings = pip_settings.read(PYTHON)
        _install_torch(flavour, settings)
        _install_locked(settings)
        STAMP.write_text(_stamp())
        say(f"environment ready after {time.monotonic() - began:.0f} s")
    return PYTHON


def relock() -> int:
    """Pin requirements.in anew into requirements.lock, keeping the pins that still fit."""
    python = ensure()
    header = [line for line in LOCK.read_text().splitlines() if line.startswith("#")]
    left_out = ["torch", "triton"]
    command = [*_uv(), "pip", "compile", "--quiet", "--universal", "--python-version", SUPPORTED[0]]
    command += ["--no-header", "--no-annotate", "--output-file", str(LOCK)]
    command += [str(ROOT / "deploy" / "requirements.in")]
    done = subprocess.run(command, check=False, env={**os.environ, "UV_PYTHON": str(python)})
    pins = [
        line
        for line in LOCK.read_text().splitlines()
        if not line.startswith(("#", "nvidia-", "cuda-"))
        and line.partition("==")[0] not in left_out
    ]
    LOCK.write_text("\n".join([*header, *pins]) + "\n")
    return done.returncode


def _stamp() -> str:
    facts = f"2 {_venv_version()} {platform.machine()} {TORCH}\n"
    return hashlib.sha256(facts.encode() + LOCK.read_bytes()).hexdigest()


def _is_current() -> bool:
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == _stamp()


def _venv_version() -> str:
    """The version of the environment's interpreter, as the environment itself notes it."""
    for line in (VENV / "pyvenv.cfg").read_text().splitlines():
        key, _, value = line.partition("=")
        if key.strip() in ("version", "version_info"):
            return ".".join(value.strip().split(".")[:2])
    return ""


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time work on the environment."""
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another ./run is making the environment; waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_disk(gigabytes: int) -> None:
    free = shutil.disk_usage(ROOT).free
    if free < gigabytes * 10**9:
        raise Missing(
            f"the environment needs about {gigabytes} GB in {ROOT}, and {free / 1e9:.1f} GB are"
            " free: free some, or clone to a larger disk."
        )


def _make_venv() -> None:
    say(f"making an environment in {VENV}")
    done = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        version = "{}.{}".format(*sys.version_info[:2])
        if "ensurepip" in done.stdout + done.stderr:
            raise Missing(
                "python3-venv is missing. Get it and run this again:\n"
                f"     Debian, Ubuntu: sudo apt-get install python{version}-venv\n"
                "     elsewhere: the package that brings ensurepip for this Python"
            )
        raise Missing(f"no environment could be made: {(done.stderr or done.stdout).strip()}")


def _check_venv() -> None:
    if _venv_version() not in SUPPORTED:
        raise Missing(
            f"{VENV} was made by Python {_venv_version() or '?'}, and Tallymark needs"
            f" {', '.join(SUPPORTED)}: remove that folder and run this again."
        )
    probe = [str(PYTHON), "-m", "pip", "--version"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        # An environment whose making was interrupted lacks pip.
        subprocess.run([str(PYTHON), "-m", "ensurepip"], capture_output=True, check=False)


def _flavour() -> str:
    """`gpu` where an NVIDIA driver answers, else `cpu`; TALLYMARK_TORCH overrules."""
    chosen = os.environ.get("TALLYMARK_TORCH", "")
    if chosen in ("cpu", "gpu"):
        return chosen
    program = shutil.which("nvidia-smi")
    if program is None:
        return "cpu"
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return "gpu" if listed.returncode == 0 and "GPU" in listed.stdout else "cpu"


def _installed(name: str) -> str:
    """The version of a package in the environment, or nothing; without importing it."""
    program = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    done = subprocess.run(
        [str(PYTHON), "-c", program, name], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _pip(*arguments: str) -> bool:
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    # Standard output is for the path that `./run environment` prints.
    return subprocess.run(command, check=False, stdout=sys.stderr).returncode == 0


def _can_have(*arguments: str) -> bool:
    """Whether pip would find it, asked without its complaints."""
    probe = ["install", "--dry-run", "--no-deps", "--quiet", *arguments]
    command = [str(PYTHON), "-m", "pip", *probe]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _install_torch(flavour: str, settings: PipSettings) -> None:
    """Keep a torch of the right version, else install the build that fits this machine.

    The locked packages satisfy what torch needs, so a CPU build comes alone; a GPU build
    brings the CUDA libraries that its own metadata names.
    """
    if _installed("torch").partition("+")[0] == TORCH:
        return
    say(f"installing torch {TORCH} for the {flavour.upper()}")
    if flavour == "cpu" and sys.platform == "linux":
        build = f"torch=={TORCH}+cpu"
        if not settings.is_default and _can_have(build) and _pip("--no-deps", build):
            return
        index = os.environ.get("TALLYMARK_TORCH_INDEX", CPU_INDEX)
        alone = ["--isolated", "--retries", "1", "--timeout", "20", "--index-url", index]
        if settings.cert:
            alone += ["--cert", settings.cert]
        if not settings.no_index and _can_have(*alone, build) and _pip(*alone, "--no-deps", build):
            return
        say(
            f"no CPU build of torch can be reached ({index}); the usual build follows, with"
            " about 3 GB of CUDA libraries. Ctrl-C stops it; TALLYMARK_TORCH_INDEX names"
            " another index."
        )
        _check_disk(GPU_GIGABYTES)
    if not _pip(f"torch=={TORCH}", "--constraint", str(LOCK)):
        raise Missing(
            f"torch {TORCH} could not be installed (pip's reason stands above). Without a direct"
            " way to the Internet, set PIP_INDEX_URL to a mirror or PIP_FIND_LINKS to a folder"
            " of wheels, and PIP_CERT if it has a certificate of its own."
        )


def _uv() -> list[str]:
    """How to call uv: the environment's own, else one on the PATH; empty if there is none."""
    if (VENV / "bin" / "uv").exists():
        return [str(VENV / "bin" / "uv")]
    found = shutil.which("uv")
    return [found] if found else []


def _install_locked(settings: PipSettings) -> None:
    """Install exactly what the lock names, with uv where possible."""
    count = sum(1 for line in LOCK.read_text().splitlines() if "==" in line)
    say(f"installing up to {count} packages")
    if not _uv():
        _pip("--quiet", "uv")
    if _uv():
        command = [*_uv(), "pip", "install", "--python", str(PYTHON), "--no-deps"]
        command += [*pip_settings.uv_arguments(settings), "--requirement", str(LOCK)]
        environment = pip_settings.uv_environment(settings, os.environ)
        done = subprocess.run(command, check=False, env=environment, stdout=sys.stderr)
        if done.returncode == 0:
            return
        say("uv could not; trying with pip, which is slower")
    if not _pip("--no-deps", "--requirement", str(LOCK)):
        raise Missing(
            "the packages could not be installed (pip's reason stands above): is the network"
            " there? A mirror or a folder of wheels is set as pip has it (PIP_INDEX_URL,"
            " PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, PIP_CERT)."
        )
