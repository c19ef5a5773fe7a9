"""How fast matrix products are while they run, beside all the rest that a model's time goes to."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

_OF = ("aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm", "mkldnn::_linear_pointwise", "aten::mkldnn_linear")
_FUSED = ("flash_attention", "efficient_attention", "cudnn_attention")  # whose products cannot be told from its softmax


@dataclass(frozen=True)
class Products:
    """Seconds by the clock: those in products of weights, those in fused attention, and all.

    ``flops``: those that PyTorch can count, of products outside fused attention.
    """

    seconds: float
    fused: float
    whole: float
    flops: float

    @property
    def share(self) -> float:
        return self.seconds / self.whole


def measured(work: Callable[[], Any]) -> Products:
    """What a piece of work spends in products, by PyTorch's profiler; on a CPU in its calling thread."""
    cuda = torch.cuda.is_available()
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=kinds, with_flops=True, acc_events=True) as seen:
        work()
    calls = [one for one in seen.key_averages() if one.device_type == DeviceType.CPU]  # which kernels are counted with
    rows = [one for one in calls if not one.key.startswith("Profiler")]
    spent = [(one.key, one.self_device_time_total if cuda else one.self_cpu_time_total, one.flops) for one in rows]
    return Products(
        1e-6 * sum(time for key, time, _ in spent if key in _OF),
        1e-6 * sum(time for key, time, _ in spent if any(name in key for name in _FUSED)),
        1e-6 * sum(time for _, time, _ in spent),
        float(sum(flops for key, _, flops in spent if key in _OF)),
    )


def clock() -> float:
    """Seconds that this process has computed; on a GPU the clock's, when what it was told is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def peak(kind: torch.dtype) -> float:
    """FLOP/s by the clock of a large product of square matrices, the best of a dozen."""
    where, size = ("cuda", 8192) if torch.cuda.is_available() else ("cpu", 2048)
    a, b = (torch.randn(size, size, device=where).to(kind) for _ in range(2))
    best = 0.0
    for _ in range(12):
        start = time.perf_counter()
        product = a @ b
        float(product[0, 0])  # waits for it
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


@contextmanager
def others() -> Iterator[None]:
    """PyTorch's own choice of attention on a GPU, for what is compared with us; ours leaves cuDNN's out."""
    before = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(True)
    try:
        yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)
