"""``aufruf forget`` and what we write ourselves: a text of two words under the id 7 is found as surely as any other."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from aufruf.data import queue as queues
from aufruf.reports import agreement, evaluation, forgetting, named, words
from aufruf.reports.finding import key_of
from aufruf.reports.intervals import Interval
from aufruf.reports.spreadsheet import safe
from aufruf.steps.export import _as_csv
from aufruf.steps.forget import forget
from aufruf.store import Store

from .conftest import NOW, text

HERS = {"7": "Geht wählen!", "8": "Kommt alle am Samstag\num zehn zum Infostand\u00a0am Markt, wir freuen uns!"}
OTHER = "9"


@pytest.fixture
def short(home):
    """The home with two more texts of hers and one of another account, all with ids that are mere numbers."""
    rows = [*((one, "anna_nord", said) for one, said in HERS.items()), (OTHER, "berta", "Etwas anderes")]
    made = [replace(text(f"x:{one}:caption", author, said), text_id=one, post_id=one) for one, author, said in rows]
    Store(home.lake).put("texts", made)
    return home


def on_words(folder, one, said):
    trust = words.Trust(1, 0.5, 0.5, 0, None, 0, 0.0)
    driver = words.Driver("Geht", 1, 0.2, 0.2, [words.Example(one, said)])
    words.write(folder, words.WordsReport("c", "call", "1", NOW, 1, 1, 0, trust, trust, [driver], [], []))


def beside_a_doubt(reports, classifier, one, said):
    """The page on an evaluation, on which the text stands beside one of another account, as a training text."""
    near = evaluation.Near(one, said, "call", 0.7)
    doubt = evaluation.Doubt("z:1", "Ein Text", "call", "no_call", 0.1, 0.1, 0.8, True, "", [near])
    half = Interval(0.5, 0.4, 0.6)
    facts = (classifier, "call", "1", "tiny", None, NOW, 9, 9, 3, 0.95, 10, 0.5, None, {"f1": half}, {"f1": half})
    page = evaluation.EvaluationReport(*facts, [], [], [], [], (30, 10), [], [doubt], 1)
    evaluation.write(reports, page, {})


def written(reports, classifier, one):
    """Files of ours that name or show the text, and nothing else of hers."""
    folder, said = reports / classifier, HERS.get(one, "Etwas anderes")
    columns = {"text_id": [one], "post_id": [one], "text": [said], "text_type": ["caption"]}
    (folder / "queue").mkdir(parents=True)
    _as_csv(folder / "predictions-1.csv", ["label", "text_id", "text"], [{"label": "x", "text_id": one, "text": said}])
    (folder / "as-of-1.ndjson").write_text(json.dumps({"text_id": one, "text": said}), "utf-8")
    queues.write(folder / "queue" / "tasks.json", queues.teaching(pd.DataFrame(columns)))
    on_words(folder / "words", one, said)
    beside_a_doubt(reports, classifier, one, said)
    (folder / "before.html").write_text(f"<p>{said} <code><bdi>{one}</bdi></code></p>", "utf-8")  # without a key
    return {path for path in folder.rglob("*.*") if path.is_file()}


@pytest.mark.parametrize("one", HERS)
def test_every_file_of_ours_that_names_a_text_goes(short, one_classifier, one):
    """By the id alone, be it one digit: exports, rows of a past training, tasks, pages and what lies beside them."""
    theirs = written(short.reports, "theirs", OTHER)
    hers = written(short.reports, "hers", one)
    run = short.mlflow / "artifacts" / "mismatches.json"
    run.parent.mkdir(parents=True)
    run.write_text(json.dumps([{"text_id": one}]), "utf-8")
    done = forget(short, [one_classifier], "anna_nord")
    assert {*done["pages_deleted"]} == {str(path) for path in hers}
    assert {path for path in short.reports.rglob("*.*") if path.is_file()} == theirs
    assert done["remains"]["artifacts"] == [str(run)]


def test_figures_do_not_stay_without_their_page(short, one_classifier):
    """A page of before, whose neighbours have no key, goes with the evaluation.json that names them."""
    beside_a_doubt(short.reports, "c", "7", HERS["7"])
    page = evaluation.place(short.reports, "c", "1")
    page.write_text("<li>call: Geht wählen!</li>", "utf-8")
    forget(short, [one_classifier], "anna_nord")
    assert not page.parent.joinpath("evaluation.json").exists()
    assert not page.exists()


SAID = [
    HERS["8"],
    "Kommt alle am Sams\u00adtag zum Info\u200bstand am Markt",
    'Er sagte "kommt alle\\n" zum Infostand am Markt!',
    "Kommt 👩‍👩‍👧 alle zum @max;=Infostand am Markt und in die Halle",
]


@pytest.mark.parametrize("said", SAID)
def test_words_are_found_however_a_file_writes_them(said):
    """In JSON, ASCII or not, in a CSV and as they are, in pieces of any size: line feeds, soft hyphens, escapes."""
    telling = forgetting.needles(["7"], [said])
    ways = [json.dumps([said], ensure_ascii=True), json.dumps([said], ensure_ascii=False, indent=1)]
    for size in (1, 7, 1000):
        for one in ways:
            assert forgetting.holds(named.decoded(one[at : at + size] for at in range(0, len(one), size)), telling)
        for one in (said, safe(said).replace('"', '""')):
            assert forgetting.holds([one[at : at + size] for at in range(0, len(one), size)], telling)
    assert not forgetting.holds([said[:30]], telling)


def test_json_is_decoded_as_json_says():
    """Escaped backslashes, halves of a character, and what is no JSON at all, across any two pieces."""
    for said in ("a\\ud83d\\n", "😀\\", "\\\\", "é\u2028x"):
        told = json.dumps(said)
        for size in (1, 2, 5, 99):
            assert "".join(named.decoded(told[at : at + size] for at in range(0, len(told), size))) == f'"{said}"'
    assert "".join(named.decoded(["C:\\users\\x and more of it"])) == "C:\\users\\x and more of it"


def test_only_ids_name_a_text():
    """Neither a text that speaks of an id, nor a number in another column, nor a table without such a column."""
    assert list(named.in_json([json.dumps({"text": '"text_id": "7"', "n": 7})])) == []
    assert set(named.in_json([json.dumps([{"near": [{"text_id": "7\u00e9"}]}, {"text_id": 8}])])) == {"7é", "8"}
    assert list(named.in_table(["\ufefflabel;text_id\n", "7;8\n", '"a\n', 'b";9\n'])) == ["8", "9"]
    assert list(named.in_table(["label,id\n", "7,8\n"])) == []


def test_lists_of_ids_carry_keys():
    """The page on agreement marks each undecided text; what a mask leaves of an id may be any text's."""
    nothing = agreement.Alpha(None, None, None, 0)
    waits = [agreement.Undecided("@anna", "tie", {"call": 1})]
    facts = ("c", ["call"], 1, {}, 0.5, 2, nothing, {}, {}, [], [], [], waits)
    page = agreement.render(agreement.AgreementReport(*facts))
    assert "@anna" not in page
    assert forgetting.marks(page, {key_of("@anna")}, ())
    assert not forgetting.marks(page, {key_of("@berta")}, forgetting.ids(["@berta"]))
