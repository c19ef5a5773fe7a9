"""What waits for a person, and the task files that lead on from there. Looking changes nothing."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data import inbox
from aufruf.errors import NothingYet, UsageError, nearest
from aufruf.reports.desk import Link, Verdict, Waiting
from aufruf.reports.index import MONITOR, TEACH
from aufruf.reports.inert import counted
from aufruf.schemas import SCORED
from aufruf.settings import Settings
from aufruf.steps import corpus
from aufruf.store import Store

UNDECIDED, DOUBTS = "undecided", "doubts"
_FILE = "Task file for Label Studio"
_FILES = 4  # with rows in quarantine that are listed one by one
_WHY = {
    "tie": "tied",
    "too_few_votes": "with too few votes",
    "contradiction": "contradictory",
    "held_back": "held back with their batch",
    "edited": "edited since they were annotated",
}


def waiting(
    settings: Settings,
    classifier: Classifier,
    version: str | None,
    verdict: Verdict | None,
    approve_at: str | None,
    *,
    files: bool = True,
) -> list[Waiting]:
    """What waits, the most pressing first. ``approve_at``: where approvals are given. ``files``: also those that wait,
    and rows refused from them, for whatever classifier."""
    store, folder = Store(settings.lake), settings.reports / classifier.name
    found = [
        *_approval(classifier, verdict, approve_at),
        *_moved(folder, version),
        *(_inbox(settings) if files else ()),
        *_undecided(store, classifier, folder),
        *_doubts(store, classifier, version, folder),
        *_worth(folder),
        *(_quarantined(store, settings.reports / "checks") if files else ()),
    ]
    return [one for one in found if one.count]


def tasks(settings: Settings, classifier: Classifier, which: str, version: str | None) -> list[dict[str, Any]]:
    """Label Studio tasks: texts whose votes decide nothing, or test texts whose label ``version`` doubts.

    Raises UsageError for another ``which``, NothingYet for doubts without a version.
    """
    if which == UNDECIDED:
        from aufruf.steps.label import undecided

        return undecided(settings, classifier)
    if which != DOUBTS:
        raise UsageError(f"there is no queue {which!r}", next=nearest(which, [UNDECIDED, DOUBTS]))
    if version is None:
        raise NothingYet(
            "no version scores yet, so none doubts a label",
            where=classifier.name,
            next=f"Run `aufruf night{settings.choosing(classifier.name)}`, or trigger the train DAG.",
        )
    from aufruf.steps.mismatches import tasks as doubted

    store = Store(settings.lake)
    return doubted(settings, classifier, disputed(store, classifier, version))


def disputed(store: Store, classifier: Classifier, version: str) -> pd.DataFrame:
    """The test rows that a version has scored: text_id, label, label_said, probabilities."""
    return corpus.answered(store, classifier, version)[["text_id", "label", "label_said", "probabilities"]]


def _approval(classifier: Classifier, verdict: Verdict | None, approve_at: str | None) -> list[Waiting]:
    if verdict is None or verdict.note.verdict != "waiting":
        return []
    number = verdict.challenger
    if classifier.gate.mode == "approve":
        hours = f"{classifier.gate.answer_hours:g}"
        told = f"Shall version {number} become champion? Without an answer within {hours} hours the champion stays."
        links = [Link("Answer in Airflow", approve_at)] if approve_at else []
    else:
        told = f"Give version {number} the alias champion in MLflow, or run aufruf promote --version {number}."
        links = []
    return [Waiting("Approval of a challenger", 1, told, links)]


def moved(folder: Path, version: str | None) -> list[str]:
    """What the last look of ``monitor`` found to have moved, in sentences; nothing where it looked at another version.

    ``folder``: of the classifier's reports.
    """
    found = read_json((folder / MONITOR).with_name("monitor.json"))
    return list(found["told"]) if found.get("model_version", "") == version else []


def read_json(path: Path) -> dict[str, Any]:
    """The object that a step has written there; empty where there is none, or none of ours."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def in_words(settings: Settings, classifier: Classifier, version: str) -> bool:
    """Whether figures of a version may be told as so many of 100: not of a test set that would be a small slice.

    As its evaluation tells; where that is gone, or of before it told the positives, nothing speaks against it.
    """
    told = read_json(settings.reports / classifier.name / f"evaluation/{version}/evaluation.json")
    texts, positives = classifier.evaluation.slice_texts, classifier.evaluation.slice_positives
    return bool(told.get("n", texts) >= texts and told.get("positives", positives) >= positives)


