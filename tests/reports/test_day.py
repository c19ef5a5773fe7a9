"""The page of one day, read back with a parser."""

import base64
import hashlib
import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from aufruf.errors import AufrufError
from aufruf.reports.day import (
    DayReport,
    DecisionNote,
    Explained,
    Finding,
    Interval,
    Neighbour,
    PartyCount,
    Record,
    render,
    render_texts,
    write,
)
from aufruf.reports.finding import key_of
from aufruf.reports.intervals import wilson

ATTACKS = [
    "<script>alert(1)</script>",
    "</script></style></title><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    "a\u2028b\u2029c",
    "x\u202eevil\u2066y",
    "nul\x00l",
    "halb \ud83d",
    "{{ day.classifier }} {% raw %}",
    "]]><!--",
]
VOID = {"meta", "path", "rect", "br", "link", "img", "input", "base", "hr"}


class Page(HTMLParser):
    """Elements, attributes and visible text of a page; raises where tags do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.styles: list[str] = []
        self.scripts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            self.styles.append(data)
        elif self.open[-1:] == ["script"]:
            self.scripts.append(data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def poisoned(day: DayReport, bad: str) -> DayReport:
    found = Finding(
        bad,
        f"Geht {bad} wählen",
        bad,
        bad,
        bad,
        None,
        bad,
        0.9,
        False,
        bad,
        Explained([(bad, 0.5), ("Geht", -1)], 0.9, 0.9),
        Record(50, 40, 0.8, 0.9, 0.67, 0.89),
        [Neighbour(bad, f"Geht {bad} wählen", bad, 0.5)],
    )
    return replace(
        day,
        classifier=bad,
        positive=bad,
        model=replace(
            day.model,
            version=bad,
            run_id=bad,
            run_url=bad,
            encoder=bad,
            stand_in_for=bad,
            metrics={**day.model.metrics, bad: Interval(0.5, 0.4, 0.6)},
        ),
        decision=DecisionNote("kept", bad, [bad], datetime(2025, 2, 17, tzinfo=UTC)),
        ledger={bad: 1},
        parties=[PartyCount(bad, 10, 3, *wilson(3, 10))],
        calls=[found],
        others=[found, replace(found, text_id="other", party=None, chosen="control")],
        mismatches=[replace(found, text_id="third", record=None, decided=bad)],
    )


def pages_of(day: DayReport, mask: bool) -> list[str]:
    return [render(day, mask, "names"), *render_texts(day, mask, "names").values()]


@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize("bad", ATTACKS)
def test_nothing_from_outside_becomes_code(day: DayReport, bad: str, mask: bool) -> None:
    """Whatever stands in a text, name, label or reason, the pages hold our elements, scripts and links only."""
    for html, harmless in zip(
        pages_of(poisoned(day, bad), mask), pages_of(poisoned(day, "harmlos"), mask), strict=True
    ):
        _holds_nothing_foreign(html, Page(harmless))


def _holds_nothing_foreign(html: str, clean: Page) -> None:
    page = Page(html)
    assert [(tag, sorted(names)) for tag, names in page.elements] == [
        (tag, sorted(names)) for tag, names in clean.elements
    ]
    assert (page.styles, page.scripts) == (clean.styles, clean.scripts)
    assert {"img", "iframe", "object", "link", "base", "form"} & {tag for tag, _ in page.elements} == set()
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        address = r"#\w+|\.\./(\.\./)?index\.html(#[\w-]+)?|texts/[0-9a-f]{16}\.html"
        assert re.fullmatch(address, attributes.get("href", "#x"))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]", html)
    html.encode("utf-8")


def test_the_policy_admits_our_style_and_script_by_their_hash_and_nothing_else(day: DayReport) -> None:
    """The hashes in the policy are those of the style elements and of the one script; a text's page has no script."""
    [one] = render_texts(replace(day, calls=day.calls[:1], others=[], mismatches=[])).values()
    for page, scripts in ((Page(render(day)), 1), (Page(one), 0)):
        [policy] = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
        styles = " ".join(_hash(style) for style in page.styles)
        allowed = "".join(f"script-src {_hash(code)}; " for code in page.scripts)
        assert policy == f"default-src 'none'; style-src {styles}; {allowed}base-uri 'none'; form-action 'none'"
        assert len(page.scripts) == scripts
        assert not re.search(r"url\(|@import", "".join(page.styles))


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def test_the_numbers_are_those_given(day: DayReport) -> None:
    """Counts, shares, metrics with bounds, threshold and decision stand on the page."""
    text = Page(render(day)).text
    for fact in (
        "1,412 texts scored by version 3, 38 of them on 16 February 2025;",
        "297 labelled call (21 % , 95 % interval 19 % to 23 % )",
        "31 lie too close to the threshold to be sure.",
        "F1 0.81 0.72–0.88 0.67 0.56–0.76",
        "On 278 frozen test texts",
        "Bündnis Morgenrot 28 % 24–32 143 of 512",
        "no party 27 % 18–39 18 of 67",
        "of 100 texts that the model labels call, about 76 are; of 100 that are, it finds about 87.",
        "Promoted. Version 3 replaces version 2",
        "train 833, validation 278, test 277",
        "6 of 14, party by party",
        "the encoder reads 256 word pieces of each",
        "fit 0.22 · stability 0.83 Not reliable: fit below 0.3",
        "Not reliable: stability below 0.5",
        "Unterschreibt +0.36",
        "Fragen −0.06",
        "17 February 2025, 02:41 CET",
    ):
        assert _loose(fact) in _loose(text)


