"""A version answers its canary texts as it did when it was registered, or scores nothing."""

import json
from dataclasses import replace

import pytest

from aufruf.errors import BundleRefused
from aufruf.model import bundle, canaries
from aufruf.model.predictor import Predictor


@pytest.fixture
def kept(bundled, predictor):
    """A sealed folder with the canaries of the tiny model."""
    folder, _ = bundled
    canaries.keep(folder, predictor)
    bundle.seal(folder, predictor.card)
    return folder


def _change(folder, how):
    """Let the record say something else of each canary."""
    written = json.loads((folder / canaries.NAME).read_text("utf-8"))
    for one in written["canaries"]:
        how(one)
    (folder / canaries.NAME).write_text(json.dumps(written), "utf-8")


def test_a_version_answers_as_before(kept, predictor):
    """The canaries are in the manifest, span what the version says, and are answered by whoever loads it."""
    assert canaries.NAME in json.loads((kept / bundle.MANIFEST).read_text("utf-8"))
    known, _ = canaries.read(kept)
    assert 20 <= len(known) <= canaries.COUNT
    odds = [one.probabilities["call"] for one in known]
    said = predictor.positives(list(canaries._texts()))
    assert min(odds) <= min(said) + 1e-6
    assert max(odds) >= max(said) - 1e-6
    assert max(odds) - min(odds) > 0.1
    assert canaries.ask(kept, Predictor.load(kept), "1") == len(known)


@pytest.mark.parametrize(
    ("by", "precision", "passes"),
    [(0.015, "fp32", True), (0.03, "fp32", False), (0.03, "bf16", True), (0.05, "bf16", False)],
)
def test_a_probability_may_differ_by_the_tolerance(kept, predictor, by, precision, passes):
    """Half precision is forgiven, another device's more, another model is not; the error quotes text and answers."""
    written = json.loads((kept / canaries.NAME).read_text("utf-8"))
    (kept / canaries.NAME).write_text(json.dumps(written | {"precision": precision}), "utf-8")

    def shift(one):
        up = by if one["probabilities"]["call"] < 0.5 else -by
        one["probabilities"] = {
            "call": one["probabilities"]["call"] + up,
            "no_call": one["probabilities"]["no_call"] - up,
        }

    _change(kept, shift)
    if passes:
        assert canaries.ask(kept, predictor, "1") > 0
        return
    with pytest.raises(BundleRefused, match=r"24 of 24 canary texts .* version 1 .* call 0\.\d+, was 0\.\d+.*No post"):
        canaries.ask(kept, predictor, "1")


def test_a_label_may_differ_only_at_the_threshold(kept, predictor):
    """The same probabilities with another label: refused, unless the tolerance decides which label it is."""

    def turn(one):
        one["labels"] = ["no_call"] if one["labels"] == ["call"] else ["call"]

    _change(kept, turn)
    with pytest.raises(BundleRefused, match="canary texts are no longer answered"):
        canaries.ask(kept, predictor, "1")
    written = json.loads((kept / canaries.NAME).read_text("utf-8"))
    written["canaries"] = written["canaries"][:1]
    (kept / canaries.NAME).write_text(json.dumps(written), "utf-8")
    at = written["canaries"][0]["probabilities"]["call"] + 0.01
    near = Predictor(predictor.model, predictor.tokenizer, replace(predictor.card, threshold=at), 2048)
    assert canaries.ask(kept, near, "1") == 1


def test_a_version_of_before_has_none(bundled, predictor):
    """A bundle without canaries is asked nothing and may score."""
    folder, _ = bundled
    assert canaries.ask(folder, predictor, "1") == 0
