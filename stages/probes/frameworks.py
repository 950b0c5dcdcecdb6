"""Frameworks, each asked in a process of its own, side by side, and not for long."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stages.probes.finding import Finding, Probe

TIMEOUT = 90.0  # seconds; frameworks import slowly on a cold disk
GPU = "trainings take the processor: hours become days at documented sizes"

TORCH = """
import torch, torchvision
gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
said = [torch.__version__, "CUDA " + torch.version.cuda if torch.version.cuda else "no CUDA build"]
mps = torch.backends.mps.is_available()
"""
TENSORFLOW = """
import tensorflow as tf
gpus = [device.name for device in tf.config.list_physical_devices("GPU")]
said, mps = [tf.__version__], False
"""
JAX = """
import jax
gpus = [str(device) for device in jax.devices() if device.platform != "cpu"]
said, mps = [jax.__version__], False
"""
ONNXRUNTIME = """
import onnxruntime
found = onnxruntime.get_available_providers()
gpus = [name for name in found if name not in ("CPUExecutionProvider", "AzureExecutionProvider")]
said, mps = [onnxruntime.__version__, ", ".join(found)], False
"""
FAISS = """
import faiss
gpus = ["GPU build"] if getattr(faiss, "get_num_gpus", lambda: 0)() else []
said, mps = [faiss.__version__], False
"""
REPORT = "\nimport json\nprint('\\n' + json.dumps({'said': said, 'gpus': gpus, 'mps': bool(mps)}))"


def probes() -> list[Probe]:
    """Return a probe for every framework."""
    return [
        partial(framework, "torch", "torch", TORCH, GPU, "a machine with a GPU, and trainer.accelerator=auto"),
        partial(framework, "TensorFlow", "tensorflow", TENSORFLOW, "", ""),
        partial(framework, "JAX", "jax", JAX, "", "", optional="models.….train.backend=jax does not run"),
        partial(framework, "ONNX Runtime", "onnxruntime", ONNXRUNTIME, "", ""),
        partial(framework, "FAISS", "faiss", FAISS, "", ""),
    ]


def framework(thing: str, module: str, code: str, cost: str, mend: str, optional: str = "") -> list[Finding]:
    """Return a framework's version and its view of the GPU, `cost` where it sees none; one that is `optional` lacks."""
    if not installed(module):
        lost = optional or "the stages that use it do not run"
        return [Finding(thing, "not installed", lost, install(module), needed=not optional)]
    try:
        done = subprocess.run(
            [sys.executable, "-c", code + REPORT], capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        cause = f"no answer within {TIMEOUT:.0f} s"
        return [Finding(thing, cause, "stages that use it start as slowly", "see the rows on bytecode, disk and cores")]
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        return [Finding(thing, said[:200], "the stages that use it do not run", install(module), needed=True)]
    return [described(thing, json.loads(done.stdout.strip().splitlines()[-1]), cost, mend)]


def described(thing: str, answer: dict[str, object], cost: str, mend: str) -> Finding:
    """Return the row of what a framework said of itself."""
    gpus = [*map(str, answer["gpus"]), *(["Metal"] if answer["mps"] else [])]  # type: ignore[call-overload]
    said = ", ".join(map(str, answer["said"]))  # type: ignore[call-overload]
    found = f"{said}; {', '.join(gpus) if gpus else 'no GPU'}"
    return Finding(thing, found) if gpus or not cost else Finding(thing, found, cost, mend)


def installed(module: str) -> bool:
    """Return whether a module's distribution is installed; it is not imported."""
    names = {"faiss": ("faiss-cpu", "faiss-gpu-cu12"), "onnxruntime": ("onnxruntime", "onnxruntime-gpu")}
    return any(map(known, names.get(module, (module,))))


def known(distribution: str) -> bool:
    """Return whether a distribution is installed."""
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def install(module: str) -> str:
    """Return the command that installs a framework."""
    return "pip install jax" if module == "jax" else "make demo, or uv pip install -r requirements.lock"


def weights() -> list[Finding]:
    """Return which ImageNet weights lie in the libraries' caches."""
    caches = {"torch": Path("~/.cache/torch/hub/checkpoints"), "Keras": Path("~/.keras/models")}
    found = {
        name: sorted(file.name for file in folder.expanduser().glob("*") if file.suffix in (".pth", ".h5", ".keras"))
        for name, folder in caches.items()
    }
    said = "; ".join(f"{name}: {', '.join(files)}" for name, files in found.items() if files)
    if said:
        return [Finding("ImageNet weights", said)]
    cost = "weights: imagenet needs a download at first; the demo begins without"
    return [Finding("ImageNet weights", "none in the caches", cost, "let one training fetch them, or weights: PATH")]


def together(found: list[Probe]) -> list[Finding]:
    """Return what probes find, asked side by side, in their order; one that fails says why."""
    with ThreadPoolExecutor(max(1, len(found))) as pool:
        return [finding for one in pool.map(safe, found) for finding in one]


def safe(probe: Probe) -> list[Finding]:
    """Return what a probe finds, or that it failed: the others go on."""
    try:
        return probe()
    except Exception as error:  # a probe meets machines that nobody foresaw
        name = getattr(probe, "__name__", "a probe")
        return [Finding(name, f"{type(error).__name__}: {error}"[:200], "unknown", "tell us")]
