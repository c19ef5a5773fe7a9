"""One GPU for each process: of several the first that no other process has taken."""

import fcntl
import logging
import os
import re
import tempfile
from functools import cache
from pathlib import Path

import torch

log = logging.getLogger(__name__)
_held: list[int] = []  # descriptors of locks, which end with the process
_SLICE = "MIG-"  # how the name of a part of a GPU begins; of several CUDA sees only the first
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # the same in all containers of a machine, and on no other


def take_one() -> None:
    """See to it that this process sees one GPU at most. It must come before anything else asks CUDA, if only whether
    it is available; later it changes nothing.

    transformers' Trainer would spread each batch over all GPUs that it sees, which makes the batch larger than the
    recipe has it, and processes side by side - trials, shards - would all compute on the first. Where all are taken
    it is any. ``CUDA_VISIBLE_DEVICES`` says which there are, and afterwards which one it is. Locks lie in
    ``AUFRUF_GPU_LOCKS``, which containers of one machine share, else in the machine's temporary folder; they are a
    user's own.
    """
    if torch.cuda.is_initialized():
        return
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    slices = [name for name in named if name.startswith(_SLICE)]
    count = len(slices) or torch.cuda.device_count()
    if count < 2:
        return
    names = slices or named[:count] or [str(at) for at in range(count)]
    free = next((name for name in names if _taken(name)), None)
    os.environ["CUDA_VISIBLE_DEVICES"] = free or names[os.getpid() % len(names)]


def _taken(name: str) -> bool:
    """Whether this process has the GPU from now on."""
    folder = Path(os.environ.get("AUFRUF_GPU_LOCKS") or tempfile.gettempdir())
    file = f"aufruf-gpu-{re.sub(r'[^A-Za-z0-9-]', '_', name)}-{_machine()}-{os.getuid()}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / file, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    except OSError as error:  # a link, a folder of somebody else, a disk that is only read
        log.warning("which GPU is free cannot be noted: %s", error)
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is held, or this disk knows no locks
        os.close(descriptor)
        return False
    _held.append(descriptor)
    return True


@cache
def _machine() -> str:
    return _BOOT.read_text("utf-8")[:8] if _BOOT.is_file() else ""
