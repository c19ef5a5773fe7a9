"""What this machine computes with."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from aufruf.model import gpus

_ROWS, _WIDE = 512, 1024  # of the product that is timed: as large as a small batch's, some milliseconds
_TIMES = 10
_WORTH = 1.2  # times as fast as fp32: below that, rounding buys nothing
_ALIGNED = 16  # tokens; in between, PyTorch copies the mask of a batch into such a width for every layer
_FULL = ("out of memory", "ALLOC_FAILED")
_TENSOR_CORES = (7, 0)  # compute capability of the first GPUs whose products are faster in fp16


@dataclass(frozen=True)
class Device:
    """The device of a training or a scoring run, and the half precision that it multiplies in."""

    kind: str  # cuda | cpu
    name: str
    bf16: bool
    fp16: bool = False  # for scoring, before bf16: as fast and eight times as exact, but numbers end at 65,504

    @property
    def precision(self) -> str:
        """Of products while scoring: fp16, bf16 or fp32."""
        return "fp16" if self.fp16 else "bf16" if self.bf16 else "fp32"

    @property
    def tokens_per_batch(self) -> int:
        """Padded tokens of a batch that is scored, unless the classifier says otherwise: a GPU waits with few."""
        return 131_072 if self.kind == "cuda" else 2048

    def width(self, tokens: int) -> int:
        """How wide a batch is made whose longest text has so many tokens: a GPU's attention wants multiples of 16."""
        return -(-tokens // _ALIGNED) * _ALIGNED if self.kind == "cuda" else tokens

    def autocast(self, half: bool = True) -> torch.autocast:
        """Half-precision products where they are faster, else none."""
        kind = torch.float16 if self.fp16 else torch.bfloat16
        return torch.autocast(self.kind, dtype=kind, enabled=half and (self.fp16 or self.bf16))

    @contextmanager
    def repeatable(self, strict: bool = True) -> Iterator[None]:
        """Sums in the same order each time: on a GPU only with algorithms that are told to; a CPU's have it anyway.

        ``strict``: what cannot do so raises RuntimeError; else it warns, and attention takes its quickest way.
        """
        if self.kind == "cpu":
            yield
            return
        before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
        empty: Any = torch.utils.deterministic
        filled, empty.fill_uninitialized_memory = empty.fill_uninitialized_memory, False
        torch.use_deterministic_algorithms(True, warn_only=not strict)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
            empty.fill_uninitialized_memory = filled


def find() -> Device:
    """A GPU that is free, else the CPU. bf16 on a CPU only where it has the instructions and they are faster than fp32.

    Of PyTorch's ways to compute attention on a GPU cuDNN's is left out: it plans anew for each shape of a batch, and
    texts come in hundreds (docs/decisions/26-on-a-gpu.md).
    """
    gpus.take_one()
    if torch.cuda.is_available():
        torch.backends.cuda.enable_cudnn_sdp(False)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it its sums have no order
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        fp16 = torch.cuda.get_device_capability(0) >= _TENSOR_CORES
        return Device("cuda", torch.cuda.get_device_name(0), bf16, fp16)
    able = torch.cpu.get_capabilities()
    has = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return Device("cpu", platform.processor() or platform.machine(), has and bf16_gain() >= _WORTH)


@cache
def bf16_gain() -> float:
    """How many times as fast as in fp32 a product of matrices is in bf16 on this CPU, measured once a process.

    Having the instructions says little: on an AMD processor with avx512_bf16 it was four times, on an Intel one with
    avx512_bf16 and no AMX half (docs/decisions/14-scoring-in-shards.md).
    """
    tried = [(_seconds(torch.float32), _seconds(torch.bfloat16)) for _ in range(_TIMES)]  # in turn: both meet the same
    return min(full for full, _ in tried) / min(half for _, half in tried)


def _seconds(kind: torch.dtype) -> float:
    left, right = torch.ones(_ROWS, _WIDE, dtype=kind), torch.ones(_WIDE, _WIDE, dtype=kind)
    start = time.perf_counter()
    torch.nn.functional.linear(left, right)
    return time.perf_counter() - start


def is_full(error: RuntimeError) -> bool:
    """Whether an error of PyTorch says that the memory of the device is full: there are several that do."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in _FULL)
