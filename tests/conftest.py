"""Fixtures for all: a tiny real BERT, a small classifier, a home of one's own, and no network."""

import json
import os
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

CHECKOUT = Path(__file__).resolve().parents[1]

CLASSIFIER = """
labels = ["no_call", "call"]
positive = "call"
question = "Call to Action"
[spellings]
call = ["True", "TRUE", "1"]
no_call = ["False", "FALSE", "0"]
abstain = ["Unsure"]
[votes]
minimum = {minimum}
[encoder]
name = "{encoder}"
max_tokens = 48
[training]
epochs = 2
batch_size = 16
learning_rate = 1e-3
[sweep]
trials = 2
epochs = [1, 2]
learning_rate = [1e-3, 3e-3]
batch_size = [16]
[gate]
resamples = 200
beat_baseline = false
[explain]
calls = 2
uncertain = 1
control = 1
perturbations = 60
"""


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real two-layer BERT with random weights and a WordPiece vocabulary, as a Hugging Face folder."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoders") / "tiny-bert"
    words = "geht wählen am sonntag kommt zum infostand spendet jetzt die partei hat getagt wir danken euch allen"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = "abcdefghijklmnopqrstuvwxyzäöüß0123456789!?#@.,:"
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *words.split()]  # trained ones vary by run
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    roles = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{f"{k}_token": v for k, v in roles.items()})
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(fast),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def classifier_toml(tiny_bert: Path) -> str:
    """A classifier file for the tiny BERT."""
    return CLASSIFIER.format(encoder=tiny_bert.as_posix(), minimum=1)


@pytest.fixture
def write_classifier(tmp_path: Path, tiny_bert: Path) -> Callable[..., Path]:
    """Writes classifiers/NAME.toml for the tiny BERT into the test's folder; returns that classifiers folder."""

    def write(name: str = "call_to_action", extra: str = "", minimum: int = 1) -> Path:
        folder = tmp_path / "classifiers"
        folder.mkdir(exist_ok=True)
        text = CLASSIFIER.format(encoder=tiny_bert.as_posix(), minimum=minimum)
        (folder / f"{name}.toml").write_text(text + extra, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def settings(tmp_path: Path, write_classifier: Callable[..., Path]):  # type: ignore[no-untyped-def]
    """Settings of a fresh home with one classifier and the embedded registry."""
    from aufruf.settings import Settings

    loaded = Settings.load(tmp_path / "home", env={})
    return replace(loaded, classifiers=write_classifier())


@pytest.fixture
def classifier(settings):  # type: ignore[no-untyped-def]
    """The one classifier of ``settings``."""
    from aufruf.classifier import choose

    return choose(settings, None)


@pytest.fixture(scope="session")
def fill_inbox(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, int], None]:
    """``fill_inbox(home, n)``: drop every n-th annotated text of the sample, by all annotators, and all later posts."""
    from aufruf.sample import write_sample

    exports = tmp_path_factory.mktemp("sample")
    write_sample(exports)

    def fill(home: Path, every: int) -> None:
        for pattern, folder in (("annotations_*.json", "annotations"), ("posts_*", "posts")):
            inbox = home / "inbox" / folder
            inbox.mkdir(parents=True)
            for path in exports.glob(pattern):
                (inbox / path.name).write_text(
                    _slice(path, every) if folder == "annotations" else path.read_text("utf-8"), "utf-8"
                )
                os.utime(inbox / path.name, (1_790_000_000, 1_790_000_000))  # complete: nobody is writing it

    return fill


def _slice(path: Path, every: int) -> str:
    tasks = json.loads(path.read_text("utf-8"))
    return json.dumps([task for task in tasks if zlib.crc32(task["data"]["Identifier"].encode()) % every == 0])


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real texts; a test that needs it is skipped, saying so, where it is absent."""
    folder = Path(os.environ.get("AUFRUF_SHARED_DATA") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real texts are absent: {folder}")
    return folder
