"""A training that was killed goes on, and ends as if nothing had happened."""

import errno
import hashlib
import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from aufruf.model import device, resume, training
from aufruf.model.recipe import Recipe
from aufruf.model.training import Trained, fine_tune

LABELS = ("no_call", "call")
DYING = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
from aufruf.model import device, resume, training
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.recipe import Examples, Recipe

given, folder, moment = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), sys.argv[3]
found = device.find
device.find = lambda: replace(found(), bf16=sys.argv[4] == "bf16")
die = lambda: os.kill(os.getpid(), 9)
sealed = []
seal, save = resume.seal, training._save
def dying(checkpoint, *of):
    sealed.append(checkpoint)
    if moment == "before a checkpoint is whole" and len(sealed) == 3:
        die()
    seal(checkpoint, *of)
resume.seal = dying
training._save = lambda *of: die() if moment == "after the last epoch" else save(*of)
def on_epoch(epoch, row):
    if moment == "after an epoch" and epoch == 3:
        die()
train, validation = (Examples(**part) for part in given["rows"])
encoder = ResolvedEncoder(Path(given["encoder"]), "tiny-bert", None, None)
training.fine_tune(
    encoder, ("no_call", "call"), 1, train, validation, Recipe(**given["recipe"]), folder, on_epoch, resumable=True
)
"""


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture
def rows(examples):
    return examples(96, 1), examples(24, 2)


@pytest.fixture(scope="module")
def slow(recipe) -> Recipe:
    """Learns from the third epoch on, and loses its patience in the fifth of eight; rows without a token decay fast."""
    return replace(recipe, learning_rate=1e-3, weight_decay=0.5, epochs=8, patience=1)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, encoder, slow, examples) -> Trained:
    made = fine_tune(encoder, LABELS, 1, examples(96, 1), examples(24, 2), slow, tmp_path_factory.mktemp("undisturbed"))
    values = [row["f1"] for row in made.history]
    assert max(values[:2]) < values[2], "the third epoch is the best so far"
    assert (len(values), made.best_epoch) == (5, 4), "patience ended it"
    return made


@pytest.fixture
def given(tmp_path, encoder, slow, rows) -> Path:
    """What a fork is to train."""
    parts = {"encoder": str(encoder.folder), "recipe": slow.as_dict(), "rows": [asdict(part) for part in rows]}
    (tmp_path / "given.json").write_text(json.dumps(parts))
    return tmp_path / "given.json"


@pytest.mark.parametrize(
    ("moment", "retold", "place"),
    [
        ("after an epoch", [3, 4, 5], "run"),
        ("before a checkpoint is whole", [3, 4, 5], "run"),
        ("after the last epoch", [], "run"),
        ("after the last epoch", [], "elsewhere"),
    ],
)
def test_a_killed_training_ends_in_the_same_weights(
    undisturbed, tmp_path, encoder, slow, rows, moment, retold, place, forks, given
):
    """kill -9 in the third epoch, the best so far, or after patience has ended it: the next run begins with what is
    whole, wherever that lies by then, and tells of all epochs."""
    assert forks.run(DYING, given, tmp_path / "run", moment, "fp32") == -9
    if place != "run":
        (tmp_path / "run").rename(tmp_path / place)
    sealed = (tmp_path / place).rglob("aufruf.json")
    before, told = max(resume.told(path.parent).get("seconds", 0) for path in sealed), []
    again = fine_tune(
        encoder, LABELS, 1, *rows, slow, tmp_path / place, lambda epoch, row: told.append(epoch), resumable=True
    )
    assert told == retold
    assert [row["epoch"] for row in again.history] == [1, 2, 3, 4, 5]
    assert again.history == undisturbed.history
    assert digest(again.folder) == digest(undisturbed.folder)
    assert again.seconds > before > 0, "the epochs before the kill count"
    assert not (tmp_path / place / "checkpoints").exists()


def test_in_bf16_the_weights_are_the_same_too(tmp_path, undisturbed, forks, given):
    """Two trainings of one seed, and one that was killed and went on, with the instructions that half precision is for.

    Other tests keep oneDNN from them (``ONEDNN_MAX_CPU_ISA``), so this one trains in processes of its own.
    """
    able = torch.cpu.get_capabilities()
    if not (able.get("avx512_bf16") or able.get("amx_bf16")):
        pytest.skip("this processor has no bf16 instructions: neither avx512_bf16 nor amx_bf16")
    env = {name: value for name, value in os.environ.items() if name != "ONEDNN_MAX_CPU_ISA"}
    runs = [tmp_path / name for name in ("one", "two", "killed")]
    assert forks.run(DYING, given, runs[2], "before a checkpoint is whole", "bf16", env=env) == -9
    assert [forks.run(DYING, given, run, "never", "bf16", env=env) for run in runs] == [0, 0, 0]
    found = {digest(run / "model") for run in runs}
    assert len(found) == 1
    assert digest(undisturbed.folder) not in found, "fp32 rounds otherwise"


def test_another_training_does_not_go_on(tmp_path, encoder, recipe, rows, trained):
    """A checkpoint of other data, or of another recipe, is removed, not continued."""

    class Stop(Exception):
        pass

    def stop(epoch, row):
        if epoch == 2:
            raise Stop

    other = replace(recipe, learning_rate=1e-3)
    with pytest.raises(Stop):
        fine_tune(encoder, LABELS, 1, *rows, other, tmp_path, stop, resumable=True)
    assert list((tmp_path / "checkpoints").glob("checkpoint-*/aufruf.json"))
    assert digest(fine_tune(encoder, LABELS, 1, *rows, recipe, tmp_path, resumable=True).folder) == digest(
        trained.folder
    )


@pytest.mark.parametrize(("changed", "threads"), [({"kind": "cuda"}, 1), ({"bf16": True}, 1), ({}, 2)])
def test_what_it_is_computed_with_makes_another_training(encoder, recipe, rows, monkeypatch, changed, threads):
    """On another kind of device, with other threads, or rounding where it did not, it would end in other weights."""
    of, found = (encoder, LABELS, 1, recipe, *rows), replace(device.find(), bf16=False)
    monkeypatch.setattr(device, "find", lambda: found)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    before = training._mark(*of)
    monkeypatch.setattr(device, "find", lambda: replace(found, **changed))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert training._mark(*of) != before


def test_a_checkpoint_is_whole_or_nothing(tmp_path):
    """Unsealed, changed or foreign checkpoints are removed; the newest of the others is the one to go on from."""
    for step in (9, 10, 11, 12, 13):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "optimizer.pt").write_bytes(bytes([step]))
        if step != 13:
            resume.seal(folder, "other" if step == 12 else "mine")
    (tmp_path / "checkpoint-11" / "optimizer.pt").write_bytes(b"swapped")
    assert resume.newest(tmp_path, "mine") == tmp_path / "checkpoint-10"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-9"]
    assert resume.newest(tmp_path / "nothing", "mine") is None


@pytest.mark.parametrize(("best", "found"), [("whole", 20), ("swapped", 10), ("gone", 10)])
def test_a_checkpoint_counts_with_the_best_one_only(tmp_path, best, found):
    """Without the best so far a training would end in its last weights: it goes on from where all is there."""
    for step, named in ((10, "/old/home/checkpoint-10"), (15, "/old/home/checkpoint-15"), (20, "checkpoint-15")):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(json.dumps({"best_model_checkpoint": named}))
        resume.seal(folder, "mine", {"micro": step})
    if best == "swapped":
        (tmp_path / "checkpoint-15" / "model.safetensors").write_bytes(b"swapped")
    if best == "gone":
        shutil.rmtree(tmp_path / "checkpoint-15")
    assert resume.newest(tmp_path, "mine") == tmp_path / f"checkpoint-{found}"
    assert (tmp_path / "checkpoint-20").exists() == (found == 20)
    assert resume.told(tmp_path / f"checkpoint-{found}") == {"micro": found}


def test_the_best_and_the_last_checkpoint_are_kept(tmp_path, encoder, recipe, rows):
    """After each epoch two lie there at most, both whole."""
    seen = []

    def look(epoch, row):
        found = tmp_path.glob("checkpoints/checkpoint-*")
        seen.append([int(path.name[11:]) // 12 for path in sorted(found) if (path / "aufruf.json").exists()])

    made = fine_tune(encoder, LABELS, 1, *rows, recipe, tmp_path, look, resumable=True)
    assert made.best_epoch == 2
    assert seen == [[], [1], [2], [2, 3]]


@pytest.mark.parametrize(
    ("failure", "free", "number"),
    [
        (SafetensorError("Error while serializing: I/O error: No space left (os error 28)"), 0, errno.ENOSPC),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"), 0, errno.ENOSPC),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"), 2**30, errno.EIO),
    ],
)
def test_a_full_disk_is_an_oserror_whoever_writes(tmp_path, monkeypatch, failure, free, number):
    """safetensors and PyTorch have errors of their own for it (as they were seen on a disk of a megabyte)."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, free))
    with pytest.raises(OSError, match=str(tmp_path)) as told, resume.writing(tmp_path):
        raise failure
    assert told.value.errno == number
    with pytest.raises(RuntimeError, match="something else"), resume.writing(tmp_path):
        raise RuntimeError("something else")


