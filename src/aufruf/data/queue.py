"""Texts that annotators shall see, as Label Studio tasks: undecided ones, doubted ones, and those that teach most."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.data import identity
from aufruf.data.batches import COUNTS, HELD_OUT
from aufruf.errors import AufrufError, UsageError
from aufruf.schemas import ABSTAIN, TEACH, UNTYPED

MISMATCH = "mismatch"  # why a text that has a label waits for another look
WAITING = ("contradiction", "tie", "held_back", "edited", "too_few_votes")
_WRITTEN = {"caption": "Caption", "ocr": "OCR", "transcript": "Transcription", UNTYPED: ""}  # as exports spell types


def tasks(decided: pd.DataFrame, votes: pd.DataFrame, standing: pd.Series, texts: pd.DataFrame) -> list[dict[str, Any]]:
    """One task for each undecided text, the most disputed first.

    ``decided``: rows of ``labels``. ``votes``: text_id, annotator, label; ``standing``: which of them count.
    ``texts``: text_id, post_id, text, text_type, platform. A task names no annotator and no author; its votes are
    counts. Disputed is a text by the votes that are not for its most frequent label, held-out votes included.
    """
    waiting = decided[decided["how"].isin(WAITING)][["text_id", "how"]].merge(texts, on="text_id")
    asked = votes.assign(standing=standing)[votes["text_id"].isin(waiting["text_id"])]
    counted, held = (_counts(asked[asked["standing"] == one]) for one in (COUNTS, HELD_OUT))
    entries = [
        (_dispute(row, counted.get(row["text_id"], {}), held.get(row["text_id"], {})), row)
        for row in waiting.to_dict("records")
    ]
    entries.sort(key=lambda entry: (entry[0], WAITING.index(entry[1]["how"]), entry[1]["text_id"]))
    return [{"data": _data(row, counted.get(row["text_id"], {}), held.get(row["text_id"], {}))} for _, row in entries]


def doubted(texts: pd.DataFrame, votes: pd.DataFrame) -> list[dict[str, Any]]:
    """One task for each labelled text that shall be looked at again, in the order of ``texts``.

    ``texts``: text_id, post_id, text, text_type. ``votes``: text_id, label, of those that count. What a model said is
    not in a task: whoever looks again shall not know.
    """
    counted = _counts(votes[votes["text_id"].isin(texts["text_id"])])
    rows = texts.assign(how=MISMATCH).to_dict("records")
    return [{"data": _data(row, counted.get(row["text_id"], {}), {})} for row in rows]


def teaching(texts: pd.DataFrame) -> list[dict[str, Any]]:
    """One task for each text that nobody has labelled, in the order of ``texts``: text_id, post_id, text, text_type.

    The text is whole: a vote belongs to a wording, and a masked text is another. Why it was chosen is not in a task,
    because that tells what a model thinks of it.
    """
    return [{"data": _data(row, {}, {})} for row in texts.assign(how=TEACH).to_dict("records")]


def write(path: Path, waiting: Sequence[dict[str, Any]]) -> None:
    """Write tasks as a JSON list, whole or not at all. Raises AufrufError when the disk does not take it."""
    check(path)
    passing = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        for last in (False, False, True):
            try:
                passing.write_text(json.dumps(waiting, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
                passing.replace(path)
                return
            except FileNotFoundError:  # deleted as a draft that somebody has left: see ``forget``
                if last:
                    raise
            finally:
                passing.unlink(missing_ok=True)
    except OSError as error:
        raise AufrufError(
            f"the queue could not be written: {error.strerror or error}",
            where=str(path),
            next="Free space or name another file; the labels are stored.",
        ) from error


def check(path: Path) -> None:
    """Raise UsageError when a queue cannot be written to ``path``."""
    if path.is_dir():
        raise UsageError("this is a folder", where=str(path), next="Name the file to write in it.")
    if path.exists() and not path.is_file():
        raise UsageError("this is not a regular file", where=str(path), next="Name another file.")
    if not path.parent.is_dir():
        raise UsageError("there is no such folder", where=str(path.parent), next="Make it first.")


def _counts(votes: pd.DataFrame) -> dict[str, dict[str, int]]:
    """text_id -> label -> votes, abstentions among them; labels in the order of their names."""
    found: dict[str, dict[str, int]] = {}
    for text_id, rows in votes.groupby("text_id"):
        said = rows["label"].value_counts().sort_index()
        found[str(text_id)] = {str(label): int(count) for label, count in said.items()}
    return found


def _dispute(row: dict[Any, Any], counted: dict[str, int], held: dict[str, int]) -> int:
    """Minus the votes against the most frequent label; labels that contradict each other are one against one."""
    votes: dict[str, int] = {}
    for label, count in [*counted.items(), *held.items()]:
        votes[label] = votes.get(label, 0) + count * (label != ABSTAIN)
    against = sum(votes.values()) - max(votes.values(), default=0)
    return -max(against, 1 if row["how"] == "contradiction" else 0)


def _data(row: dict[Any, Any], counted: dict[str, int], held: dict[str, int]) -> dict[str, Any]:
    """What annotators see, and what leads their vote back to the text."""
    kind = _WRITTEN[row["text_type"]]
    post = row["post_id"]
    ours = isinstance(post, str) and row["text_id"].startswith(identity.text_id("instagram", post, ""))
    return {
        "Text": row["text"],
        "Identifier": f"{post}-{kind}".removesuffix("-")
        if ours
        else "",  # elsewhere it would be read as an Instagram post
        "Text Type": kind,
        "text_id": row["text_id"],
        "why": row["how"],
        "votes": counted,
        "held_out": held,
    }
