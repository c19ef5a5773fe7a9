"""Which words drive calls, over all explanations of a version, and which of them should not."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.model.explain_trust import bare, kind_of, swapped
from aufruf.model.predictor import Predictor
from aufruf.model.words import HASH
from aufruf.release.registry import Version
from aufruf.reports import words as page
from aufruf.reports.privacy import shown_words
from aufruf.settings import Settings
from aufruf.steps import findings
from aufruf.steps.buried import anew
from aufruf.store import Store

_SHOWN, _SHOWN_OF_PARTY, _EXAMPLES = 30, 10, 3
_SWAPPED = 20  # texts of a suspect in which it is swapped
_KEY = ["text_id", "digest"]
_HANDLES = ("handle", "")


@dataclass(frozen=True)
class _Named:
    """A word as one explanation names it."""

    word: str
    shown: str  # the word, or what is shown in its place
    weight: float
    text_id: str
    text: str
    party: str | None
    call: bool


@anew
def write_words(
    settings: Settings, store: Store, classifier: Classifier, version: Version, predictor: Predictor
) -> Path:
    """Write ``reports/NAME/words``: a page and JSON on all explanations of a version. Returns the page.

    Of each suspect up to 20 texts are scored again with the word swapped.
    """
    now = datetime.now(ZoneInfo(classifier.schedule.timezone))  # what is explained from now on may not be on it
    frame = _explained(store, classifier, version)
    named = [one for row in frame.to_dict("records") for one in _words_of(row, classifier)]
    calls = frame[frame["label"].map(classifier.is_call).astype(bool)]
    report = page.WordsReport(
        classifier=classifier.name,
        positive=classifier.positive,
        version=version.version,
        written_at=now,
        explained=len(frame),
        calls=len(calls),
        unreliable=_marked(frame),
        trust=_trust(frame),
        trust_of_calls=_trust(calls),
        overall=_drivers(named, len(calls), _SHOWN),
        by_party=_by_party(named, calls),
        suspects=_suspects(named, classifier, predictor),
    )
    return page.write(_folder(settings, classifier), report, classifier.report.mask)


def words_due(settings: Settings, store: Store, classifier: Classifier, version: Version) -> bool:
    """Whether the page on words has to be written though nothing was explained.

    That is where it is gone, tells of another version, is older than an explanation (a job that died left it behind),
    or counts others than there are: texts were forgotten, or read otherwise by now. A version without explanations
    needs no page, but takes the place of another one's.
    """
    frame, told = _explained(store, classifier, version), page.about(_folder(settings, classifier))
    if told is None:
        return len(frame) > 0
    of, written_at, explained = told
    return of != version.version or len(frame) != explained or bool((frame["explained_at"] > written_at).any())


def _explained(store: Store, classifier: Classifier, version: Version) -> pd.DataFrame:
    """The rows of ``explanations`` of a version whose texts still read as they did, with ``text`` and ``party``."""
    rows = store.read("explanations", {"classifier": classifier.name, "model_version": version.version})
    texts = findings.of(store, classifier, version.version, rows["text_id"].tolist())[[*_KEY, "text", "party"]]
    return rows.merge(texts, on=_KEY)


def _folder(settings: Settings, classifier: Classifier) -> Path:
    return settings.reports / classifier.name / "words"


def _trust(frame: pd.DataFrame) -> page.Trust:
    """Medians over the rows of ``explanations`` that name a word: where there is none, fit and stability are 0."""
    named = frame[frame["words"] != "[]"]
    unreliable = _marked(named)
    return page.Trust(
        texts=len(named),
        fit=_median(named["fit"]),
        stability=_median(named["stability"]),
        measured=int(named["faithfulness"].notna().sum()),
        faithfulness=_median(named["faithfulness"]),
        unreliable=unreliable,
        unreliable_share=unreliable / len(named) if len(named) else None,
    )


def _marked(frame: pd.DataFrame) -> int:
    return int((frame["unreliable"].fillna("") != "").sum())


def _median(column: "pd.Series[float]") -> float | None:
    known = column.dropna().astype(float)
    return None if known.empty else float(known.median())


def _words_of(row: dict[Any, Any], classifier: Classifier) -> list[_Named]:
    party = None if pd.isna(row["party"]) else str(row["party"])
    about = (row["text_id"], row["text"], party, classifier.is_call(row["label"]))
    words = [(str(word), float(weight)) for word, weight in json.loads(row["words"])]
    hides, fold_case = classifier.report.mask, classifier.explain.fold_case
    shown = shown_words(row["text"], words, fold_case) if hides else [word for word, _ in words]
    return [_Named(word, show, weight, *about) for (word, weight), show in zip(words, shown, strict=True)]


def _drivers(named: Iterable[_Named], calls: int, most: int) -> list[page.Driver]:
    """Words that spoke for the positive label, as they are shown, by what they add to the mean call; case is folded.

    Weights are summed with their signs and by text: what speaks for it here and against it there adds little.
    """
    alike: dict[str, list[_Named]] = defaultdict(list)
    for one in named:
        if one.call:
            alike[one.shown.casefold()].append(one)
    found = []
    for some in alike.values():
        total, texts = sum(one.weight for one in some), len({one.text_id for one in some})
        examples = [page.Example(one.text_id, one.text) for one in _strongest([o for o in some if o.weight > 0])]
        found.append(page.Driver(some[0].shown, texts, total / texts, total / calls, examples))
    return sorted((one for one in found if one.share > 0), key=lambda one: (-one.share, one.word))[:most]


def _by_party(named: list[_Named], calls: pd.DataFrame) -> list[page.PartyWords]:
    counts = calls["party"].dropna().value_counts()
    return [
        page.PartyWords(
            str(party), int(count), _drivers((one for one in named if one.party == party), int(count), _SHOWN_OF_PARTY)
        )
        for party, count in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    ]


def _suspects(named: list[_Named], classifier: Classifier, predictor: Predictor) -> list[page.Suspect]:
    """Words that should not matter and were named; handles count as one, so that no account is singled out."""
    alike: dict[tuple[str, str], list[_Named]] = defaultdict(list)
    for one in named:
        key = _suspicion(one.word, classifier)
        if key and (key == _HANDLES or one.shown == one.word):  # of an address no part is told apart
            alike[key].append(one)
    found = [_suspect(kind, some, classifier, predictor) for (kind, _), some in alike.items()]
    return sorted(found, key=lambda one: (-one.flipped, -(one.moved or 0.0), -one.texts, one.word))


def swaps(named: Iterable[tuple[str, Iterable[str]]], classifier: Classifier) -> int:
    """How many texts the model is asked about, at most, where these words are named (by text_id) and swapped."""
    alike: dict[tuple[str, str], set[str]] = defaultdict(set)
    for text_id, words in named:
        for word in words:
            if key := _suspicion(word, classifier):
                alike[key].add(text_id)
    return sum(2 * min(len(texts), _SWAPPED) for texts in alike.values())


def _suspicion(word: str, classifier: Classifier) -> tuple[str, str] | None:
    """The kind of a word that should not matter, and by what its spellings are one."""
    kind = kind_of(word, classifier.explain.parties)
    if kind is None:
        return None
    return _HANDLES if kind == "handle" else (kind, bare(word))


def _suspect(kind: str, some: list[_Named], classifier: Classifier, predictor: Predictor) -> page.Suspect:
    tried = _strongest(some, _SWAPPED)
    others = [swapped(one.text, one.word, classifier.explain.parties) for one in tried]
    probabilities = predictor.probabilities([*(one.text for one in tried), *others])
    labels = predictor.said(probabilities)
    positive = probabilities[:, predictor.positive]
    count, texts = len(tried), len({one.text_id for one in some})
    by = abs(positive[:count] - positive[count:])
    known = [at for at in range(count) if math.isfinite(by[at])]  # of both texts the model made a number
    flipped = [tried[at] for at in known if labels[at] != labels[count + at]]
    return page.Suspect(
        word=some[0].word.lstrip(HASH) if kind != "handle" else "",
        kind=kind,
        texts=texts,
        weight=sum(one.weight for one in some) / texts,
        tried=len(known),
        flipped=len(flipped),
        moved=float(by[known].mean()) if known else None,
        examples=[page.Example(one.text_id, one.text) for one in flipped[:_EXAMPLES]],
    )


def _strongest(some: list[_Named], most: int = _EXAMPLES) -> list[_Named]:
    """The texts in which a word weighs most, each once."""
    once = {one.text_id: one for one in sorted(some, key=lambda one: (abs(one.weight), one.text_id))}
    return sorted(once.values(), key=lambda one: (-abs(one.weight), one.text_id))[:most]
