"""Half precision is a matter of speed: it is taken where it is faster, whatever the processor says it can."""

from collections.abc import Callable
from contextlib import suppress

import pytest
import torch

from aufruf.model import device


@pytest.mark.parametrize(("gain", "taken"), [(0.5, False), (1.1, False), (1.3, True), (4.0, True)])
def test_bf16_is_taken_where_it_is_faster(
    gain: float, taken: bool, full_precision: Callable[[], device.Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the instructions, and products that gain by them."""
    _cpu(monkeypatch, {"avx512_bf16": True}, gain)
    assert full_precision().bf16 is taken


def test_without_the_instructions_nothing_is_measured(
    full_precision: Callable[[], device.Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Emulated products are not tried."""
    _cpu(monkeypatch, {"avx2": True}, None)
    assert full_precision().bf16 is False


def test_the_gain_is_measured_once() -> None:
    """A number above 0, the same whenever it is asked for: a process computes in one precision."""
    assert device.bf16_gain() == device.bf16_gain() > 0


def test_a_busy_moment_does_not_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are timed in turn, and the quickest of each counts: what slows some products down decides nothing."""
    order = iter([9.0, 9.0, 2.0, 2.5] * 5)
    monkeypatch.setattr(device, "_seconds", lambda kind: next(order))
    assert device.bf16_gain.__wrapped__() == pytest.approx(0.8)


@pytest.mark.parametrize(("core", "half"), [((6, 1), "bf16"), ((7, 5), "fp16"), ((9, 0), "fp16")])
def test_a_gpu_with_tensor_cores_scores_in_fp16(
    core: tuple[int, int], half: str, full_precision: Callable[[], device.Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older ones are slow in it. cuDNN's attention, which plans anew for each shape of a batch, is left out."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda at: "a GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda at: core)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        found = full_precision()
        assert torch.backends.cuda.cudnn_sdp_enabled() is False
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)
    assert (found.kind, found.bf16, found.precision) == ("cuda", True, half)


@pytest.mark.parametrize(
    ("of", "precision", "kind"),
    [((False, False), "fp32", None), ((True, False), "bf16", torch.bfloat16), ((True, True), "fp16", torch.float16)],
)
def test_the_precision_is_that_of_the_products(of: tuple[bool, bool], precision: str, kind: torch.dtype | None) -> None:
    """What a device says of itself, a product has; with ``half=False`` none is rounded."""
    one, layer = device.Device("cpu", "x", *of), torch.nn.Linear(4, 4)
    assert one.precision == precision
    with torch.inference_mode(), one.autocast():
        assert layer(torch.ones(1, 4)).dtype == (kind or torch.float32)
    with torch.inference_mode(), one.autocast(half=False):
        assert layer(torch.ones(1, 4)).dtype == torch.float32


def test_batches_of_a_gpu_are_large_and_in_sixteens() -> None:
    """A GPU waits for the processor with batches that suit one, and copies masks of other widths."""
    gpu, cpu = device.Device("cuda", "x", True, True), device.Device("cpu", "x", False)
    assert gpu.tokens_per_batch > 16 * cpu.tokens_per_batch
    assert [gpu.width(tokens) for tokens in (1, 16, 17, 250)] == [16, 16, 32, 256]
    assert [cpu.width(tokens) for tokens in (1, 16, 17, 250)] == [1, 16, 17, 250]


def test_a_training_on_a_gpu_asks_for_repeatable_sums_and_no_longer_than_it_lasts() -> None:
    """What was set before is set again, also after a failure; a CPU is not asked."""
    with device.Device("cpu", "x", False).repeatable():
        assert not torch.are_deterministic_algorithms_enabled()
    with suppress(ValueError), device.Device("cuda", "x", True).repeatable():
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled(), "attention would take its quickest way"
        raise ValueError("it failed")
    with device.Device("cuda", "x", True).repeatable(strict=False):
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]


def _cpu(monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], gain: float | None) -> None:
    def measured() -> float:
        if gain is None:
            raise AssertionError("nothing was to be measured")
        return gain

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setattr(device, "bf16_gain", measured)
