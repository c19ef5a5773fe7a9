"""The families of encoders that people use for German texts go through one code path, from folder to probability."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    CamembertConfig,
    DebertaV2Config,
    DebertaV2Model,
    DistilBertConfig,
    ElectraConfig,
    EuroBertConfig,
    ModernBertConfig,
    XLMRobertaConfig,
)

from aufruf.classifier import Encoder
from aufruf.errors import UsageError
from aufruf.model import bundle
from aufruf.model.encoders import ResolvedEncoder, resolve
from aufruf.model.head import new_classifier
from aufruf.model.predictor import Predictor
from aufruf.model.recipe import Examples
from aufruf.model.training import _frozen, fine_tune
from aufruf.model.vocabulary import Vocabulary

LABELS = ("no_call", "call")
BERT = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}  # special tokens and their ids
ROBERTA = {"[CLS]": 0, "[PAD]": 1, "[SEP]": 2, "[UNK]": 3}
CAMEMBERT = {"[PAD]": 1, "[UNK]": 3, "[CLS]": 5, "[SEP]": 6}  # 0, 2 and 4 are never used
IDS = {"distilbert": BERT, "modernbert": BERT, "xlm-roberta": ROBERTA, "camembert": CAMEMBERT}
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 60}
OTHERS = {"eurobert": BERT}  # of another build: several heads of queries share keys and values


def _config(family: str, vocabulary: int):
    ids = (IDS | OTHERS)[family]
    shape = {"vocab_size": vocabulary, "pad_token_id": ids["[PAD]"]}
    if family == "distilbert":
        return DistilBertConfig(dim=32, hidden_dim=64, n_layers=2, n_heads=2, max_position_embeddings=64, **shape)
    deep = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, **shape}
    marks = {"bos_token_id": ids["[CLS]"], "eos_token_id": ids["[SEP]"]}
    if family == "eurobert":
        return EuroBertConfig(num_key_value_heads=1, max_position_embeddings=64, **deep, **marks)
    if family == "modernbert":
        marks |= {"cls_token_id": ids["[CLS]"], "sep_token_id": ids["[SEP]"]}
        return ModernBertConfig(max_position_embeddings=64, reference_compile=False, **deep, **marks)
    kind = XLMRobertaConfig if family == "xlm-roberta" else CamembertConfig
    return kind(max_position_embeddings=34, type_vocab_size=1, **deep, **marks)


@pytest.fixture
def family_folder(encoder, tmp_path):
    """``family_folder(family)``: an encoder of it with random weights, and the tiny BERT's words under its ids."""

    def make(family: str) -> Path:
        folder, ids = tmp_path / family, (IDS | OTHERS)[family]
        folder.mkdir()
        whole = json.loads((encoder.folder / "tokenizer.json").read_text("utf-8"))
        rest = [piece for piece in whole["model"]["vocab"] if piece not in ids]
        vocabulary = {**ids, **{piece: at for at, piece in enumerate(rest, 7)}}
        whole["model"]["vocab"] = vocabulary
        for one in whole["added_tokens"]:
            one["id"] = vocabulary[one["content"]]
        for name, one in whole["post_processor"]["special_tokens"].items():
            one["ids"] = [vocabulary[name]]
        (folder / "tokenizer.json").write_text(json.dumps(whole), "utf-8")
        (folder / "tokenizer_config.json").write_bytes((encoder.folder / "tokenizer_config.json").read_bytes())
        AutoModelForMaskedLM.from_config(_config(family, max(vocabulary.values()) + 1)).save_pretrained(folder)
        return folder

    return make


@pytest.mark.parametrize("family", IDS)
@pytest.mark.parametrize("frozen", [0, 1])
def test_a_family_is_tuned_sealed_and_scored(family, frozen, family_folder, recipe, examples, tmp_path):
    """Weights from a folder are fine-tuned, sealed as safetensors, and give probabilities that tell calls apart."""
    resolved = resolve(Encoder(name=str(family_folder(family)), max_tokens=32), tmp_path)
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


