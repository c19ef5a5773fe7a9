"""A process computes on one GPU, and processes side by side on different ones."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from aufruf.model import device, gpus


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Locks in a folder of the test's own, given back at its end."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("AUFRUF_GPU_LOCKS", raising=False)
    monkeypatch.setattr(gpus, "_held", [])
    yield tmp_path
    for descriptor in gpus._held:
        os.close(descriptor)


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str | None]:
    """Takes one of so many GPUs as a new process would that finds ``visible`` in its environment."""

    def taken(count: int, visible: str | None = None) -> str | None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        gpus.take_one()
        return os.environ.get("CUDA_VISIBLE_DEVICES")

    return taken


def test_each_takes_another_until_there_are_no_more(take: Callable[..., str | None]) -> None:
    """Three processes on two GPUs: two have one each, the third shares."""
    assert [take(2), take(2)] == ["0", "1"]
    assert take(2) in {"0", "1"}


def test_one_that_is_given_back_is_taken_again(take: Callable[..., str | None]) -> None:
    """A process that ends, however it does, gives its GPU back: the lock is the kernel's."""
    assert [take(3), take(3)] == ["0", "1"]
    os.close(gpus._held.pop(0))
    assert take(3) == "0"


@pytest.mark.parametrize(
    ("count", "visible", "first"),
    [(0, None, None), (1, None, None), (1, "5", "5"), (2, "3,5", "3"), (1, "MIG-a/1/0, MIG-a/2/0", "MIG-a/1/0")],
)
def test_only_what_is_visible_is_taken(
    take: Callable[..., str | None], count: int, visible: str | None, first: str | None
) -> None:
    """Whoever says which GPUs there are is obeyed; with one or none nothing is chosen. Of slices CUDA counts one."""
    assert take(count, visible) == first


def test_a_process_that_computes_already_stays_where_it_is(
    take: Callable[..., str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once CUDA has begun, its environment is read no more."""
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert take(2) is None


def test_the_lock_is_private_and_no_link_is_followed(take: Callable[..., str | None], locks: Path) -> None:
    """In a folder where anybody may write, a link that is there before does not lead elsewhere."""
    take(2)
    (lock,) = locks.glob("aufruf-gpu-0-*")
    assert lock.stat().st_mode & 0o777 == 0o600
    lock.with_name(lock.name.replace("-0-", "-1-", 1)).symlink_to(locks / "elsewhere")
    assert take(2) in {"0", "1"}
    assert not (locks / "elsewhere").exists()


def test_where_nothing_can_be_noted_it_is_any(
    take: Callable[..., str | None], locks: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that cannot be made stops no step; a log line says why GPUs may be shared."""
    (locks / "file").write_text("")
    monkeypatch.setenv("AUFRUF_GPU_LOCKS", str(locks / "file" / "below"))
    assert take(2) in {"0", "1"}
    assert "which GPU is free cannot be noted" in caplog.text


def test_containers_of_one_machine_share_a_folder(
    take: Callable[..., str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a temporary folder of its own; the locks lie where they are told to."""
    shared = tmp_path / "shared"
    monkeypatch.setenv("AUFRUF_GPU_LOCKS", str(shared))
    for own in ("a", "b"):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / own))
        assert take(2) == {"a": "0", "b": "1"}[own]
    assert len(list(shared.iterdir())) == 2


def test_looking_for_the_device_takes_one(
    full_precision: Callable[[], device.Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to think of it."""
    asked = []
    monkeypatch.setattr(gpus, "take_one", lambda: asked.append(1))
    full_precision()
    assert asked == [1]
