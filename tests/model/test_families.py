"""The families of encoders that people use for German texts go through one code path, from folder to probability."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from transformers import AutoModelForMaskedLM, DistilBertConfig, ModernBertConfig, XLMRobertaConfig

from aufruf.model import bundle
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.predictor import Predictor
from aufruf.model.training import fine_tune

LABELS = ("no_call", "call")


def _config(family: str, vocabulary: int):
    shape = {"vocab_size": vocabulary, "pad_token_id": 0}
    if family == "distilbert":
        return DistilBertConfig(dim=32, hidden_dim=64, n_layers=2, n_heads=2, max_position_embeddings=64, **shape)
    deep = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, **shape}
    if family == "modernbert":
        marks = {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
        return ModernBertConfig(max_position_embeddings=64, reference_compile=False, **deep, **marks)
    return XLMRobertaConfig(max_position_embeddings=66, type_vocab_size=1, bos_token_id=2, eos_token_id=3, **deep)


@pytest.mark.parametrize("family", ["distilbert", "modernbert", "xlm-roberta"])
@pytest.mark.parametrize("frozen", [0, 1])
def test_a_family_is_tuned_sealed_and_scored(family, frozen, encoder, recipe, examples, tmp_path):
    """Weights from a folder are fine-tuned, sealed as safetensors, and give probabilities that tell calls apart."""
    folder = tmp_path / "encoder"
    vocabulary = json.loads((encoder.folder / "config.json").read_text())["vocab_size"]
    AutoModelForMaskedLM.from_config(_config(family, vocabulary)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(encoder.folder / name, folder / name)
    resolved = ResolvedEncoder(folder, family, None, None)
    short = replace(recipe, frozen_layers=frozen)
    trained = fine_tune(resolved, LABELS, 1, examples(96, 1), examples(24, 2), short, tmp_path / "run")
    card = bundle.Card(LABELS, "call", 0.5, 32, "head_tail", family, None, short.as_dict(), "mark")
    digest = bundle.seal(trained.folder, card)
    given = examples(40, 3)
    called = Predictor.load(trained.folder, digest).positives(given.texts)
    truth = given.truth[:, 1]
    assert np.isfinite(called).all()
    assert called[truth].mean() > called[~truth].mean()
    assert not [path.name for path in trained.folder.iterdir() if path.suffix in {".bin", ".pt", ".pkl", ".pth"}]
