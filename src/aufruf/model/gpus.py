"""One GPU for each process: of several the first that no other process has taken."""

import fcntl
import os
import re
import tempfile
from pathlib import Path

import torch

_held: list[int] = []  # descriptors of locks, which end with the process


def take_one() -> None:
    """See to it that this process sees one GPU at most. It must come before CUDA begins; later it changes nothing.

    transformers' Trainer would spread each batch over all GPUs that it sees, which makes the batch larger than the
    recipe has it, and processes side by side - trials, shards - would all compute on the first. Where all are taken
    it is any. ``CUDA_VISIBLE_DEVICES`` says which there are, and afterwards which one it is. Locks lie in
    ``AUFRUF_GPU_LOCKS``, which containers of one machine share, else in the machine's temporary folder.
    """
    if torch.cuda.is_initialized() or (count := torch.cuda.device_count()) < 2:
        return
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = named.split(",")[:count] if named else [str(at) for at in range(count)]
    free = next((name for name in names if _taken(name)), None)
    os.environ["CUDA_VISIBLE_DEVICES"] = free or names[os.getpid() % count]


def _taken(name: str) -> bool:
    """Whether this process has the GPU from now on."""
    file = f"aufruf-gpu-{re.sub(r'[^A-Za-z0-9-]', '_', name.strip())}-{os.getuid()}.lock"
    folder = Path(os.environ.get("AUFRUF_GPU_LOCKS") or tempfile.gettempdir())
    descriptor = os.open(folder / file, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held.append(descriptor)
    return True