def _moved(folder: Path, version: str | None) -> list[Waiting]:
    found = moved(folder, version)
    told = "Posts, or what the model says of them, are no longer like the labelled texts or the weeks before: "
    links = _there(folder, MONITOR, Link("What has moved", f"reports/{MONITOR}"))
    return [Waiting("Figures that have moved", len(found), f"{told}{'; '.join(found)}.", links)]


def _inbox(settings: Settings) -> list[Waiting]:
    files = inbox.waiting([settings.inbox_annotations, settings.inbox_posts], settled=False)
    return [Waiting("Files in the inbox", len(files), "The DAG ingest takes them in as soon as nothing moves.", [])]


def _undecided(store: Store, classifier: Classifier, folder: Path) -> list[Waiting]:
    rows = store.read("labels", {"classifier": classifier.name}, ["label", "how"])
    how = rows[rows["label"].isna()]["how"].value_counts()
    told = ", ".join(f"{count} {_WHY.get(str(why), str(why))}" for why, count in how.items())
    links = [Link(_FILE, f"queue/{UNDECIDED}.json", download=True)]
    links += _there(folder, "agreement.html", Link("Agreement", "reports/agreement.html"))
    return [Waiting("Texts to decide", int(how.sum()), f"{told}: another vote decides.", links)]


def _doubts(store: Store, classifier: Classifier, version: str | None, folder: Path) -> list[Waiting]:
    if version is None:
        return []
    rows = disputed(store, classifier, version)
    count = int((rows["label"] != rows["label_said"]).sum())
    told = f"Test texts on which version {version} and the annotators differ, the likeliest wrong label first."
    links = [Link(_FILE, f"queue/{DOUBTS}.json", download=True)]
    page = f"evaluation/{version}/index.html"
    links += _there(folder, page, Link("Evaluation", f"reports/{page}"))
    return [Waiting("Labels in doubt", count, told, links)]


def _worth(folder: Path) -> list[Waiting]:
    try:
        count = len(json.loads((folder / TEACH).read_text("utf-8")))
    except (FileNotFoundError, ValueError):
        return []
    told = "Unlabelled texts from which the next model would learn most."
    return [Waiting("Texts worth annotating", count, told, [Link(_FILE, f"reports/{TEACH}", download=True)])]


def _quarantined(store: Store, checks: Path) -> list[Waiting]:
    rows = store.read("quarantine", columns=["file", "reasons", "rescued_at"])
    rows = rows[rows["rescued_at"].isna() & ~rows["file"].str.startswith(SCORED)]
    if rows.empty:
        return []
    files = rows["file"].value_counts()
    listed = [(str(file)[:12], int(count)) for file, count in files[:_FILES].items()]  # no names: they may be persons'
    named = ", ".join(f"file {short} ({count})" for short, count in listed)
    more = f" and {counted(len(files) - _FILES, 'more file')}" if len(files) > _FILES else ""
    why = str(rows["reasons"].value_counts().index[0])[:200]
    told = f"In {named}{more}; most often: {why}. List them with aufruf quarantine, mend them, take them in."
    pages = [(short, f"{short}.html") for short, _ in listed]
    links = [
        link for short, page in pages for link in _there(checks, page, Link(f"Checks of {short}", f"checks/{page}"))
    ]
    return [Waiting("Rows in quarantine", len(rows), told, links)]


def _there(folder: Path, page: str, link: Link) -> list[Link]:
    return [link] if (folder / page).is_file() else []
