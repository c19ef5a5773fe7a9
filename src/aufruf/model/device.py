"""What this machine computes with."""

import platform
import time
from dataclasses import dataclass
from functools import cache

import torch

_ROWS, _WIDE = 512, 1024  # of the product that is timed: as large as a small batch's, some milliseconds
_TIMES = 5
_WORTH = 1.2  # times as fast as fp32: below that, rounding buys nothing


@dataclass(frozen=True)
class Device:
    """The device of a training or a scoring run, and whether it multiplies in bf16."""

    kind: str  # cuda | cpu
    name: str
    bf16: bool

    def autocast(self) -> torch.autocast:
        """Half-precision products where they are faster, else none."""
        return torch.autocast(self.kind, dtype=torch.bfloat16, enabled=self.bf16)


def find() -> Device:
    """The first GPU, else the CPU. bf16 on a CPU only where it has the instructions and they are faster than fp32."""
    if torch.cuda.is_available():
        return Device("cuda", torch.cuda.get_device_name(0), torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    has = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return Device("cpu", platform.processor() or platform.machine(), has and bf16_gain() >= _WORTH)


@cache
def bf16_gain() -> float:
    """How many times as fast as in fp32 a product of matrices is in bf16 on this CPU, measured once a process.

    Having the instructions says little: on an AMD processor with avx512_bf16 it was four times, on an Intel one with
    avx512_bf16 and no AMX half (docs/decisions/14-scoring-in-shards.md).
    """
    return _seconds(torch.float32) / _seconds(torch.bfloat16)


def _seconds(kind: torch.dtype) -> float:
    left, right = torch.ones(_ROWS, _WIDE, dtype=kind), torch.ones(_WIDE, _WIDE, dtype=kind)
    best = float("inf")
    for _ in range(_TIMES):
        start = time.perf_counter()
        torch.nn.functional.linear(left, right)
        best = min(best, time.perf_counter() - start)
    return best
