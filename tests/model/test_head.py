"""The head of a new training knows nothing, whatever the encoder's folder has beside the encoder."""

import pytest
import torch
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
