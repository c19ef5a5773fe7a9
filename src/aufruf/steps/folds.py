"""``aufruf split --folds K``: grouped, stratified folds of what may be trained on."""

from pathlib import Path
from typing import Any

from aufruf.classifier import Classifier
from aufruf.data.folds import folds as dealt
from aufruf.errors import UsageError
from aufruf.reports.page import write_whole
from aufruf.reports.spreadsheet import safe
from aufruf.settings import Settings
from aufruf.steps import corpus
from aufruf.store import Store


def folds(settings: Settings, classifier: Classifier, k: int, out: Path | None) -> dict[str, Any]:
    """Texts and positives per fold, under ``folds``; with ``out`` a CSV of text_id and fold is written.

    ``chosen``: how many of the texts went out with ``aufruf queue``: the folds hold no random sample of posts then.
    Raises UsageError for a number that the groups of train and validation do not make.
    """
    frame = corpus.labelled(settings, classifier)
    try:
        fold = dealt(frame, k, classifier.split.seed)
    except ValueError as error:
        raise UsageError(f"--folds {k}: {error}", next="Ask for fewer, or label more texts.") from None
    rows = frame.loc[fold.index].assign(fold=fold)
    result: dict[str, Any] = {
        "folds": [
            {"fold": int(str(at)), "texts": len(part), "positives": int(corpus.calls(part["label"], classifier).sum())}
            for at, part in rows.groupby("fold")
        ],
        "chosen": len(corpus.sent_out(Store(settings.lake), classifier).intersection(rows["text_id"])),
    }
    if out is not None:
        cells = rows.assign(text_id=rows["text_id"].map(safe))[["text_id", "fold"]]
        write_whole(out, cells.to_csv(index=False))
        result["out"] = str(out)
    return result
