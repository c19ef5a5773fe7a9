"""Which encoder a training starts from: a hub name, a local folder, or the hub-free stand-in - and which it was."""

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aufruf.classifier import Encoder
from aufruf.errors import DISK_FULL, UsageError
from aufruf.model import stand_in

log = logging.getLogger(__name__)
FOLDER = "sha256:"  # so begins the revision of a folder
_MEND = "Mend [encoder] name in the classifier file, or AUFRUF_ENCODER where it is set"
SPOILT = "Choose another encoder, or mend the folder."  # what to do about files that do not fit
_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]  # never pickles, never code
_BEHIND_PADDING = {  # RoBERTa's kin: fairseq numbered positions from the padding's id on, and weights stay as they were
    *("roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod", "camembert", "data2vec-text"),
    *("ibert", "longformer", "luke", "mpnet"),
}

_NO_ENCODERS = {
    "bart",
    "mbart",
    "mvp",
    "deberta",
}  # three look for a text's last token; the last fails in bf16 (v2 does not)


@dataclass(frozen=True)
class ResolvedEncoder:
    """An encoder on this disk, and where it came from."""

    folder: Path
    name: str  # what is used
    stand_in_for: str | None  # the configured name, when the stand-in had to be used
    revision: str | None  # hub commit; of a folder the digest of its files

    def describe(self) -> str:
        return f"{self.name}, standing in for {self.stand_in_for}" if self.stand_in_for else self.name


def resolve(encoder: Encoder, folder: Path) -> ResolvedEncoder:
    """Find the encoder; ``folder`` is where a converted stand-in is kept.

    A folder is written as a path. Any other name is the hub's, whatever lies where the command was started. Raises
    UsageError when the encoder can neither be had nor stood in for, or when it would need pickles or code of its own.
    """
    if encoder.name == stand_in.NAME:
        return _checked(stand_in.convert(folder / stand_in.NAME), stand_in.FULL_NAME, None, encoder.max_tokens)
    if encoder.name.startswith((".", "/", "~")):
        path = Path(encoder.name).expanduser()
        if path.is_dir():
            return _checked(path, path.name, _digest(path), encoder.max_tokens)
        raise UsageError(
            f"there is no encoder folder {encoder.name!r}",
            next=f"{_MEND}.",
        )
    found = _from_hub(encoder)
    if found is not None:
        if encoder.revision is None:
            told = '%s is not pinned: another upload changes the next training. In [encoder]: revision = "%s"'
            log.warning(told, encoder.name, found.name)
        return _checked(found, encoder.name, found.name, encoder.max_tokens)
    if Path(encoder.name).is_dir():
        raise UsageError(
            f"the encoder {encoder.name!r} cannot be had from the hub, and is no path",
            next=f"Write ./{encoder.name} in [encoder] name if the folder is meant.",
        )
    if encoder.stand_in != stand_in.NAME:
        raise UsageError(
            f"the encoder {encoder.name!r} is not on this machine and the hub cannot be reached",
            next=f"Give a folder in [encoder] name, or allow the stand-in: stand_in = {stand_in.NAME!r}.",
        )
    log.warning("%s cannot be had offline: %s stands in for it", encoder.name, stand_in.FULL_NAME)
    converted = stand_in.convert(folder / stand_in.NAME)
    return replace(_checked(converted, stand_in.FULL_NAME, None, encoder.max_tokens), stand_in_for=encoder.name)


def unread(folder: Path) -> int:
    """How many of an encoder's positions no token can have: those up to the padding's id, for RoBERTa and its kin."""
    facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return int(facts.get("pad_token_id") or 0) + 1 if facts.get("model_type") in _BEHIND_PADDING else 0


def _classifies(kind: str) -> bool:
    """Whether it reads texts in both directions, and transformers has a head for it that classifies them."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    )

    both = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.keys() & MODEL_FOR_MASKED_LM_MAPPING_NAMES.keys()
    return kind in both - _NO_ENCODERS


def _digest(folder: Path) -> str:
    """SHA-256 of the names and bytes of the files that a model is made of: other weights are another encoder."""
    whole = hashlib.sha256()
    for path in sorted(path for kind in _FILES for path in folder.glob(kind)):
        with path.open("rb") as file:
            whole.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return f"{FOLDER}{whole.hexdigest()[:16]}"


def _from_hub(encoder: Encoder) -> Path | None:
    """The hub's snapshot, fetched or from its cache; None when there is none here and the hub is out of reach."""
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(snapshot_download(encoder.name, revision=encoder.revision, allow_patterns=_FILES))
    except HFValidationError:
        raise UsageError(
            f"{encoder.name!r} is no name that the hub could have",
            next=f"{_MEND}; a folder is written ./{encoder.name}.",
        ) from None
    except RepositoryNotFoundError:
        raise UsageError(
            f"the hub has no encoder {encoder.name!r}, or does not let you have it",
            next=f"{_MEND}; a folder is written ./NAME or /PATH. Where it asks for a login: `hf auth login`.",
        ) from None
    except RevisionNotFoundError:
        raise UsageError(
            f"the encoder {encoder.name!r} has no revision {encoder.revision!r}",
            next="Mend [encoder] revision in the classifier file: a commit, a tag or a branch of the hub's.",
        ) from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        if getattr(error, "errno", None) in DISK_FULL:  # the hub was reached, and this disk is full
            raise
        log.info("hub not reached for %s: %s", encoder.name, type(error).__name__)
        return None


def _facts(file: Path, name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise UsageError(f"{file.name} cannot be read", where=name, next=SPOILT) from None


def _checked(folder: Path, name: str, revision: str | None, max_tokens: int) -> ResolvedEncoder:
    config = folder / "config.json"
    if not config.is_file():
        raise UsageError("no config.json in the encoder folder", where=name, next="Give a Hugging Face model folder.")
    for file in sorted(folder.glob("*config.json")):  # the tokenizer's, too
        if "auto_map" in _facts(file, name):
            raise UsageError(
                f"the encoder wants to run code of its own (auto_map in {file.name})",
                where=name,
                next="Choose another one.",
            )
    facts = _facts(config, name)
    if not _classifies(str(facts.get("model_type"))):
        raise UsageError(
            f"a model of type {str(facts.get('model_type'))[:40]!r} is no encoder that we can train as a classifier",
            where=name,
            next="Choose BERT, DistilBERT, ModernBERT, RoBERTa, XLM-R, ELECTRA, DeBERTa-v2 or the like.",
        )
    if not any(folder.glob("*.safetensors")):
        raise UsageError(
            "the encoder has no safetensors weights",
            where=name,
            next="Pin a revision that has them, or save it once with save_pretrained and give that folder.",
        )
    positions = facts.get("max_position_embeddings") and facts["max_position_embeddings"] - unread(folder)
    if positions and max_tokens > positions:
        raise UsageError(
            f"max_tokens {max_tokens} is more than its {positions} positions",
            where=name,
            next="Lower [encoder] max_tokens in the classifier file.",
        )
    return ResolvedEncoder(folder, name, None, revision)
