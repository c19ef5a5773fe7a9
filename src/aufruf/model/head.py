"""An encoder with a head that has still to learn what the labels mean."""

from typing import Any

import torch
from safetensors import SafetensorError

from aufruf.errors import UsageError
from aufruf.model.encoders import SPOILT, ResolvedEncoder


def new_classifier(encoder: ResolvedEncoder, labels: tuple[str, ...], attention: str | None) -> Any:
    """The encoder with a new head, also where it brings one; ``attention`` None: PyTorch's fused one, where it has it.

    Raises UsageError where its weights cannot be read, lack a part of the encoder, or are of other sizes than its
    config.json says.
    """
    model, told = _loaded(encoder, labels, attention)
    within = f"{model.base_model_prefix}."
    other = [name for name, *_ in told["mismatched_keys"]]
    if found := [name for name in other if name.startswith(within)]:
        raise UsageError(f"{found[0][:80]} is of another size than config.json says", where=encoder.name, next=SPOILT)
    absent = sorted(name for name in told["missing_keys"] if name.startswith(within) and ".pooler." not in name)
    if absent:  # transformers would begin with random numbers there
        raise UsageError(f"its weights have no {absent[0][:80]}", where=encoder.name, next=SPOILT)
    learnt = {name.rpartition(".")[0] for name, _ in model.named_parameters()} - {""}
    fresh = {name.rpartition(".")[0] for name in [*told["missing_keys"], *other]}
    for name in sorted(learnt - fresh):
        if not name.startswith(f"{model.base_model_prefix}."):
            model.get_submodule(name).reset_parameters()
    return model


def _loaded(encoder: ResolvedEncoder, labels: tuple[str, ...], attention: str | None) -> Any:
    """The model, and what transformers tells of its weights."""
    from transformers import AutoModelForSequenceClassification

    try:
        return AutoModelForSequenceClassification.from_pretrained(
            encoder.folder,
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
            dtype=torch.float32,  # half-precision weights do not train on a CPU
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # of a head for other labels
            output_loading_info=True,
        )
    except (OSError, ImportError, ValueError, SafetensorError) as error:
        if getattr(error, "errno", None):  # the disk's fault, not the folder's
            raise
        what = str(error).strip().partition("\n")[0][:200]
        raise UsageError(f"its weights cannot be read: {what}", where=encoder.name, next=SPOILT) from error