@pytest.mark.parametrize(("measured", "shown"), [(0.95, "faithfulness 0.95"), (0.0, "faithfulness 0.00")])
def test_faithfulness_stands_beside_fit_where_it_was_measured(day: DayReport, measured: float, shown: str) -> None:
    """On the card and on the text's own page, with what it means; 0 is a figure like any other."""
    call = replace(day.calls[0], explained=Explained([("Geht", 0.3)], 0.72, 0.83, measured))
    for html in pages_of(replace(day, calls=[call], others=[], mismatches=[]), mask=True):
        page = Page(html)
        assert f"fit 0.72 · stability 0.83 · {shown}" in page.text
        [meaning] = [a["title"] for _, a in page.elements if a.get("title", "").startswith("the share of random")]
        assert meaning.endswith("1 is best, 0.5 is chance, below it others matter more")


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_faithfulness_that_was_not_measured_is_not_shown(day: DayReport, missing: float | None) -> None:
    """Nothing stands in its place on either page."""
    call = replace(day.calls[0], explained=Explained([("Geht", 0.3)], 0.72, 0.83, missing))
    for html in pages_of(replace(day, calls=[call], others=[], mismatches=[]), mask=True):
        assert '<p class="trust">fit 0.72 · stability 0.83</p>' in html


def test_of_a_text_without_words_nothing_is_explained(day: DayReport) -> None:
    """Its card and its page say so, and give no figures of trust, which would be zeros."""
    call = replace(day.calls[0], text="... !!!", explained=Explained([], 0.0, 0.0, unreliable=""))
    for html in pages_of(replace(day, calls=[call], others=[], mismatches=[]), mask=True):
        assert "No words: nothing to explain." in html
        assert 'class="trust"' not in html


@pytest.mark.parametrize(("fold_case", "shaded"), [(False, ["Wählen"]), (True, ["Wählen", "wählen"])])
def test_with_folded_case_each_spelling_is_shaded(day: DayReport, fold_case: bool, shaded: list[str]) -> None:
    """On the card and on the text's own page, as both are one word to the explanation."""
    explained = Explained([("Wählen", 0.3)], 0.72, 0.83, fold_case=fold_case)
    call = replace(day.calls[0], text="Wählen! Geht wählen", explained=explained)
    for html in pages_of(replace(day, calls=[call], others=[], mismatches=[]), mask=True):
        part = html[html.index('<div class="text"') :]
        assert re.findall(r"<mark[^>]*>([^<]*)</mark>", part) == shaded


