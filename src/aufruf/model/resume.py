"""Checkpoints of a training that may be killed: which are whole, and whether they are of the very same training."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

_SEAL = "aufruf.json"  # written last: a checkpoint without it was cut off while it was written
_DONE = "trained.json"
_UNWRITTEN = ("I/O error", "inline_container", "PytorchStreamWriter")  # safetensors' and PyTorch's words for it
_ROOM = 2**20  # bytes: a disk with fewer is full


def mark(**parts: Any) -> str:
    """SHA-256 of everything that the weights depend on: two trainings with one mark end in the same weights."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()


def newest(folder: Path, of: str) -> Path | None:
    """The last checkpoint of the training with the mark ``of`` that is whole, as is the one it says is the best so far.

    Everything else in ``folder`` is removed. A checkpoint holds state that is unpickled when a training goes on, so it
    must be one that was written here.
    """
    whole = {path.name: path for path in folder.glob("checkpoint-*") if _is_whole(path, of)}
    usable = [path for path in whole.values() if _best(path) in (None, *whole)]
    keep_only(folder, usable)
    return max(usable, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def keep_only(folder: Path, kept: Collection[Path]) -> None:
    """Remove all that is in ``folder`` but these."""
    for path in folder.glob("*"):
        if path not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def seal(checkpoint: Path, of: str, facts: Mapping[str, float] | None = None) -> None:
    """Say that a checkpoint is whole, of which training, and what whoever goes on with it is to know."""
    _write(checkpoint / _SEAL, {"mark": of, "files": _files(checkpoint), "facts": facts or {}})


def told(checkpoint: Path | None) -> dict[str, float]:
    """The facts that a checkpoint was sealed with."""
    return dict(_read(checkpoint / _SEAL).get("facts", {})) if checkpoint else {}


def finish(folder: Path, of: str, facts: Mapping[str, Any]) -> None:
    """Say that ``folder``/model holds what a training has made, and how it went."""
    _write(folder / _DONE, {"mark": of, "files": _files(folder / "model"), "facts": facts})


def finished(folder: Path, of: str) -> dict[str, Any] | None:
    """How a training went whose model lies in ``folder``, as ``finish`` was told; None where it is not done."""
    record = _read(folder / _DONE)
    now = _files(folder / "model")
    if record.get("mark") != of or {name: now.get(name) for name in record["files"]} != record["files"]:
        return None
    return dict(record["facts"])


def epochs(checkpoint: Path | None, planned: int, patience: int, metric: str) -> int:
    """How many epochs a training has: those it has done, where it had lost its patience when it was killed."""
    if checkpoint is None:
        return planned
    logged = _read(checkpoint / "trainer_state.json")["log_history"]
    values = [row[f"eval_{metric}"] for row in logged if f"eval_{metric}" in row]
    return len(values) if impatient(values, planned, patience) else planned


def impatient(values: Sequence[float], planned: int, patience: int) -> bool:
    """Whether so many evaluations, one an epoch, have brought no better value; a training that has them ends.

    In the first half of the ``planned`` epochs those count only that follow a value better than the first: a
    fine-tuning may stay at one label for epochs before it begins to learn (docs/decisions/08-sweeps.md).
    """
    best = values.index(max(values))
    waited = range(best + 1, len(values))
    return sum(best > 0 or 2 * (at + 1) > planned for at in waited) >= patience


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raises OSError where weights or optimizer cannot be written; their libraries have errors of their own for it."""
    try:
        yield
    except (RuntimeError, SafetensorError) as error:
        if not any(sign in str(error) for sign in _UNWRITTEN):
            raise
        number = errno.ENOSPC if shutil.disk_usage(folder).free < _ROOM else errno.EIO
        raise OSError(number, os.strerror(number), str(folder)) from error


def _best(checkpoint: Path) -> str | None:
    """The name of the best checkpoint when this one was written; the home may have lain elsewhere then."""
    named = _read(checkpoint / "trainer_state.json").get("best_model_checkpoint")
    return Path(named).name if named else None


def _is_whole(checkpoint: Path, of: str) -> bool:
    record = _read(checkpoint / _SEAL)
    return record.get("mark") == of and record.get("files") == _files(checkpoint)


def _write(path: Path, record: Mapping[str, Any]) -> None:
    draft = path.with_name(f".{path.name}")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record


def _files(folder: Path) -> dict[str, str]:
    """Digest of each file: another file in its place is not what this training wrote."""
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in (_SEAL, f".{_SEAL}"):
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
