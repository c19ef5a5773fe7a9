"""Half precision is a matter of speed: it is taken where it is faster, whatever the processor says it can."""

from collections.abc import Callable

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


def _cpu(monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], gain: float | None) -> None:
    def measured() -> float:
        if gain is None:
            raise AssertionError("nothing was to be measured")
        return gain

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setattr(device, "bf16_gain", measured)
