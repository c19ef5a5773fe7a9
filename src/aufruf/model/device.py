"""What this machine computes with."""

import platform
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Device:
    """The device of a training or a scoring run, and whether it multiplies in bf16."""

    kind: str  # cuda | cpu
    name: str
    bf16: bool

    def autocast(self) -> torch.autocast:
        """Half-precision products where the hardware has them, else none."""
        return torch.autocast(self.kind, dtype=torch.bfloat16, enabled=self.bf16)


def find() -> Device:
    """The first GPU, else the CPU. bf16 on a CPU only where the instructions exist: emulated it is slower than fp32."""
    if torch.cuda.is_available():
        return Device("cuda", torch.cuda.get_device_name(0), torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return Device(
        "cpu",
        platform.processor() or platform.machine(),
        bool(able.get("avx512_bf16") or able.get("amx_bf16")),
    )
