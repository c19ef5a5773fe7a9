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
    "foreign code": (lambda folder: (folder / "modeling.py").write_text("x"), "modeling.py is code"),
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


def test_code_of_the_tokenizer_is_refused_too(bundled):
    """The tokenizer's config is read like the model's."""
    folder, _ = bundled
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": {"AutoTokenizer": "evil.Tokenizer"}}))
    with pytest.raises(BundleRefused, match=r"tokenizer_config\.json asks to run code"):
        bundle.verify(folder, reseal(folder))


@pytest.mark.parametrize("name", ["modeling.py", "sub/__init__.py", "native.so"])
def test_a_module_is_refused_even_when_sealed(bundled, name):
    """A bundle is data: no file of it can be imported."""
    folder, _ = bundled
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("")
    with pytest.raises(BundleRefused, match=f"{name} is (code|foreign)"):
        bundle.verify(folder, reseal(folder) if "/" not in name else None)


OURS = {"loader_module": bundle.LOADER, "python_version": "3.11.7", "env": {"virtualenv": "python_env.yaml"}}


@pytest.mark.parametrize(
    "flavours",
    [
        {"python_function": {**OURS, "loader_module": "mlflow.sklearn"}},
        {"python_function": {**OURS, "code": "code"}},
        {"python_function": {**OURS, "model_code_path": "x"}},
        {"python_function": OURS, "sklearn": {"pickled_model": "x"}},
        {},
    ],
)
def test_another_way_to_load_is_refused_even_when_sealed(bundled, flavours):
    """An MLmodel that names a module, code or a flavour besides ours would have MLflow run it."""
    folder, _ = bundled
    (folder / bundle.MLMODEL).write_text(json.dumps({"flavors": {"python_function": OURS}}))
    bundle.verify(folder, reseal(folder))
    for text in (json.dumps({"flavors": flavours}), "flavors: {}", "[]"):
        (folder / bundle.MLMODEL).write_text(text)
        with pytest.raises(BundleRefused, match="MLmodel asks to run other code"):
            bundle.verify(folder, reseal(folder))


def test_what_mlflow_adds_to_a_copy_is_no_foreign_file(bundled):
    """MLflow's client writes a version's name and number into the folder it has fetched; nothing else may be added."""
    folder, digest = bundled
    (folder / "registered_model_meta").write_text("model_name: c\nmodel_version: '1'\n")
    bundle.verify(folder, digest)


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
