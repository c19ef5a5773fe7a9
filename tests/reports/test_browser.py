"""The pages in a real browser: nothing runs, nothing is fetched, filters work without a script, colours can be read."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.steps.after.browsing import violations

from aufruf.reports import agreement, audit, evaluation
from aufruf.reports.agreement import AgreementReport, Alpha, Coder, Pair, Undecided
from aufruf.reports.audit import AuditReport
from aufruf.reports.day import DayReport, DecisionNote, Explained, Finding, Neighbour, PartyCount, Record, write
from aufruf.reports.desk import Desk
from aufruf.reports.desk import render as render_desk
from aufruf.reports.evaluation import EvaluationReport, LabelRow, SliceRow
from aufruf.reports.finding import key_of
from aufruf.reports.index import write_index
from aufruf.reports.intervals import Interval
from aufruf.reports.monitor import Bars, MonitorReport
from aufruf.reports.monitor import render as render_monitor
from aufruf.reports.prevalence import Errors, Prevalence, contrasts, share
from aufruf.reports.words import Driver, Example, PartyWords, Suspect, Trust, WordsReport
from aufruf.reports.words import render as render_words
from aufruf.reports.words import write as write_words
from aufruf.schemas import Shift

ATTACKS = [
    "<script>window.ran = 1</script>",
    "</script></style></title></textarea><script>window.ran = 1; fetch('{there}')</script>",
    "\"'><img src={there} onerror=window.ran=1>",
    "' onmouseover='window.ran=1' style='background:url({there})",
    "<svg/onload=window.ran=1><iframe src={there}></iframe><link rel=stylesheet href={there}>",
    "<a href=javascript:window.ran=1>klick</a> javascript:window.ran=1",
    "<style>@import '{there}'; * {{ background: url({there}) }}</style>",
    "<meta http-equiv=refresh content='0;url={there}'><base href={there}><form action={there}>",
    "</article></li><article class='finding'><script>window.ran=1</script>",
    "a\u2028window.ran=1\u2029 \u202ekcilk\u2066 nul\x00l \x1b[2J halb \ud83d <\ud800script>window.ran=1</script>",
    "{{{{ 7 * 7 }}}} {{% raw %}} ${{window.ran=1}} ]]><!--",
]
ERRORS = Errors(found=80, positives=100, spared=190, negatives=200)
CONTRAST = """() => {
  const parse = (said) => { const n = said.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const over = (top, under) => top.slice(0, 3).map((one, at) => one * top[3] + under[at] * (1 - top[3]));
  const light = (rgb) => rgb.map((one) => one / 255)
    .map((one) => one <= .03928 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4)
    .reduce((sum, one, at) => sum + one * [.2126, .7152, .0722][at], 0);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const under = behind(element), ink = over(parse(getComputedStyle(element).color), under);
    const [a, b] = [light(under), light(ink)].sort((one, other) => other - one);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) found.push(`${element.tagName}.${element.className}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(found)];
}"""


class Site(ThreadingHTTPServer):
    """Serves a folder and remembers what it was asked for."""

    def __init__(self, folder: Path) -> None:
        asked: list[str] = []
        self.asked = asked

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *what: Any) -> None:
                asked.append(self.path)

        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium, headless; where there is none the tests are skipped, but with ``CI`` set they fail."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        assert not os.environ.get("CI"), "install chromium: apt-get install chromium"
        pytest.skip("there is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    served = Site(tmp_path)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served
    served.shutdown()
    served.server_close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """``opened(url, javascript=..., scheme=...)``: the page, in a context of its own; ``bare``: without its policy.

    ``first``: a script that runs before the page's own.
    """
    contexts = []

    def visit(
        url: str, javascript: bool = True, scheme: str = "light", width: int = 1200, bare: bool = False, first: str = ""
    ) -> Any:
        context = browser.new_context(
            java_script_enabled=javascript,
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            bypass_csp=bare,
        )
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(first)
        page.set_default_timeout(10_000)
        page.told = []
        page.on("console", lambda message: page.told.append(message.text))
        page.on("pageerror", lambda error: page.told.append(str(error)))
        page.on("dialog", lambda dialog: page.told.append("a dialog"))
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()


def attacked(day: DayReport, there: str) -> DayReport:
    """The day with every attack in every field that comes from outside."""
    found = []
    for number, attack in enumerate(ATTACKS):
        bad = attack.format(there=there)
        words = [(bad, 0.5), ("Geht", -1.0), (bad.split()[0], 0.2)]
        near = [Neighbour(f"{number}{bad}", bad, bad, 0.5)]
        record = Record(50, 40, 0.8, 0.9, 0.67, 0.89)
        found.append(
            Finding(
                f"{bad}{number}", f"Geht {bad} wählen", bad, bad, bad, None, bad, 0.9, number % 2 == 0, "call",
                Explained(words, 0.9, 0.9, 0.8, f"{bad}; {bad}", number % 3 == 0), record, near,
            )
        )  # fmt: skip
    bad = "".join(attack.format(there=there) for attack in ATTACKS)
    parts = [share(attack.format(there=there), 10, 50, ERRORS) for attack in ATTACKS]
    slices = dict.fromkeys(("party", "text_type", "post_type", "week"), parts)
    return replace(
        day,
        classifier=bad,
        positive=bad,
        model=replace(day.model, version=bad, run_id=bad, run_url="javascript:window.ran=1", encoder=bad),
        decision=DecisionNote("kept", bad, [bad], day.generated_at),
        parties=[PartyCount(bad, 10, 3, 0.1, 0.6)],
        calls=found,
        others=[replace(one, text_id=f"other {one.text_id}", chosen="control") for one in found],
        prevalence=Prevalence(ERRORS, share(None, 40, 100, ERRORS), slices, contrasts(slices["party"], ERRORS)),
        words_page="../words/index.html",
    )


def attacked_words(there: str) -> WordsReport:
    """The page on words with every attack as word, party, text and id."""
    bad = [attack.format(there=there) for attack in ATTACKS]
    drivers = [Driver(one, 3, 0.2, 0.1, [Example(one, one)]) for one in bad]
    suspects = [Suspect(one, "party", 3, 0.2, 2, 1, 0.1, [Example(one, one)]) for one in bad]
    trust, parties = Trust(9, 0.7, 0.8, 1, 0.9, 1, 0.1), [PartyWords(one, 2, drivers) for one in bad]
    name, when = "".join(bad), datetime(2025, 2, 17, tzinfo=UTC)
    return WordsReport(name, name, name, when, 9, 9, 1, trust, trust, drivers, parties, suspects)


@pytest.mark.parametrize("mask", [True, False])
def test_hostile_texts_run_nothing_and_fetch_nothing(
    day: DayReport, tmp_path: Path, site: Site, opened: Any, mask: bool
) -> None:
    """All pages of a report full of attacks, opened, hovered, focused: nothing runs, no policy has a thing to stop."""
    mine = attacked(day, f"{site.address}/stolen")
    write(tmp_path / "calls" / "2025-02-17", mine, mask=mask, accounts="names")
    write_words(tmp_path / "calls" / "words", attacked_words(f"{site.address}/stolen"), mask)
    write_index(tmp_path / "calls", mine.classifier)
    paths = [f"/{page.relative_to(tmp_path).as_posix()}" for page in sorted(tmp_path.rglob("*.html"))]
    assert len(paths) == 3 + len([*mine.calls, *mine.others, *mine.mismatches])
    page = opened("about:blank")
    for path in paths:
        page.goto(site.address + path)
        for folded in page.locator("details").all()[:6]:
            folded.evaluate("one => one.open = true")
        for mark in page.locator("mark, .words bdi, .near .text, .examples, th bdi").all()[:4]:
            mark.hover()
        for _ in range(6):
            page.keyboard.press("Tab")
        page.wait_for_timeout(50)
        assert (page.evaluate("window.ran"), page.told, page.url) == (None, [], site.address + path)
        schemes = page.evaluate("[...document.links].map((link) => link.protocol + link.host)")
        assert set(schemes) <= {f"http:{site.address.removeprefix('http://')}"}
    assert [asked for asked in site.asked if asked != "/favicon.ico"] == paths


def test_the_same_attacks_do_harm_where_nothing_stops_them(tmp_path: Path, site: Site, opened: Any) -> None:
    """Written into a page as they are, they run and fetch, and this file's eyes see it."""
    bare = "".join(attack.format(there=f"{site.address}/stolen") for attack in ATTACKS[:5])
    (tmp_path / "bare.html").write_text(f"<!doctype html><title>bare</title>{bare}", "utf-8")
    page = opened(f"{site.address}/bare.html")
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") == 1
    assert "/stolen" in site.asked


def test_filters_work_with_the_keyboard_and_no_script(day: DayReport, tmp_path: Path, opened: Any) -> None:
    """With JavaScript off, Tab and arrow keys choose a party, then a type; other texts disappear; search is hidden."""
    page = opened(write(tmp_path, day).as_uri(), javascript=False)
    shown = page.locator(".finding:visible")
    assert shown.count() == 9
    assert not page.locator("#search").is_visible()
    page.locator("nav a").last.focus()
    for _ in range(3):
        if page.locator("#by-party:focus").count():
            break
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert page.locator("#by-party").input_value() == "1"
    assert [one.count("Bündnis Morgenrot") for one in shown.all_inner_texts()] == [1, 1, 1]
    page.locator("#by-party").select_option("2")
    page.locator("#by-type").select_option(label="ocr (1)")
    assert [("TEILEN" in one, "Liste Flussufer" in one) for one in shown.all_inner_texts()] == [(True, True)]


def test_search_finds_words_whatever_their_case_and_accents(day: DayReport, tmp_path: Path, opened: Any) -> None:
    """All words must occur in a text; the filters hold beside it; no single key does anything (WCAG 2.2, 2.1.4)."""
    page = opened(write(tmp_path, day).as_uri())
    page.keyboard.press("/")
    assert not page.locator("#search:focus").count()
    page.locator("#search").press_sequentially("WAHLEN nachbarn")
    shown = page.locator(".finding:visible")
    assert shown.count() == 1
    assert "Geht" in shown.first.inner_text()
    page.locator("#search").fill("")
    page.locator("#by-why").select_option(label="random control (1)")
    assert "Danke" in shown.first.inner_text()
    page.locator("#search").fill("wählen")
    assert shown.count() == 0
    assert page.told == []


def test_what_is_left_is_said(day: DayReport, tmp_path: Path, opened: Any) -> None:
    """A status before the texts counts them after each filter and search (WCAG 2.2, 4.1.3); without a script too."""
    path = write(tmp_path, day)
    page = opened(path.as_uri())
    status = page.get_by_role("status")
    assert status.evaluate("one => one === one.parentNode.firstElementChild")
    assert status.inner_text() == "9 of 9 texts shown"
    page.locator("#by-party").select_option("1")
    assert status.inner_text() == "3 of 9 texts shown"
    page.locator("#search").fill("nachbarn")
    assert status.inner_text() == "1 of 9 texts shown"
    assert page.told == []
    old = opened(path.as_uri(), first="delete Element.prototype.checkVisibility")
    assert (old.get_by_role("status").inner_text(), old.told) == ("9 of 9 texts shown", []), "a browser of before 2024"
    bare = opened(path.as_uri(), javascript=False)
    assert bare.locator(".tally").inner_text().strip() == "of 9 texts shown", "the style sheet counts"


def test_on_paper_stands_what_left_texts_out(day: DayReport, tmp_path: Path, opened: Any) -> None:
    """Of the filters those that were chosen; a page that shows all texts prints none."""
    page = opened(write(tmp_path, day).as_uri())
    page.emulate_media(media="print")
    assert page.locator(".filters").is_hidden()
    page.emulate_media(media="screen")
    page.locator("#by-party").select_option("1")
    page.emulate_media(media="print")
    assert page.locator(".filters p:visible").all_inner_texts()[0].startswith("Party")
    assert page.locator(".filters p:visible").count() == 1
    page.emulate_media(media="screen")
    page.locator("#search").fill("nachbarn")
    page.emulate_media(media="print")
    assert page.locator(".filters p:visible").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_written_can_be_read(day: DayReport, tmp_path: Path, opened: Any, scheme: str) -> None:
    """All text has a contrast of 4.5 to 1 or more (WCAG 2.2, 1.4.3), marked words too, and fits a narrow screen."""
    record, near = Record(50, 46, 0.91, 0.99, 0.81, 0.97), [Neighbour("n", "Geht am Sonntag wählen!", "call", 0.6)]
    calls = [replace(call, record=record, neighbours=near) for call in day.calls]
    path = write(tmp_path / "2025-02-17", replace(day, calls=calls))
    index = write_index(tmp_path, "calls")
    for address in (path, path.parent / "texts" / f"{key_of(calls[0].text_id)}.html", index):
        page = opened(address.as_uri(), scheme=scheme, width=360)
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.fixture
def beside(day: DayReport, desk: Desk, tmp_path: Path) -> dict[str, Path]:
    """The pages beside the day, with names as long as they are, by what they are called."""
    half, when = Interval(0.512, 0.413, 0.624), day.generated_at
    slices = [SliceRow("party", name, 1234, 456, half, half, half, True) for name in ("BÜNDNIS 90/DIE GRÜNEN", "CDU")]
    facts = ("calls", "call", "3", "e5", None, when, 278, 270, 97, 0.95, 2000, 0.431, None, {"f1": half}, {"f1": half})
    evaluated = EvaluationReport(*facts, [LabelRow("no_call", 97, half)], [], slices, [], (30, 10), [], [], 0)
    told = [Example("instagram:DF0001xQ:caption", "Geht am Sonntag wählen und bringt Nachbarn mit! " * 4)]
    drivers = [Driver("Veranstaltungsankündigung", 140, 0.214, 0.031, told)]
    suspects = [Suspect("", "handle", 1240, -0.204, 20, 13, 0.104, told)]
    trust = Trust(12_345, 0.72, 0.83, 10, 0.95, 1645, 0.133)
    parties = [PartyWords("CDU", 40, drivers)]
    words = WordsReport("calls", "call", "3", when, 300, 200, 40, trust, trust, drivers, parties, suspects)
    alpha = Alpha(0.712, 0.651, 0.773, 1234)
    coders = [Coder("anna.schmidt", {"call": 1240}, 0.12, 0.87, 0.71, 12.5, 124, False)]
    votes = AgreementReport(
        "calls", ["call"], 1234, {"tie": 12}, 0.4, 2, alpha, {"transcript": alpha}, {},
        [Pair("anna.schmidt", "bert.lehmann", 0.7, 1234)], coders, [], [],
    )  # fmt: skip
    morning = replace(
        desk,
        calls=[replace(desk.calls[0], text="Geht wählen. " * 60)],
        waiting=[replace(desk.waiting[0], count=count) for count in (15, 15_000)],
    )
    sizes, figures = {"training": 12_345, "weeks": 60}, ("new_words", "probabilities", "labels")
    shifts = [
        Shift("calls", "2025-02-16", one, "training", "3", 300, 12_345, 0.231, 0.342, 0.455, 0.154, 0.2, True, when)
        for one in figures
    ]
    bars = {(one, "training"): Bars(["call", "no_call"], [0.2, 0.8], [0.35, 0.65]) for one in figures}
    moved = MonitorReport("calls", "call", when.date(), 7, 4, "3", 300, sizes, 100, [], shifts, bars, [])
    made = {
        "evaluation": evaluation.render(evaluated),
        "words": render_words(words),
        "agreement": agreement.render(votes),
        "desk": render_desk(morning),
        "monitor": render_monitor(moved),
    }
    for name, page in made.items():
        (tmp_path / f"{name}.html").write_text(page, "utf-8")
    write(tmp_path / "calls" / "2025-02-17", replace(day, scored_total=123_456))
    return {name: tmp_path / f"{name}.html" for name in made} | {"days": write_index(tmp_path / "calls", "calls")}


@pytest.mark.parametrize("name", ["evaluation", "words", "agreement", "desk", "days", "day", "text"])
def test_axe_finds_nothing(day: DayReport, beside: dict[str, Path], tmp_path: Path, opened: Any, name: str) -> None:
    """No violation of WCAG 2.2 A and AA, however small, with words, figures of prevalence and doubts on the page."""
    parts = {"party": [share("CDU", 10, 50, ERRORS), share("SPD", 30, 50, ERRORS)]}
    slices = dict.fromkeys(("text_type", "post_type", "week"), parts["party"]) | parts
    found = Prevalence(ERRORS, share(None, 40, 100, ERRORS), slices, contrasts(parts["party"], ERRORS))
    near = [Neighbour("n", "Geht am Sonntag wählen!", "call", 0.6)]
    full = replace(day, prevalence=found, calls=[replace(one, neighbours=near) for one in day.calls])
    page = write(tmp_path / "full", full)
    text = page.parent / "texts" / f"{key_of(full.calls[0].text_id)}.html"
    assert violations(opened((beside | {"day": page, "text": text})[name].as_uri(), bare=True)) == []


@pytest.mark.parametrize("name", ["evaluation", "words", "agreement", "desk", "days", "monitor"])
@pytest.mark.parametrize("width", [320, 400])
def test_a_page_is_no_wider_than_a_telephone(beside: dict[str, Path], opened: Any, name: str, width: int) -> None:
    """What is wider scrolls by itself, also by keyboard (WCAG 2.2, 1.4.10)."""
    page = opened(beside[name].as_uri(), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("width", [320, 400])
def test_long_names_and_reasons_make_no_page_wider(desk: Desk, tmp_path: Path, opened: Any, width: int) -> None:
    """A party of 200 letters on the desk, the votes for many labels, and why a text is in no split."""
    parties = [share("x" * 200, 10, 50, ERRORS), share("Tierschutzpartei", 10, 50, ERRORS)]
    found = Prevalence(ERRORS, share(None, 40, 100, ERRORS), {"party": parties, "week": []}, [])
    votes = {f"label number {number}": 1 for number in range(6)}
    waits = Undecided("instagram:3702717153531131277:ocr", "tie", votes)
    alpha = Alpha(None, None, None, 0)
    said = AgreementReport("calls", [*votes], 0, {}, 0.4, 2, alpha, {}, {}, [], [], [], [waits])
    size = {"texts": 1, "groups": 1, "labels": {}, "text_types": {}}
    sizes = dict.fromkeys(("train", "validation", "test"), size)
    counts = dict.fromkeys(("proved", "set_aside", "left_out", "tombstones"), 1)
    kept = dict.fromkeys(("same", "near", "groups", "texts", "apart"), 0)
    shares = dict.fromkeys(sizes, 0.3)
    facts = {**counts, "sizes": sizes, "shares": shares, "kept": kept, "notebook": None, "power": {"why": "no version"}}
    why = "it turned out to share the post 'instagram:3702717153531131277' with validation"
    pages = {
        "desk": render_desk(replace(desk, prevalence=found)),
        "agreement": agreement.render(said),
        "audit": audit.render(AuditReport("calls", facts, [("instagram:3702717153531131277:ocr", why)])),
    }
    for name, page in pages.items():
        (tmp_path / f"{name}.html").write_text(page, "utf-8")
        seen = opened((tmp_path / f"{name}.html").as_uri(), width=width)
        assert (name, seen.evaluate("document.documentElement.scrollWidth")) == (name, width)


@pytest.mark.parametrize("name", ["words", "monitor"])
def test_captions_are_read_without_scrolling(beside: dict[str, Path], opened: Any, name: str) -> None:
    """On a telephone what stands above a wide table ends where the screen does, however wide the table is."""
    captions = opened(beside[name].as_uri(), width=400).locator(".wide caption")
    ends = captions.evaluate_all("all => all.map((one) => one.getBoundingClientRect().right)")
    assert len(ends) > 1
    assert max(ends) <= 400


@pytest.mark.parametrize("media", ["screen", "print"])
def test_a_long_word_hides_no_figures(tmp_path: Path, opened: Any, media: str) -> None:
    """A hashtag of sixty letters breaks; what it adds, weighs and counts stands beside it on a telephone."""
    trust, when = Trust(9, 0.7, 0.8, 1, 0.9, 1, 0.1), datetime(2025, 2, 17, tzinfo=UTC)
    drivers = [Driver(f"#{'Wahlkampf' * 7}", 140, 0.214, 0.031, []), Driver("wählen", 140, 0.2, 0.03, [])]
    report = WordsReport("calls", "call", "3", when, 300, 200, 40, trust, trust, drivers, [], [])
    (tmp_path / "words.html").write_text(render_words(report), "utf-8")
    page = opened((tmp_path / "words.html").as_uri(), width=400)
    page.emulate_media(media=media)
    ends = "all => all.map((one) => one.getBoundingClientRect().right)"
    assert max(page.locator("#overall td.figure").evaluate_all(ends)) <= 400
    assert page.get_by_text("wählen").evaluate("one => one.getClientRects().length") == 1


@pytest.mark.parametrize("width", [360, 1200])
def test_a_long_word_of_a_text_is_read_whole(day: DayReport, tmp_path: Path, opened: Any, width: int) -> None:
    """Beside its bar it breaks; a short one does not, and nothing ends in dots."""
    words = [(f"#{'Wahlkampf' * 7}", 0.5), ("wählen", 0.2)]
    call = replace(day.calls[0], explained=Explained(words, 0.9, 0.9))
    page = write(tmp_path, replace(day, calls=[call])).parent / "texts" / f"{key_of(call.text_id)}.html"
    long, short = opened(page.as_uri(), width=width).locator(".bars tbody th").all()
    assert long.evaluate("one => one.scrollWidth <= one.clientWidth && getComputedStyle(one).overflow !== 'hidden'")
    assert long.bounding_box()["height"] > 1.5 * short.bounding_box()["height"]


def test_the_trust_in_words_is_seen_whole_on_a_telephone(beside: dict[str, Path], opened: Any) -> None:
    """Of this table nothing has to be scrolled to: its last figure tells how many explanations are not reliable."""
    table = opened(beside["words"].as_uri(), width=320).locator("#trust .wide")
    assert "13\u202f%" in table.inner_text()
    assert table.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_counts_and_headings_stay_whole(beside: dict[str, Path], opened: Any) -> None:
    """A number of five digits stands on one line, and so does the name of a metric of one word."""
    page = opened(beside["desk"].as_uri(), width=1000)
    lines = "one => { const all = new Range(); all.selectNodeContents(one); return all.getClientRects().length; }"
    assert [one.evaluate(lines) for one in page.locator(".todo .count").all()] == [1, 1]
    assert {one.evaluate(lines) for one in page.locator("#model tbody th").all()} == {1}


def test_a_long_call_without_a_page_can_be_read(beside: dict[str, Path], opened: Any) -> None:
    """Where the newest report has no page for it, the desk unfolds it, without a script."""
    page = opened(beside["desk"].as_uri(), javascript=False)
    text = page.locator(".brief .text")
    cut = "one => one.scrollHeight > one.clientHeight + 1"
    assert text.evaluate(cut)
    page.get_by_text("The whole text").click()
    assert not text.evaluate(cut)


def test_on_paper_everything_is_unfolded(beside: dict[str, Path], opened: Any) -> None:
    """Examples of words that are folded on the screen."""
    page = opened(beside["words"].as_uri())
    assert page.locator(".examples:visible").count() == 0
    page.emulate_media(media="print")
    assert page.locator(".examples:visible").count() == 3
    assert page.locator(".examples").first.evaluate("one => one.getBoundingClientRect().height > 10")


def test_on_paper_all_texts_and_no_controls(day: DayReport, tmp_path: Path, opened: Any) -> None:
    """Printed, the filters are gone, every text is there, and a long one is not cut off."""
    long = replace(day.calls[0], text="Geht wählen. " * 400)
    page = opened(write(tmp_path, replace(day, calls=[long, *day.calls[1:]])).as_uri(), scheme="dark")
    page.emulate_media(media="print")
    assert page.locator(".finding:visible").count() == 9
    assert not page.locator(".filters").is_visible()
    box = page.locator(".text.long")
    assert box.evaluate("box => box.scrollHeight <= box.clientHeight")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 30, 33)"
