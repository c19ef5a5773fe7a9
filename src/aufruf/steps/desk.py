"""The page on which a day starts, made of what the lake and the reports hold. It needs no registry and no model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from aufruf.classifier import Classifier, choose
from aufruf.conditions import quoted
from aufruf.errors import AufrufError
from aufruf.reports import desk as pages
from aufruf.reports.facts import DecisionNote, Finding
from aufruf.reports.index import STANDING, entries
from aufruf.reports.inert import web_address
from aufruf.reports.intervals import Interval
from aufruf.reports.page import short_date
from aufruf.settings import Settings
from aufruf.steps import backlog, findings, history, nights, waiting
from aufruf.steps.missing import Asked
from aufruf.steps.prevalence import prevalence
from aufruf.steps.pseudonyms import named
from aufruf.steps.waiting import read_json
from aufruf.store import Store

_CALLS = 8  # shown
_DAYS, _CHECKS = 5, 6  # reports and files listed
Run = Mapping[str, Any]  # verb, state, at, note, address: what somebody else's scheduler tells of a run


def desk(
    settings: Settings, name: str, runs: Sequence[Run] = (), approve_at: str | None = None, *, files: bool = True
) -> str:
    """The page of a classifier. ``runs``: of its chain, for the time line. ``files``: also what was taken in, for
    whatever classifier. Raises UsageError for an unknown name."""
    classifier = choose(settings, name)
    store, zone = Store(settings.lake), ZoneInfo(classifier.schedule.timezone)
    decisions = store.read("decisions", {"classifier": name}).sort_values("at")
    champion = _champion(settings, store, classifier, decisions, zone)
    version = champion.version if champion else None
    verdict = _verdict(decisions, zone)
    counted = prevalence(store, classifier, version) if version else None
    since = backlog.window(classifier, datetime.now(UTC))
    unscored, outside = backlog.left(store, Asked(name, version, since)) if version else (0, 0)
    day, scored, of, calls = _calls(settings, store, classifier, version) if version else (None, 0, 0, [])
    folder = settings.reports / name
    texts_at, text_pages = _text_pages(folder, version)
    taken = nights.taken(store, settings.reports / "checks") if files else ()
    happened = [*nights.events(store, classifier, decisions, folder), *taken, *map(_run, runs)]
    page = pages.Desk(
        classifier=name,
        positive=classifier.positive,
        metric=classifier.gate.metric,
        at=datetime.now(zone),
        champion=champion,
        challenger=_challenger(settings, classifier, decisions, version),
        verdict=verdict,
        scored_on=day,
        scored=scored,
        calls=calls,
        calls_of=of,
        prevalence=counted if counted and counted.whole.texts else None,
        events=[replace(event, at=event.at.astimezone(zone)) for event in happened],
        learnt=nights.learnt(store, classifier, decisions),
        waiting=waiting.waiting(settings, classifier, version, verdict, approve_at, files=files),
        checks=[*_drift(folder), *(_checks(store, settings, zone) if files else ())],
        files=files,
        pages=_pages(folder, version),
        texts_at=texts_at,
        text_pages=text_pages,
        mask=classifier.report.mask,
        numbered=classifier.report.accounts == "numbers",
        inbox=str(settings.inbox_annotations),
        confidence=classifier.gate.confidence,
        unscored=unscored,
        outside_window=outside,
        since=since,
    )
    return pages.render(page)


def front(settings: Settings, names: Sequence[str]) -> str:
    """The list of these classifiers, with a sentence on who scores."""
    return pages.render_front([(name, _sentence(settings, name)) for name in names])


def queue(settings: Settings, name: str, which: str) -> list[dict[str, Any]]:
    """The Label Studio tasks of a download. Raises UsageError for an unknown name, NothingYet without a version."""
    classifier = choose(settings, name)
    return waiting.tasks(settings, classifier, which, _speaks(Store(settings.lake), classifier)[0])


def _sentence(settings: Settings, name: str) -> str:
    try:
        classifier = choose(settings, name)
    except AufrufError as error:
        return error.sentence()
    version, since, _, _ = _speaks(Store(settings.lake), classifier)
    if version is None or since is None:
        return "No model scores yet."
    return f"Version {version} scores since {short_date(since.astimezone(ZoneInfo(classifier.schedule.timezone)))}."


def _speaks(store: Store, classifier: Classifier) -> tuple[str | None, datetime | None, str | None, str | None]:
    """Who scores, since when, how it came into use, and what should score instead but may not."""
    rows = history.rows(store, classifier)
    if not rows or rows[0]["version"] is None:
        return None, None, None, None
    last, refused = rows[0], None
    if last["refused"]:
        refused = f"Version {last['version']}: {last['refused']}."
        sound = [row for row in rows if row["version"] == last["replaced"] and not row["refused"]]
        if not sound:
            return None, None, None, None
        last = sound[0]
    return last["version"], last["since"].to_pydatetime(), last["how"], refused


def _champion(
    settings: Settings, store: Store, classifier: Classifier, decisions: pd.DataFrame, zone: ZoneInfo
) -> pages.Model | None:
    version, since, how, refused = _speaks(store, classifier)
    if version is None or since is None:
        return None
    metrics, rows = _measured(decisions, version)
    links = _version_links(settings, classifier.name, version)
    told = read_json(settings.reports / classifier.name / f"evaluation/{version}/evaluation.json")
    built = told.get("encoder"), told.get("stand_in_for")
    plain = waiting.in_words(settings, classifier, version)
    return pages.Model(version, metrics, rows, links, since.astimezone(zone), how, refused, *built, plain)


def _challenger(
    settings: Settings, classifier: Classifier, decisions: pd.DataFrame, champion: str | None
) -> pages.Model | None:
    """The version last judged, while it is not the one that scores."""
    if decisions.empty or decisions.iloc[-1]["challenger"] == champion:
        return None
    version = str(decisions.iloc[-1]["challenger"])
    return pages.Model(version, *_measured(decisions, version), _version_links(settings, classifier.name, version))


def _measured(decisions: pd.DataFrame, version: str) -> tuple[dict[str, Interval], int]:
    """The figures of a version as the newest decision has them, as champion or as challenger, and of how many texts."""
    for row in decisions.iloc[::-1].to_dict("records"):
        for role in ("champion", "challenger"):
            if row[role] == version and (found := nights.intervals(row[f"{role}_metrics"])):
                return found, int(row["test_rows"])
    return {}, 0


def _verdict(decisions: pd.DataFrame, zone: ZoneInfo) -> pages.Verdict | None:
    if decisions.empty:
        return None
    row = decisions.iloc[-1]
    said, *reasons = json.loads(row["reasons"]) or [""]
    note = DecisionNote(
        row["verdict"], said[:1].upper() + said[1:], reasons, row["at"].to_pydatetime().astimezone(zone)
    )
    gap = None if pd.isna(row["value"]) else Interval(float(row["value"]), float(row["low"]), float(row["high"]))
    champion = None if pd.isna(row["champion"]) else str(row["champion"])
    return pages.Verdict(str(row["challenger"]), champion, note, gap)


def _version_links(settings: Settings, name: str, version: str) -> list[pages.Link]:
    found = []
    page = f"evaluation/{version}/index.html"
    if (settings.reports / name / page).is_file():
        found.append(pages.Link(f"Evaluation of version {version}", f"reports/{page}"))
    if server := web_address(settings.registry_url):
        found.append(pages.Link(f"Version {version} in MLflow", f"{server}/#/models/{name}/versions/{version}"))
    return found


def _calls(
    settings: Settings, store: Store, classifier: Classifier, version: str
) -> tuple[date | None, int, int, list[Finding]]:
    """The day on which posts were last scored, how many by that scoring, the calls among them, and those to show.

    The day is that of the classifier's place; a scoring over midnight counts whole, as in the report.
    """
    last = findings.last(store, classifier, version)
    if last is None:
        return None, 0, 0, []
    posts = findings.posts(classifier, version, last[0])
    counts = findings.counts(store, classifier, posts)
    found = _shown(settings, store, classifier, version, posts, counts.labels) if counts.labels else []
    return last[1].tz_convert(classifier.schedule.timezone).date(), counts.texts, counts.calls, found


def _shown(
    settings: Settings, store: Store, classifier: Classifier, version: str, posts: str, labels: Sequence[str]
) -> list[Finding]:
    """The surest calls among these posts, the explained ones first."""
    explained = findings.explanations(store, classifier, version)
    known = ", ".join(map(quoted, sorted(explained))) or "''"
    columns = "p.text_id, p.digest, p.label, p.confident, t.text, t.text_type, t.party, t.author, t.posted_at"
    sql = (
        f"select {columns}, {findings.odds(classifier)} as probability, "
        f"p.text_id in ({known}) as explained {posts} "
        f"and p.label in ({', '.join(map(quoted, labels))}) order by explained desc, probability desc limit {_CALLS}"
    )
    rows = findings.ask(store, sql)
    account = named(settings, classifier)
    shown = ({**row, "posted_at": pd.Timestamp(row["posted_at"])} for row in rows)
    zone = ZoneInfo(classifier.schedule.timezone)
    return [replace(findings.finding(row, explained, zone), author=account(row["author"])) for row in shown]


def _run(run: Run) -> pages.Event:
    """A run that failed or goes on; what one has done tells the lake."""
    failed, note = run["state"] == "failed", str(run.get("note") or "").strip()
    said = f"The run {run['verb']} failed{f': {note[:400]}' if note else ''}" if failed else f"{run['verb']} is running"
    links = [pages.Link("In Airflow", run["address"])]
    return pages.Event(run["at"].astimezone(UTC), "failed" if failed else "running", f"{said.rstrip('.')}.", links)


def _text_pages(folder: Path, version: str | None) -> tuple[str | None, frozenset[str]]:
    """Where the newest day that tells of this version has its pages of single texts, and their names."""
    day = max((one.path for one in entries(folder) if one.version == version), default=None)
    if day is None:
        return None, frozenset()
    texts = (folder / day).parent / "texts"
    return f"reports/{texts.parent.name}/texts", frozenset(page.name for page in texts.glob("*.html"))


def _pages(folder: Path, version: str | None) -> list[pages.Link]:
    """The newest days, then the pages beside them that are there."""
    days = sorted((page.parent.name for page in folder.glob("????-??-??/index.html")), reverse=True)
    dated = [(day, at) for day in days[:_DAYS] if (at := _day(day))]
    found = [pages.Link(f"Day {short_date(at)}", f"reports/{day}/index.html") for day, at in dated]
    if (folder / "index.html").is_file():
        found.append(pages.Link("All days", "reports/index.html"))
    found += [
        pages.Link(title, f"reports/{path}", download=path.endswith(".json"))
        for path, title in STANDING.items()
        if (folder / path).is_file()
    ]
    page = f"evaluation/{version}/index.html"
    return found + ([pages.Link("Evaluation of the champion", f"reports/{page}")] if (folder / page).is_file() else [])


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _drift(folder: Path) -> list[pages.Link]:
    page = "monitor/index.html"
    found = [pages.Link("What has moved: do posts and labels still look like the training data?", f"reports/{page}")]
    return found if (folder / page).is_file() else []


def _checks(store: Store, settings: Settings, zone: ZoneInfo) -> list[pages.Link]:
    """The files last taken in, with their checks."""
    files = store.read("files", columns=["digest", "rows", "kept", "status", "ingested_at"])
    rows = files.sort_values("ingested_at", ascending=False).head(_CHECKS).to_dict("records")
    return [_check(settings, row, zone) for row in rows]


def _check(settings: Settings, row: Mapping[Any, Any], zone: ZoneInfo) -> pages.Link:
    short = row["digest"][:12]  # no name: it may be a person's
    page = f"checks/{short}.html"
    held = "held back whole" if row["status"] == "refused" else f"{row['kept']:,} of {row['rows']:,} rows kept"
    title = f"File {short}: {held}, {short_date(row['ingested_at'].tz_convert(zone))}"
    return pages.Link(title, page if (settings.reports / page).is_file() else "")
