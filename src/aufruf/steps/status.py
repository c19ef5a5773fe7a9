"""The step ``status``: what is where, and what comes next. It changes nothing."""

import hashlib
import json
from typing import Any

import aufruf
from aufruf import stack
from aufruf.classifier import Classifier
from aufruf.data import inbox
from aufruf.release.registry import CHALLENGER, CHAMPION, Registry, Version
from aufruf.reports.inert import counted
from aufruf.settings import Settings, without_login
from aufruf.steps import corpus, findings
from aufruf.steps.champion import REFUSED
from aufruf.steps.due import due
from aufruf.steps.quarantine import waiting
from aufruf.store import Store

_PATIENCE = 5.0  # seconds for a registry that is away: somebody is looking at the screen


def status(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """The state of the stack and of every table, the versions in the registry, the last report, the next command."""
    store, mine = Store(settings.lake), {"classifier": classifier.name}
    splits = store.read("splits", mine, ["split"])["split"].value_counts()
    labels = store.read("labels", mine, ["label"])["label"]
    champion, challenger = _versions(settings, classifier)
    those = findings.posts(classifier, champion.version) if champion else None
    said = findings.counts(store, classifier, those) if those else findings.Counts()
    page = max((settings.reports / classifier.name).glob("????-??-??/index.html"), default=None)
    speaker = champion.version if champion and REFUSED not in champion.tags else None
    facts: dict[str, Any] = {
        "aufruf": aufruf.__version__,
        "classifier": classifier.name,
        "classifier_sha256": _digest(settings, classifier),
        "home": str(settings.home),
        "stack": stack.state.standing(settings),
        "inbox": _waiting(settings),
        "inbox_no_files": len(inbox.no_files([settings.inbox_annotations, settings.inbox_posts])),
        "texts": store.count("texts"),
        "votes": store.count("annotations", mine),
        "quarantined": waiting(store),
        "labels": int(labels.notna().sum()),
        "undecided": int(labels.isna().sum()),
        "splits": {name: int(splits.get(name, 0)) for name in ("train", "validation", "test")},
        "ledger": corpus.versions(settings).get("splits"),
        "champion": _about(champion),
        "challenger": _about(challenger),
        "decision": _decision(store, classifier, challenger),
        "scored": said.texts,
        "calls": said.calls,
        "report": str(page) if page else None,
        "tracking": without_login(settings.tracking_uri),
        "due": due(settings, classifier, speaker, page),
    }
    return {**facts, "next": _next(facts, settings.choosing(classifier.name))}


def _versions(settings: Settings, classifier: Classifier) -> tuple[Version | None, Version | None]:
    if settings.registry_unmade:
        return None, None  # looking must not create a database
    registry = Registry(settings, classifier.name, patience=_PATIENCE)
    return registry.by_alias(CHAMPION), registry.by_alias(CHALLENGER)


def _about(version: Version | None) -> dict[str, Any] | None:
    if version is None:
        return None
    tags = version.tags
    return {
        "version": version.version,
        "run_id": version.run_id,
        "encoder": tags.get("aufruf.encoder"),
        "stand_in_for": tags.get("aufruf.stand_in_for"),
        "metrics": json.loads(tags.get("aufruf.metrics", "{}")),
        "baseline": json.loads(tags.get("aufruf.baseline", "{}")),
        **({"refused": tags[REFUSED]} if REFUSED in tags else {}),
    }


def _digest(settings: Settings, classifier: Classifier) -> str:
    return hashlib.sha256((settings.classifiers / f"{classifier.name}.toml").read_bytes()).hexdigest()


def _decision(store: Store, classifier: Classifier, challenger: Version | None) -> dict[str, Any] | None:
    """The verdict on the version under the alias ``challenger``, where the gate has looked at it."""
    rows = store.read("decisions", {"classifier": classifier.name}).sort_values("at")
    if challenger is None or rows.empty or rows.iloc[-1]["challenger"] != challenger.version:
        return None
    said, *reasons = json.loads(rows.iloc[-1]["reasons"])
    return {"verdict": rows.iloc[-1]["verdict"], "sentence": said, "reasons": reasons}


def _waiting(settings: Settings) -> int:
    return len(inbox.waiting([settings.inbox_annotations, settings.inbox_posts], settled=False))


def _next(facts: dict[str, Any], whose: str) -> str:
    """The next command. ``whose``: the option that names the classifier, where there are several."""
    due = facts["due"]
    if facts["inbox"]:
        files = counted(facts["inbox"], "file")
        return f"{files} to take in from the inbox: run `aufruf night{whose}`, or `aufruf ingest` without a file."
    if not facts["texts"]:
        return "Ingest annotations: `aufruf ingest FILE`, or try `aufruf sample DIR` first."
    if due["label"]:
        return f"Run `aufruf label{whose}`: it has not read all votes on {counted(due['label'], 'text')}."
    if not facts["labels"] and not facts["votes"]:
        return "Ingest annotations: `aufruf ingest FILE`."
    if due["split"]:
        return f"Run `aufruf split{whose}`: the ledger lacks {counted(due['split'], 'labelled text')}."
    if not any(facts["splits"].values()) and facts["labels"]:
        return f"Run `aufruf split{whose}`."
    if not any(facts["splits"].values()):
        return (
            f"No vote decides a text yet. Annotate more: `aufruf label --queue FILE{whose}` writes what is undecided."
        )
    if facts["challenger"] is None:
        return f"Run `aufruf sweep{whose}` and `aufruf train{whose}`, or `aufruf night{whose}` for the whole chain."
    if facts["decision"] and facts["decision"]["verdict"] in ("kept", "waiting"):
        return " ".join(one for one in (_undecided(facts, whose), _unspoken(due, whose)) if one)
    if facts["champion"] is None and facts["decision"]:  # it was taken back: the gate does not crown it again
        return f"No version is in use. `aufruf promote --version {facts['challenger']['version']}{whose}` takes one."
    if facts["champion"] is None:
        return f"Run `aufruf evaluate{whose}` and `aufruf promote{whose}`."
    return _unspoken(due, whose) or _nothing(facts, whose)


def _unspoken(due: dict[str, Any], whose: str) -> str:
    """What the champion has still to say; "" where that is nothing."""
    if due["score"]:
        return f"Run `aufruf score{whose}`: the champion has not scored {counted(due['score'], 'text')} yet."
    if due["report"]:
        return f"Run `aufruf explain{whose}` and `aufruf report{whose}`: no page tells yet what was scored last."
    return ""


def _nothing(facts: dict[str, Any], whose: str) -> str:
    served = facts["stack"]["status"] in ("up", "elsewhere")  # the classifier's page is Airflow's
    person = " What waits for a person is on the classifier's page." if served else ""
    return f"Nothing is due; `aufruf night{whose}` does what comes next.{person}"


def _undecided(facts: dict[str, Any], whose: str) -> str:
    """What comes after a challenger that the gate did not take."""
    version, decision = facts["challenger"]["version"], facts["decision"]
    take = f"`aufruf promote --version {version}{whose}` takes it"
    if decision["verdict"] == "waiting":
        return f"Version {version} waits for a person: look at its evaluation, then {take}."
    why = "; ".join(decision["reasons"]).rstrip(".")
    if facts["champion"]:
        return f"Version {version} was kept back ({why}); version {facts['champion']['version']} goes on."
    return f"Version {version} was kept back ({why}). Annotate more, lower the bar in [gate], or {take} all the same."
