"""``aufruf why TEXT_ID``: when and by what a text was scored, or why it was not. It changes nothing."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.conditions import quoted
from aufruf.data.forgotten import Tombs
from aufruf.errors import UsageError
from aufruf.model.predictor import NO_NUMBER
from aufruf.release.registry import Registry
from aufruf.settings import Settings
from aufruf.steps.backlog import window
from aufruf.steps.champion import Noticed, looked
from aufruf.steps.score import item_of, quarantined_as
from aufruf.store import Store

_PATIENCE = 5.0  # seconds for a registry that is away: somebody is looking at the screen
_NAMED = 5  # texts of a post that are named
_SHORT = 4  # signs of an id below which half the quarantine would mention it


def why(settings: Settings, classifier: Classifier, text: str) -> dict[str, Any]:
    """Every prediction of the text ``text`` (its id), and why the version that speaks has none of how it reads now.

    That is the champion, or who goes on in its place where it may not speak: then ``champion_refused`` says so.
    ``state``: scored, or one of not there, refused on ingest, no champion, refused, outside the window, edited since,
    waiting, forgotten. Raises UsageError without an id.
    """
    if not (text := text.strip()):
        raise UsageError("no text id given", next="Text ids stand in the tables, in reports and in exports.")
    store = Store(settings.lake)
    found = store.read("texts", {"text_id": text}, ["text_id", "digest", "text", "posted_at", "collected_at"])
    told: dict[str, Any] = {"text_id": text, "classifier": classifier.name}
    if found.empty:
        return told | _absent(store, text)
    row, speaker = found.iloc[0], _speaker(settings, classifier)
    said = store.read("predictions", {"classifier": classifier.name, "text_id": text}).sort_values("scored_at")
    version = speaker.version.version if speaker.version else None
    told |= {
        "digest": row["digest"],
        "champion": speaker.refused or version,
        "speaks": version,
        "positive": classifier.positive,
        "predictions": [_prediction(one, row["digest"], _threshold(speaker, one)) for one in said.to_dict("records")],
    }
    if speaker.why:
        told["champion_refused"] = {"version": speaker.refused, "why": speaker.why}
        if version is None:
            sound = f"Promote a sound version: `aufruf promote --version N{settings.choosing(classifier.name)}`."
            return told | _because("no champion", "no version that could speak has spoken before", sound)
    whose = settings.choosing(classifier.name)
    return told | _state(store, classifier, version, row, said, whose)


def _state(
    store: Store, classifier: Classifier, version: str | None, row: "pd.Series[Any]", said: pd.DataFrame, whose: str
) -> dict[str, Any]:
    if version is None:
        return _because("no champion", "no version is in use yet", f"`aufruf status{whose}` says what is missing.")
    mine = said[said["model_version"] == version]
    now = mine[mine["digest"] == row["digest"]]
    if len(now):
        one = now.iloc[0]
        return _because("scored", f"scored by version {version} on {_day(one['scored_at'])}: {one['label']}")
    key = {"file": quarantined_as(classifier.name, version)}
    refused = store.read("quarantine", key)
    refused = refused[refused["item"] == item_of(row["text_id"], row["digest"])]
    if len(refused):
        reason, at = refused.iloc[0]["reasons"], _day(refused.iloc[0]["refused_at"])
        cure = "Train again, or move the alias." if reason == NO_NUMBER else "Score on a machine with more memory."
        return _because("refused", f"version {version} could not score it on {at}: {reason}", cure)
    if (day := window(classifier, datetime.now(UTC))) is not None and _before(row, day):
        others = said[said["digest"] == row["digest"]]
        if len(others):
            by = ", ".join(others["model_version"])
            return _because(
                "outside the window",
                f"the text is older than {day}, where the window of [scoring] begins, and version {by} has scored it",
                f"`aufruf score --model {version}{whose}` scores it all the same.",
            )
    if len(mine):
        at = _day(mine.iloc[-1]["scored_at"])
        return _because(
            "edited since", f"version {version} scored another wording on {at}", f"`aufruf score{whose}` does it."
        )
    return _because("waiting", f"version {version} has not come to it yet", f"`aufruf score{whose}` does it.")


def _absent(store: Store, text: str) -> dict[str, Any]:
    """Not in the lake: it was forgotten, or a row that mentions the id, or the post's part of it, was refused."""
    if Tombs(store.read("tombstones")).hold_id(text):
        return _because("forgotten", "it was forgotten on request, and is not taken in again")
    parts = text.split(":")
    name = parts[1] if len(parts) == 3 else text
    refused: list[dict[str, Any]] = []
    if len(name) >= _SHORT:
        sql = (
            f"select file, item, reasons, refused_at from quarantine where strpos(row, {quoted(name)}) > 0 "  # noqa: S608 - quoted
            "and rescued_at is null and file not like 'score:%' order by refused_at limit 10"
        )
        refused = [row for batch in store.query(sql, "quarantine") for row in batch.to_pylist()]
    if not refused and (of_post := store.read("texts", {"post_id": text}, ["text_id"])["text_id"].tolist()):
        named = ", ".join(sorted(of_post)[:_NAMED])
        return _because("not there", "it is the id of a post, not of a text", f"Texts of the post: {named}.")
    if not refused:
        return _because("not there", "no text of this id was taken in", "Check the id; ingest the file that has it.")
    rows = [{key: row[key] for key in ("file", "item", "reasons")} for row in refused]
    reasons = "; ".join(dict.fromkeys(row["reasons"] for row in rows))
    return {
        **_because("refused on ingest", f"a row with it was refused: {reasons}", "`aufruf quarantine` shows the rows."),
        "rows": rows,
    }


def _speaker(settings: Settings, classifier: Classifier) -> Noticed:
    if settings.registry_unmade:
        return Noticed(None)  # looking must not create a database
    return looked(settings, classifier, Registry(settings, classifier.name, patience=_PATIENCE))


def _because(state: str, reason: str, cure: str = "") -> dict[str, Any]:
    return {"state": state, "why": reason, "next": cure}


def _threshold(speaker: Noticed, row: dict[Any, Any]) -> float | None:
    """From which probability on the version of a prediction says the positive label; known of the one that speaks."""
    one = speaker.version
    told = one.tags.get("aufruf.threshold") if one and one.version == row["model_version"] else None
    return None if told is None else float(told)


def _prediction(row: dict[Any, Any], digest: str, threshold: float | None) -> dict[str, Any]:
    kept = {key: row[key] for key in ("model_version", "label", "probabilities", "run", "digest")}
    told = {"confident": bool(row["confident"]), "scored_at": row["scored_at"].isoformat(timespec="seconds")}
    return {**kept, **told, "threshold": threshold, "as_it_reads_now": row["digest"] == digest}


def _before(row: "pd.Series[Any]", day: str) -> bool:
    at = next((at for at in (row["posted_at"], row["collected_at"]) if not pd.isna(at)), None)
    return at is None or str(at.date()) < day


def _day(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
