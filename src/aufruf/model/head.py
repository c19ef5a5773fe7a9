"""An encoder with a head that has still to learn what the labels mean."""

from typing import Any

import torch

from aufruf.errors import UsageError
from aufruf.model.encoders import ResolvedEncoder


def new_classifier(encoder: ResolvedEncoder, labels: tuple[str, ...], attention: str | None) -> Any:
    """The encoder with a new head, also where it brings one; ``attention`` None: PyTorch's fused one, where it has it.

    Raises UsageError where its weights are of other sizes than its config.json says.
    """
    from transformers import AutoModelForSequenceClassification

    model, told = AutoModelForSequenceClassification.from_pretrained(
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
    other = [name for name, *_ in told["mismatched_keys"]]
    if within := [name for name in other if name.startswith(f"{model.base_model_prefix}.")]:
        raise UsageError(
            f"{within[0][:80]} is of another size than config.json says",
            where=encoder.name,
            next="Choose another encoder, or mend the folder.",
        )
    learnt = {name.rpartition(".")[0] for name, _ in model.named_parameters()} - {""}
    fresh = {name.rpartition(".")[0] for name in [*told["missing_keys"], *other]}
    for name in sorted(learnt - fresh):
        if not name.startswith(f"{model.base_model_prefix}."):
            model.get_submodule(name).reset_parameters()
    return model
