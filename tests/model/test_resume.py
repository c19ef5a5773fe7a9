"""A training that was killed goes on, and ends as if nothing had happened."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from aufruf.model import device, resume, training
from aufruf.model.training import fine_tune

LABELS = ("no_call", "call")
DYING = """
import json, os, sys
from pathlib import Path
from aufruf.model import resume, training
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.recipe import Examples, Recipe

given, folder, moment = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), sys.argv[3]
die = lambda: os.kill(os.getpid(), 9)
sealed = []
def seal(checkpoint, of, whole=resume.seal):
    sealed.append(checkpoint)
    if moment == "before a checkpoint is whole" and len(sealed) == 3:
        die()
    whole(checkpoint, of)
resume.seal = seal
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


@pytest.mark.parametrize("moment", ["after an epoch", "before a checkpoint is whole"])
def test_a_killed_training_ends_in_the_same_weights(trained, tmp_path, encoder, recipe, rows, moment, forks):
    """kill -9 in the third of four epochs; the second run begins with the last whole one, and tells of all four."""
    given = {
        "encoder": str(encoder.folder),
        "recipe": recipe.as_dict(),
        "rows": [asdict(part) for part in rows],
    }
    (tmp_path / "given.json").write_text(json.dumps(given))
    assert forks.run(DYING, tmp_path / "given.json", tmp_path / "run", moment) == -9
    told = []
    again = fine_tune(
        encoder, LABELS, 1, *rows, recipe, tmp_path / "run", lambda epoch, row: told.append(epoch), resumable=True
    )
    assert told == [3, 4]
    assert [row["epoch"] for row in again.history] == [1, 2, 3, 4]
    assert again.history == trained.history
    assert digest(again.folder) == digest(trained.folder)
    assert not (tmp_path / "run" / "checkpoints").exists()


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


@pytest.mark.parametrize("changed", [{"kind": "cuda"}, {"bf16": True}])
def test_what_it_is_computed_with_makes_another_training(encoder, recipe, rows, monkeypatch, changed):
    """On another kind of device, or rounding where it did not, a training would end in other weights."""
    of, found = (encoder, LABELS, 1, recipe, *rows), replace(device.find(), bf16=False)
    monkeypatch.setattr(device, "find", lambda: found)
    before = training._mark(*of)
    monkeypatch.setattr(device, "find", lambda: replace(found, **changed))
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
