"""The head of a new training knows nothing, whatever the encoder's folder has beside the encoder."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)

from aufruf.errors import UsageError
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.head import new_classifier

SMALL = {
    "vocab_size": 40,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
FOLDERS = {
    "the encoder alone": (BertModel, {}),
    "a head for two other labels": (BertForSequenceClassification, {"num_labels": 2}),
    "a head for three": (BertForSequenceClassification, {"num_labels": 3}),
    "a head for tokens": (BertForTokenClassification, {"num_labels": 9}),
    "a head for words": (BertForMaskedLM, {}),
}


def begun(folder):
    torch.manual_seed(0)
    return new_classifier(ResolvedEncoder(folder, "tiny", None, None), ("no_call", "call"), None).state_dict()


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_training_begins_with_the_encoder_and_a_new_head(tmp_path, kind):
    """Weights of the encoder are the folder's, none of the head is, and the same seed begins with the same head."""
    form, changed = FOLDERS[kind]
    saved = form(BertConfig(**SMALL, **changed))
    saved.save_pretrained(tmp_path / "saved")
    first, again = (begun(tmp_path / "saved") for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    theirs = saved.state_dict() if form is not BertModel else {f"bert.{k}": v for k, v in saved.state_dict().items()}
    kept = {name for name in first if name in theirs and torch.equal(theirs[name], first[name])}
    assert {name for name in theirs if name.startswith("bert.")} <= kept
    assert first["classifier.weight"].shape == (2, 8)
    assert not kept & {"classifier.weight"}


def test_an_encoder_of_other_sizes_than_it_says_is_refused(tmp_path):
    """Weights that do not fit into the encoder itself would be replaced by chance."""
    BertModel(BertConfig(**SMALL)).save_pretrained(tmp_path / "saved")
    BertConfig(**(SMALL | {"intermediate_size": 24})).save_pretrained(tmp_path / "saved")
    with pytest.raises(UsageError, match=r"another size than config\.json says"):
        begun(tmp_path / "saved")


LACKING = {
    "names of another architecture": lambda name: f"other.{name}",
    "one layer too few": lambda name: None if ".layer.0." in name else name,
    "no words": lambda name: None if "word_embeddings" in name else name,
}


@pytest.mark.parametrize("kind", LACKING)
def test_an_encoder_without_all_of_its_weights_is_refused(tmp_path, kind):
    """What is missing would be random numbers, and the training would go on as if they had been learnt."""
    BertModel(BertConfig(**SMALL)).save_pretrained(tmp_path / "saved")
    file, rename = tmp_path / "saved" / "model.safetensors", LACKING[kind]
    kept = {rename(name): part for name, part in load_file(file).items()}
    save_file({name: part for name, part in kept.items() if name}, file, metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"tiny: its weights have no bert\.\S+\. Choose another encoder"):
        begun(tmp_path / "saved")


def test_an_encoder_without_a_pooler_is_taken(tmp_path):
    """One that learnt to fill in words has none: like the head, it is new."""
    BertForMaskedLM(BertConfig(**SMALL)).save_pretrained(tmp_path / "saved")
    assert "bert.pooler.dense.weight" not in load_file(tmp_path / "saved" / "model.safetensors")
    assert "bert.pooler.dense.weight" in begun(tmp_path / "saved")


SHARDS = {"metadata": {}, "weight_map": {"x": "m-2.safetensors"}}
UNREADABLE = {
    "a pointer of Git LFS": ("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"),
    "half a download": ("model.safetensors", ""),
    "an adapter alone": ("adapter_model.safetensors", ""),
    "a shard that is not there": (
        "model.safetensors.index.json",
        json.dumps(SHARDS),
    ),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_weights_that_cannot_be_read_are_wrong_usage(tmp_path, kind):
    """The message says which encoder and what to do, not where in a library it happened."""
    BertModel(BertConfig(**SMALL)).save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "model.safetensors").unlink()
    name, written = UNREADABLE[kind]
    (tmp_path / "saved" / name).write_text(written, "utf-8")
    with pytest.raises(UsageError, match=r"tiny: its weights cannot be read: .*Choose another encoder"):
        begun(tmp_path / "saved")


def test_quantised_weights_are_wrong_usage(tmp_path):
    """They need a library of their own, and nothing is learnt with them."""
    BertModel(BertConfig(**SMALL)).save_pretrained(tmp_path / "saved")
    config = tmp_path / "saved" / "config.json"
    facts = json.loads(config.read_text("utf-8"))
    config.write_text(json.dumps(facts | {"quantization_config": {"quant_method": "gptq", "bits": 4}}), "utf-8")
    with pytest.raises(UsageError, match="tiny: its weights cannot be read"):
        begun(tmp_path / "saved")
