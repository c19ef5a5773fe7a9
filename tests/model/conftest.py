"""One small training, sealed into one bundle, for all tests that read a model."""

import itertools
import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.recipe import Examples, Recipe

LABELS = ("no_call", "call")


@pytest.fixture(scope="session", autouse=True)
def _the_same_on_every_machine(full_precision: object) -> None:
    """Tests of what models say do not depend on the processor."""


def make_examples(count: int, seed: int, classes: int = 2) -> Examples:
    """Texts whose first words give the label away, in all lengths a batch can hold."""
    draw = random.Random(seed)
    starts = ["die partei hat gestern getagt", "geht am sonntag wählen", "wir danken euch allen"][:classes]
    rest = ["am", "sonntag", "zum", "infostand", "jetzt", "gestern", "🗳️", "#wahl", "@partei"]
    labels = [at for at, _ in zip(itertools.cycle(range(classes)), range(count), strict=False)]
    texts = [f"{starts[label]} {' '.join(draw.choices(rest, k=draw.randint(0, 12)))}".strip() for label in labels]
    names = [f"t{n}" for n in range(count)]
    return Examples(names, texts, hot(labels, classes), names)


def hot(labels: Iterable[int], classes: int = 2) -> list[list[int]]:
    """Label indices as targets."""
    return [[int(at == label) for at in range(classes)] for label in labels]


@pytest.fixture(scope="session")
def encoder(tiny_bert: Path) -> ResolvedEncoder:
    return ResolvedEncoder(tiny_bert, "tiny-bert", None, None)


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return Recipe(
        epochs=4,
        batch_size=8,
        learning_rate=4e-3,
        weight_decay=0.01,
        warmup=0.1,
        patience=3,
        class_weights="balanced",
        frozen_layers=0,
        seed=5460,
        max_tokens=32,
        truncation="head_tail",
        metric="f1",
    )


@pytest.fixture(scope="session")
def examples() -> Callable[..., Examples]:
    return make_examples


@pytest.fixture(scope="session")
def trained(tmp_path_factory, encoder, recipe):
    """A finished training of three epochs."""
    from aufruf.model.training import fine_tune

    folder = tmp_path_factory.mktemp("trained")
    return fine_tune(encoder, LABELS, 1, make_examples(96, 1), make_examples(24, 2), recipe, folder)


@pytest.fixture(scope="session")
def sealed(tmp_path_factory, trained, recipe) -> tuple[Path, str]:
    """The sealed bundle of that training, and its manifest's digest."""
    from aufruf.model import bundle

    folder = tmp_path_factory.mktemp("sealed") / "model"
    shutil.copytree(trained.folder, folder)
    card = bundle.Card(LABELS, "call", 0.4, 32, "head_tail", "tiny-bert", None, recipe.as_dict(), "mark")
    return folder, bundle.seal(folder, card)


@pytest.fixture
def bundled(tmp_path: Path, sealed) -> tuple[Path, str]:
    """A copy of the bundle to tamper with."""
    folder, digest = sealed
    return Path(shutil.copytree(folder, tmp_path / "model")), digest


@pytest.fixture(scope="session")
def predictor(sealed):
    from aufruf.model.predictor import Predictor

    return Predictor.load(*sealed)


@pytest.fixture(scope="session")
def stand_in_folder(tmp_path_factory) -> Path:
    """The stand-in encoder, converted once."""
    from aufruf.model import stand_in

    return stand_in.convert(tmp_path_factory.mktemp("encoders") / stand_in.NAME)
