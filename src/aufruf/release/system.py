"""What a run ran on: versions and hardware, and how busy the machine was meanwhile."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from importlib import metadata
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor

from aufruf.release.tracking import Run

SECONDS = 10.0  # from sample to sample, as MLflow does it itself
PACKAGES = ("aufruf", "torch", "transformers", "tokenizers", "datasets", "mlflow", "optuna", "numpy", "scikit-learn")
_MONITORS = (CPUMonitor, DiskMonitor, NetworkMonitor, GPUMonitor, ROCMMonitor)
_ABSENT = (ImportError, RuntimeError, OSError, AttributeError, psutil.Error, MlflowException)  # what cannot be measured


def environment(device: str) -> dict[str, Any]:
    """Python, packages, operating system and hardware; ``device`` is what the training computes with."""
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.release()}",
        "device": device,
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


@contextmanager
def watched(run: Run, seconds: float = SECONDS) -> Iterator[None]:
    """While the block runs, log the machine's load as MLflow's system metrics, through the run's outbox."""
    monitors = [one for one in map(_started, _MONITORS) if one is not None]
    over = Event()
    work = partial(copy_context().run, _sample, run, monitors, over, seconds)  # by the context a log knows its task
    thread = Thread(target=work, name="system-metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)


def _sample(run: Run, monitors: list[Any], over: Event, seconds: float) -> None:
    """One point at the end of each stretch; its step counts stretches since the run began, also in another process."""
    step = -1
    while monitors:
        over.wait(seconds)
        seen = [values for one in monitors if (values := _measured(one)) is not None]
        step = max(step + 1, int((time.time() * 1000 - run.started) / (seconds * 1000)))
        run.points(step, {f"system/{name}": value for values in seen for name, value in values.items()})
        if over.is_set():
            return


def _started(kind: type[Any]) -> Any | None:
    """A monitor that has measured once: the load of a processor is that since the last look."""
    try:
        monitor = kind()
        monitor.collect_metrics()
    except _ABSENT:
        return None
    monitor.clear_metrics()
    return monitor


def _measured(monitor: Any) -> dict[str, float] | None:
    try:
        monitor.collect_metrics()
        values: dict[str, float] = monitor.aggregate_metrics()
    except _ABSENT:
        return None
    monitor.clear_metrics()
    return values


def version(package: str) -> str | None:
    """The installed version of a package; None where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    """The processor's model where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
