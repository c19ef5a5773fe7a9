"""How fast matrix products are while they run, beside all the rest that a model's time goes to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

_OF = ("aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm", "mkldnn::_linear_pointwise", "aten::mkldnn_linear")
_FUSED = "flash_attention"  # its products cannot be told from its softmax


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
    rows = [one for one in seen.key_averages() if not one.key.startswith(("Profiler", "ProfilerStep"))]
    spent = [(one.key, one.self_device_time_total if cuda else one.self_cpu_time_total, one.flops) for one in rows]
    return Products(
        1e-6 * sum(time for key, time, _ in spent if key in _OF),
        1e-6 * sum(time for key, time, _ in spent if _FUSED in key),
        1e-6 * sum(time for _, time, _ in spent),
        float(sum(flops for key, _, flops in spent if key in _OF)),
    )