@pytest.mark.parametrize("family", ["xlm-roberta", "camembert"])
def test_positions_begin_behind_the_padding(family, family_folder, recipe, examples, tmp_path):
    """Of 34 positions RoBERTa's kin read 32: a training with texts that long ends, and 33 are wrong usage before it."""
    name = str(family_folder(family))
    with pytest.raises(UsageError, match="max_tokens 33 is more than its 32 positions"):
        resolve(Encoder(name=name, max_tokens=33), tmp_path)
    resolved, some = resolve(Encoder(name=name, max_tokens=32), tmp_path), examples(16, 1)
    long = Examples(some.text_ids, [f"{text} {'jetzt ' * 40}" for text in some.texts], some.targets, some.groups)
    trained = fine_tune(resolved, LABELS, 1, long, long, replace(recipe, epochs=1), tmp_path / "run")
    assert trained.truncated == 16


def test_few_words_keep_their_positions(family_folder, recipe, examples, tmp_path, monkeypatch):
    """Where ids below the padding's occur in no text, a training with only the tokens that occur is still the same."""
    resolved = resolve(Encoder(name=str(family_folder("camembert")), max_tokens=32), tmp_path)
    some, short, everything = examples(16, 1), replace(recipe, epochs=1), Vocabulary.__init__
    few = fine_tune(resolved, LABELS, 1, some, some, short, tmp_path / "few").folder
    monkeypatch.setattr(Vocabulary, "__init__", lambda self, texts, always: everything(self, texts, range(60)))
    every = fine_tune(resolved, LABELS, 1, some, some, short, tmp_path / "every").folder
    ours, whole = (load_file(folder / "model.safetensors") for folder in (few, every))
    assert [name for name in whole if not torch.allclose(ours[name], whole[name], atol=2e-6)] == []


@pytest.mark.parametrize("family", [*IDS, *OTHERS, "electra"])
def test_all_below_a_frozen_layer_is_frozen(family):
    """However a family calls its parts; nothing above it is, and neither is the head."""
    config = _config(family, 60) if family != "electra" else ElectraConfig(embedding_size=16, **SMALL)
    model = AutoModelForSequenceClassification.from_config(config)
    frozen = [name for name, one in _frozen(model, 1).named_parameters() if not one.requires_grad]
    learnt = [name for name, one in model.named_parameters() if one.requires_grad]
    assert any("embed" in name for name in frozen)
    assert all(re.search(r"embed|\.0\.", name) for name in frozen)
    assert not any(re.search(r"embed|(layer|layers)\.0\.", name) for name in learnt)
    assert any(re.search(r"(layer|layers)\.1\.", name) for name in learnt)


def test_an_encoder_of_another_build_keeps_its_own_attention(family_folder, recipe, examples, tmp_path):
    """It is tuned and read with PyTorch's, on a CPU too; ours knows nothing of what such attention is told besides."""
    resolved = resolve(Encoder(name=str(family_folder("eurobert")), max_tokens=32), tmp_path)
    trained = fine_tune(resolved, LABELS, 1, examples(96, 1), examples(24, 2), recipe, tmp_path / "run")
    card = bundle.Card(LABELS, "call", 0.5, 32, "head_tail", "eurobert", None, recipe.as_dict(), "mark")
    predictor = Predictor.load(trained.folder, bundle.seal(trained.folder, card))
    given = examples(40, 3)
    called, truth = predictor.positives(given.texts), given.truth[:, 1]
    assert called[truth].mean() > called[~truth].mean()


def test_where_ours_is_not_taken_each_encoder_has_the_attention_that_it_knows(encoder, tmp_path):
    """On a GPU that is PyTorch's fused one; DeBERTa, which has none, is not refused for it."""
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    DebertaV2Model(DebertaV2Config(vocab_size=50, **small)).save_pretrained(tmp_path)
    deberta = new_classifier(ResolvedEncoder(tmp_path, "deberta", None, None), LABELS, None)
    assert deberta.config._attn_implementation == "eager"
    assert new_classifier(encoder, LABELS, None).config._attn_implementation == "sdpa"