def _loose(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_a_stand_in_is_said_before_anything_else(day: DayReport) -> None:
    """A reader learns of the stand-in encoder in the header, and only when there is one."""
    head = render(day).split("<main>")[0]
    assert "Stand-in encoder." in head
    assert "deepset/gbert-base" in head
    assert "tand-in" not in Page(render(replace(day, model=replace(day.model, stand_in_for=None)))).text


@pytest.mark.parametrize(
    "change",
    [
        lambda day: replace(day, decision=None),
        lambda day: replace(day, calls=[], others=[], mismatches=[], calls_shown_of=0),
        lambda day: replace(day, calls=[replace(call, explained=None) for call in day.calls]),
        lambda day: replace(day, calls=[replace(call, explained=Explained([], 0.9, 0.9)) for call in day.calls]),
        lambda day: replace(day, parties=[], scored_total=0, scored_last=0, scored_on=None, calls_total=0, undecided=0),
        lambda day: replace(day, parties=[PartyCount("Leer", 0, 0, 0.0, 1.0)]),
        lambda day: replace(day, ledger={}),
        lambda day: replace(day, model=replace(day.model, metrics={}, baseline={}, trained_at=None)),
        lambda day: replace(day, model=replace(day.model, metrics={})),
        lambda day: replace(day, model=replace(day.model, baseline={}, run_url=None)),
        lambda day: replace(day, calls=[replace(call, posted_at=pd.NaT) for call in day.calls]),
        lambda day: replace(
            day,
            calls=[replace(day.calls[0], explained=Explained([("Geht", float("nan"))], float("nan"), 0.9))],
        ),
        lambda day: replace(day, calls=[replace(day.calls[0], text="", author=None, party=None)]),
        lambda day: replace(day, calls=[replace(day.calls[0], text="wort " * 1400)]),
    ],
)
def test_a_page_with_gaps_is_a_page(day: DayReport, change: Callable[[DayReport], DayReport]) -> None:
    """Without decision, calls, words, parties, metrics or times the rest stands, without None or nan."""
    text = Page(render(change(day))).text
    assert "What this page cannot say" in text
    assert not re.search(r"\bNone\b(?! to show)|\bnan\b|\bNaT\b", text)


def test_a_text_is_shown_letter_by_letter(day: DayReport) -> None:
    """Unmasked, the pieces of a text with its marks are the text, escaped and nothing more."""
    text = "Geht & kommt <bald>!\n\n  👩‍🚀 Tu\u0308r «@anna» ❤️ &amp; https://example.org/a?b&c"
    words = [("Geht", 1.0), ("👩‍🚀", -0.5), ("&", 0.2), ("bald", 0.1)]
    found = replace(day.calls[0], text=text, explained=Explained(words, 0.9, 0.9))
    html = render(replace(day, calls=[found], others=[], mismatches=[]), mask=False)
    inside = re.search(r'<div class="text"[^>]*>(.*?)</div>', html, re.DOTALL)
    assert inside is not None
    page = Page(inside.group(1))
    assert "".join(page.words) == text
    assert [(a["class"], a["title"]) for _, a in page.elements] == [
        ("to s3", "+1.00"), ("to s1", "+0.20"), ("to s1", "+0.10"), ("away s2", "−0.50"), ("to s1", "+0.20")
    ]  # fmt: skip


def test_persons_are_masked_unless_asked_for(day: DayReport) -> None:
    """By default no handle, account, address, number or path of a link leaves; with mask=False they do."""
    private = ["jona.flussufer", "profil_1", "anna.beispiel", "5550 1234", "schulbus?ref", "ref=anna"]
    near = Neighbour("near", "@jona.flussufer und anna.beispiel@example.org", "call", 0.5)
    day = replace(day, calls=[replace(call, neighbours=[near]) for call in day.calls])
    shown, hidden = ("".join(one) for one in (pages_of(day, False), [render(day), *render_texts(day).values()]))
    for name in private:
        assert name in shown
        assert name not in hidden
    assert "account 1" in hidden
    assert "This page is not masked." in shown


def test_one_account_keeps_its_number(day: DayReport) -> None:
    """Two texts of one author carry the same number, another author's another."""
    calls = [replace(call, author=name) for call, name in zip(day.calls, ["a1", "b2", "a1"], strict=False)]
    text = Page(render(replace(day, calls=calls, others=[], mismatches=[], parties=[]))).text
    assert sorted(re.findall(r"account \d", text)) == ["account 1", "account 1", "account 2"]


def test_parties_come_in_turn_and_the_surest_first(day: DayReport) -> None:
    """Calls stand party by party, by falling probability, those without a party at the end."""
    calls = [
        replace(day.calls[0], party=p, probability=q) for p, q in [(None, 0.9), ("B", 0.6), ("A", 0.7), ("B", 0.8)]
    ]
    html = render(replace(day, calls=calls, others=[], mismatches=[], parties=[PartyCount("B", 9, 2, 0.1, 0.5)]))
    assert re.findall(r"· <b>(?:<bdi>)?(.*?)(?:</bdi>)?</b>", html) == ["B", "B", "A", "no party"]
    assert re.findall(r'"probability">([\d.]+)<', html) == ["0.80", "0.60", "0.70", "0.90"]


def test_a_text_has_a_page_of_its_own(day: DayReport, tmp_path: Path) -> None:
    """It says what such a probability was worth, draws the weights, and shows the nearest training texts."""
    near = [Neighbour("instagram:N:caption", "Geht am Sonntag wählen! " * 40, "call", 0.61)]
    call = replace(day.calls[0], record=Record(50, 46, 0.911, 0.99, 0.812, 0.969), neighbours=near)
    page = write(tmp_path, replace(day, calls=[call], others=[], mismatches=[]))
    [address] = re.findall(r'href="(texts/[0-9a-f]{16}\.html)"', page.read_text("utf-8"))
    html = (tmp_path / address).read_text("utf-8")
    for fact in (
        "Of the 50 test texts with the nearest probabilities, one of each group (0.91 to 0.99) people labelled 46 call",
        "call: 92 %, 95 % interval 81 %",
        "95 % interval 81 % to 97 %",
        "0.61 call · instagram:N:caption",
        "Geht +0.31",
    ):
        assert _loose(fact) in _loose(Page(html).text)
    assert "Geht am […]" in Page(html).text
    assert Page(html).text.count("Geht am Sonntag") < 40
    assert 'x="50" y="3" width="50.0"' in html
    assert "0.81–0.97" in Page(page.read_text("utf-8")).text


def test_a_training_text_may_begin_with_any_number_of_blanks(day: DayReport) -> None:
    """Four hundred line feeds before its first word ended the report; a neighbour is shown from that word on."""
    near = [Neighbour("n", "\n" * 500 + "Geht am Sonntag wählen! " * 40, "call", 0.61)]
    [html] = render_texts(
        replace(day, calls=[replace(day.calls[0], neighbours=near)], others=[], mismatches=[])
    ).values()
    assert '<div class="text" lang="de" dir="auto">Geht am Sonntag' in html


def test_only_texts_that_are_shown_have_a_page(day: DayReport, tmp_path: Path) -> None:
    """Written again with other texts, the folder keeps no page of the old ones."""
    write(tmp_path, day)
    assert len(list((tmp_path / "texts").iterdir())) == len(day.calls) + len(day.others) + len(day.mismatches)
    write(tmp_path, replace(day, calls=day.calls[:1], others=[], mismatches=[]))
    assert len(list((tmp_path / "texts").iterdir())) == 1


def test_two_reports_at_once_end_well(day: DayReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that the one is about to remove was removed by the other."""
    write(tmp_path, day)
    (tmp_path / "texts" / "old.html").write_text("", "utf-8")
    real = Path.glob

    def listed(self: Path, pattern: str) -> list[Path]:
        found = list(real(self, pattern))
        (tmp_path / "texts" / "old.html").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "glob", listed)
    assert write(tmp_path, day).is_file()


def test_a_text_costs_few_bytes(day: DayReport) -> None:
    """Three hundred explained texts make a page of the day under 1 MB, and each text's own page is under 30 kB."""
    near = [Neighbour(f"n{at}", "Geht am Sonntag wählen! " * 40, "call", 0.61) for at in range(3)]
    call = replace(day.calls[0], neighbours=near)
    assert len(render(replace(day, calls=[replace(call, text_id=f"t{at}") for at in range(300)]))) < 1_000_000
    assert {
        len(page) < 30_000 for page in render_texts(replace(day, calls=[call], others=[], mismatches=[])).values()
    } == {True}


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_writing_is_whole_and_as_open_as_the_umask_says(day: DayReport, tmp_path: Path, umask: int, mode: int) -> None:
    """The page is folder/index.html, replaced in one go, and no draft stays behind; whose posts are theirs alone have
    pages that are theirs alone."""
    folder, before = tmp_path / "call_to_action" / "2025-02-17", os.umask(umask)
    try:
        assert write(folder, replace(day, day=date(2024, 2, 29))) == write(folder, day) == folder / "index.html"
    finally:
        os.umask(before)
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "texts"]
    assert stat.S_IMODE((folder / "index.html").stat().st_mode) == mode
    assert (folder / "index.html").read_text(encoding="utf-8") == render(day)


def test_a_folder_that_cannot_be_written_is_said(day: DayReport, tmp_path: Path) -> None:
    """The error names the page and what to do."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(AufrufError, match=r"\.html: the page could not be written: .*aufruf report"):
        write(tmp_path / "file" / "2025-02-17", day)


def test_what_people_said_otherwise_has_a_place_of_its_own(day: DayReport) -> None:
    """A test text that people labelled otherwise stands in the last part, with both answers, and so on its page."""
    [wrong] = day.mismatches
    page = Page(render(day, mask=False)).text
    part = page[page.index("Labels in doubt", page.index("Uncertain, and a random control")) :]
    assert "Alle Termine" in part
    assert f"people: {wrong.decided}" in part
    assert "Alle Termine" not in page[: -len(part)]
    own = Page(render_texts(day)[f"{key_of(wrong.text_id)}.html"]).text
    assert "People labelled it call. It is one of the test texts" in own
    assert "Labels in doubt" not in Page(render(replace(day, mismatches=[]))).text


@pytest.mark.parametrize(
    ("probability", "threshold", "shown"),
    [(0.7, 0.703, ("0.700", "0.703")), (0.7028, 0.7031, ("0.702800", "0.703100"))],
)
def test_a_text_just_below_the_threshold_does_not_seem_to_be_on_it(
    day: DayReport, probability: float, threshold: float, shown: tuple[str, str]
) -> None:
    """Both are shown with as many decimals as tell them apart, in the heading too."""
    call = replace(day.calls[0], probability=probability, label="no_call")
    day = replace(day, calls=[call], others=[], mismatches=[], model=replace(day.model, threshold=threshold))
    [page] = render_texts(day).values()
    said = f"{shown[0]} no_call gives call a probability of {shown[0]}. From {shown[1]} on a text is labelled so."
    seen = _loose(Page(page).text)
    assert [part in seen for part in map(_loose, re.split(r"(?=gives)", said))] == [True, True]
    assert "Threshold0.703" in _loose(Page(render(day)).text)


def test_each_way_to_a_text_has_a_name_of_its_own(day: DayReport) -> None:
    """In a list of links "More" alone leads anywhere; they are counted as on the classifier's page."""
    named = re.findall(r'aria-label="More on ([^"]+)"', render(day))
    assert [named[0], len(named), len(set(named))] == ["call 1", 9, 9]
    assert {name.rstrip("0123456789 ") for name in named} == {"call", "text", "label in doubt"}


def test_what_was_last_scored_has_its_own_day(day: DayReport) -> None:
    """A report without a new scoring says when that was, and calls nothing of it today's."""
    text = Page(render(replace(day, calls=[], others=[], mismatches=[], calls_shown_of=0))).text
    assert text.count("None to show of 16 February 2025.") == 3
    assert "today" not in text


def test_the_page_says_that_something_has_moved(day: DayReport) -> None:
    """What monitor last found stands above all figures; where nothing moved nothing is said of it."""
    page = render(replace(day, moved=["labels moved from the labelled texts: 65 % to 98 %"]))
    assert "labels moved from the labelled texts: 65 % to 98 %" in page[: page.index("<main>")]
    assert "Something has moved" not in render(day)
