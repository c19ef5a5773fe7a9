"""A bundle is what was registered, or it is refused."""

import json

import pytest
from safetensors.numpy import load_file, save_file

from aufruf.errors import BundleRefused
from aufruf.model import bundle
from aufruf.model.predictor import Predictor


def reseal(folder):
    """Seal a folder again after tampering: what an attacker with write access would do."""
    return bundle.seal(folder, bundle.Card(**json.loads((folder / bundle.CARD).read_text("utf-8"))))


def test_sealed_is_verified(bundled):
    """A sealed folder verifies against its own digest and gives its card back."""
    folder, digest = bundled
    card = bundle.verify(folder, digest)
    assert (tuple(card.labels), card.positive, card.threshold, card.max_tokens) == (
        ("no_call", "call"),
        "call",
        0.4,
        32,
    )
    assert card.recipe["epochs"] == 4


def test_sealing_twice_gives_the_same_digest(bundled):
    """The digest depends on the files alone."""
    folder, digest = bundled
    assert reseal(folder) == digest


def flip_a_byte(folder):
    path = folder / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def another_threshold(folder):
    card = json.loads((folder / bundle.CARD).read_text())
    (folder / bundle.CARD).write_text(json.dumps({**card, "threshold": 0.0}))


TAMPERED = {
    "changed weights": (flip_a_byte, "model.safetensors was changed"),
    "changed card": (another_threshold, "aufruf.json was changed"),
    "missing tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    "missing weights": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
    "foreign file": (lambda folder: (folder / "readme.txt").write_text("x"), "readme.txt is foreign"),
    "foreign code": (lambda folder: (folder / "modeling.py").write_text("x"), "modeling.py is foreign"),
    "foreign folder": (
        lambda folder: ((folder / "sub").mkdir(), (folder / "sub" / "a.json").write_text("{}")),
        "sub/a.json is foreign",
    ),
    "no manifest": (lambda folder: (folder / bundle.MANIFEST).unlink(), "no manifest"),
}


@pytest.mark.parametrize("tamper", TAMPERED)
def test_tampering_is_refused(bundled, tamper):
    """Whatever is changed, missing or foreign is named, and nothing is loaded."""
    folder, digest = bundled
    change, told = TAMPERED[tamper]
    change(folder)
    with pytest.raises(BundleRefused, match=told):
        Predictor.load(folder, digest)


def test_another_manifest_is_refused(bundled):
    """A folder that was changed and sealed again agrees with itself, but not with what the registry holds."""
    folder, digest = bundled
    flip_a_byte(folder)
    assert reseal(folder) != digest
    bundle.verify(folder)
    with pytest.raises(BundleRefused, match="the manifest is not the registered one"):
        bundle.verify(folder, digest)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "training_args.bin", "model.pt", "model.pkl", "head.joblib"])
def test_a_pickle_is_refused_even_when_sealed(bundled, name):
    """A file that can hold a pickle is refused although the manifest lists it."""
    folder, _ = bundled
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(BundleRefused, match=f"{name} can hold a pickle"):
        bundle.verify(folder, reseal(folder))


def change_config(folder, **changed):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_code_is_refused_even_when_sealed(bundled):
    """A config that asks to run code is refused although the manifest lists it."""
    folder, _ = bundled
    change_config(folder, auto_map={"AutoModel": "evil.Model"})
    with pytest.raises(BundleRefused, match="auto_map"):
        bundle.verify(folder, reseal(folder))


@pytest.mark.parametrize(
    "id2label",
    [{"0": "call", "1": "no_call"}, {"0": "no_call", "1": "call", "2": "maybe"}, {"0": "no_call"}],
    ids=["swapped", "one too many", "one too few"],
)
def test_other_labels_are_refused_even_when_sealed(bundled, id2label):
    """Weights whose labels are swapped, more or fewer than the card's would silently invert the answers."""
    folder, _ = bundled
    change_config(folder, id2label=id2label)
    with pytest.raises(BundleRefused, match="the weights' labels are"):
        bundle.verify(folder, reseal(folder))


def test_the_weights_that_are_loaded_are_the_sealed_ones(bundled, predictor):
    """A bundle with another head, properly sealed, answers differently: nothing is cached in between."""
    folder, _ = bundled
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"] = -weights["classifier.weight"]
    weights["classifier.bias"] = -weights["classifier.bias"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    turned = Predictor.load(folder, reseal(folder))
    text = ["geht am sonntag wählen"]
    assert turned.positives(text) + predictor.positives(text) == pytest.approx(1, abs=0.02)