def test_a_finished_training_is_not_repeated(tmp_path, encoder, recipe, rows, monkeypatch):
    """Killed between the training and its registration: the model is there, and a file added to it does no harm."""
    short = replace(recipe, epochs=1)
    first = fine_tune(encoder, LABELS, 1, *rows, short, tmp_path, resumable=True)
    (first.folder / "card.json").write_text("{}")
    told = []
    again = fine_tune(encoder, LABELS, 1, *rows, short, tmp_path, lambda *seen: told.append(seen), resumable=True)
    assert (again, told) == (first, [])
    (first.folder / "model.safetensors").write_bytes(b"swapped")
    fine_tune(encoder, LABELS, 1, *rows, short, tmp_path, lambda *seen: told.append(seen), resumable=True)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([0.4], None),  # of 8 epochs, with a patience of 3
        ([0.4, 0.5, 0.5, 0.4, 0.3], 5),
        ([0.4, 0.5, 0.6, 0.4, 0.5, 0.6], 6),
        ([0.375] * 8, 7),  # never better than at first: counted from the fifth on
        ([0.375, 0.375, 0.375, 0.375, 0.65, 0.7, 0.74, 0.75], None),  # the best of the sweep's table
        ([0.5, 0.4, 0.4, 0.4, 0.4, 0.4], None),
        ([0.1, 0.2, 0.3, 0.4], None),
    ],
)
def test_patience_ends_no_training_that_has_not_begun_to_learn(values, ends):
    """Evaluations without a better value count after one better than the first, or once half of the epochs are over."""
    over = [n for n in range(1, len(values) + 1) if resume.impatient(values[:n], 8, 3)]
    assert (over or [None])[0] == ends


@pytest.mark.parametrize(("values", "epochs"), [([0.5, 0.4], 8), ([0.4, 0.5, 0.4, 0.5, 0.3], 5), ([0.1, 0.2, 0.3], 8)])
def test_a_training_that_had_lost_its_patience_is_over(tmp_path, values, epochs):
    """Three epochs without a better value were the end before the kill, and are the end after it."""
    logged = [{"loss": 1.0}, *({"eval_f1": value} for value in values)]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": logged}))
    assert resume.epochs(tmp_path, 8, 3, "f1") == epochs
    assert resume.epochs(None, 8, 3, "f1") == 8
