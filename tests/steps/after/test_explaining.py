"""Which texts are explained, what it costs, how far it can be trusted, and the page on words."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aufruf.data.forgotten import Tombs
from aufruf.data.identity import digest, group_id
from aufruf.errors import UsageError
from aufruf.model.predictor import Predictor
from aufruf.notebook import explain as in_notebook
from aufruf.phrases import told
from aufruf.release.registry import CHAMPION
from aufruf.reports.finding import key_of
from aufruf.reports.words import Trust
from aufruf.schemas import Text
from aufruf.steps import explain as explaining
from aufruf.steps.champion import speaking
from aufruf.steps.chosen import mismatches
from aufruf.steps.explain import STOPPED, doubts, explain, while_champion
from aufruf.steps.report import report
from aufruf.steps.score import score
from aufruf.steps.words import _drivers, _Named, _suspect, _trust, write_words
from aufruf.store import Store


def rows(after, **where: str) -> list[dict]:
    found = after.store.read("explanations", {"classifier": after.classifier.name, **where})
    return found.sort_values("text_id").to_dict("records")


def policy(after, **changed):
    section = after.classifier.explain.model_copy(update=changed)
    return after.classifier.model_copy(update={"explain": section})


def test_mismatches_are_test_texts_that_the_model_got_wrong(after, turned):
    """A model that says the opposite of the champion is wrong on other test texts; the surest errors come first."""
    classifier = policy(after, mismatches=3)
    version = after.register_again(turned)
    score(after.settings, classifier, model=version.version)
    found = mismatches(after.store, classifier, version.version)
    labels = after.store.read("labels", {"classifier": classifier.name}, ["text_id", "label"])
    decided = dict(labels.itertuples(index=False))
    ledger = dict(after.store.read("splits", columns=["text_id", "split"]).itertuples(index=False))
    assert 0 < len(found) <= 3
    for row in found.to_dict("records"):
        assert ledger[row["text_id"]] == "test"
        assert decided[row["text_id"]] != row["label"]
    assert found["sure"].is_monotonic_decreasing
    explain(after.settings, classifier, model=version.version)
    kept = [row for row in rows(after, model_version=version.version) if row["chosen"] == "mismatch"]
    assert {row["text_id"] for row in kept} == set(found["text_id"])
    after.registry.point(CHAMPION, version.version)
    page = Path(report(after.settings, classifier)["path"]).read_text("utf-8")
    assert page.count('<span class="badge">people: ') == len(found)
    part = page[page.index('id="mismatches"') :]
    assert all(f'id="t-{key_of(text_id)}"' in part for text_id in found["text_id"])


def test_a_champion_that_is_replaced_is_explained_no_further(after):
    """When the alias moves, the explanation at hand is kept, and the texts behind it are left to the new champion."""
    after.register_again()
    before = speaking(after.settings, after.classifier, after.registry)

    def explanations():
        yield "before"
        after.registry.point(CHAMPION, "2")
        yield "at hand"
        yield "left"

    assert list(while_champion(after.registry, before, explanations())) == ["before", "at hand"]


def test_a_filter_chooses(after):
    """Whatever ``where`` selects is explained once, and says so; a filter that cannot be read is wrong usage."""
    ids = after.posts(*(f"Kommt am Sonntag zum Infostand Nummer {n}!" for n in range(3)))
    score(after.settings, after.classifier)
    where = f"party=grüne,text_id={ids[1]}"
    assert explain(after.settings, after.classifier, where=where)["explained"] == 1
    [row] = [row for row in rows(after) if row["chosen"] == "where"]
    assert row["text_id"] == ids[1]
    assert explain(after.settings, after.classifier, where=where)["status"] == "nothing to do"
    labelled = after.store.read("splits", columns=["text_id"])["text_id"].iloc[0]
    assert explain(after.settings, after.classifier, where=f"text_id={labelled}")["explained"] == 1
    with pytest.raises(UsageError, match="Did you mean 'party'"):
        explain(after.settings, after.classifier, where="partei=SPD")
    nobody = explain(after.settings, after.classifier, where="author=Adda")
    assert (nobody["status"], nobody["explained"]) == ("nothing to do", 0)
    assert "--where selects no text that was scored" in told("explain", nobody)[0]


@pytest.mark.parametrize(("asked", "option"), [({"where": ""}, "--where"), ({"dry_run": True}, "--dry-run")])
def test_a_text_goes_with_no_choice_among_texts(after, asked, option):
    """Whoever gives a text and a filter, or wants to know what it would cost, is told so, and nothing is explained."""
    with pytest.raises(UsageError, match=f"{option} does not go with a text"):
        explain(after.settings, after.classifier, "Geht wählen", **asked)


def test_what_a_job_has_not_stored_is_not_counted(after, monkeypatch):
    """Another job was faster with one text, another is forgotten meanwhile: one is explained, and all are through."""
    ids = after.posts(*(f"Kommt am Sonntag zum Infostand Nummer {n}!" for n in range(3)))
    strict = policy(after, fit_floor=1.0)
    score(after.settings, strict)
    real = Store.add

    def late(self, table, some, allowed=None):
        if table == "explanations":
            theirs = next(one for one in some if one.text_id == ids[0])
            real(self, table, [replace(theirs, explained_at=theirs.explained_at - timedelta(seconds=1))])
            real(self, "tombstones", Tombs(self.read("tombstones")).made_for([ids[1]], [], datetime.now(UTC)))
        return real(self, table, some, allowed)

    monkeypatch.setattr(Store, "add", late)
    found = explain(after.settings, strict, where="author=Ada")
    assert (found["explained"], found["unreliable"], found["failed"], found["status"]) == (1, 1, 0, "new")
    assert sorted(row["text_id"] for row in rows(after) if row["text_id"] in ids) == [ids[0], ids[2]]


def test_the_log_hides_the_account_in_an_id(after, monkeypatch, caplog):
    """An id of a text of which the model makes no number is written as on pages."""
    text, now = "Kommt zum Infostand!", datetime.now(UTC)
    about = ("caption", "post", "instagram", "Ada", "GRÜNE", now, now, digest(text), group_id(text), "f")
    after.store.put("texts", [Text("x:@ada.l:caption", "x:@ada.l", text, *about)])
    score(after.settings, after.classifier)
    monkeypatch.setattr(explaining, "explain_many", lambda texts, *_: [None for _ in texts])
    assert explain(after.settings, after.classifier, where="author=Ada")["failed"] == 1
    assert "x:@•••:caption is not explained" in caplog.text
    assert "ada.l" not in caplog.text


def test_a_run_speaks_for_the_version_that_it_scored_with(after):
    """Who becomes champion between scoring and explaining explains nothing of that run; the page is the scorer's."""
    after.posts("Kommt am Sonntag zum Infostand!")
    run = score(after.settings, after.classifier)
    after.registry.point(CHAMPION, after.register_again().version)
    found = explain(after.settings, after.classifier, scored_by=run["model_version"])
    assert (found["model_version"], found["explained"], found["status"]) == (run["model_version"], 0, STOPPED)
    page = Path(report(after.settings, after.classifier, scored_by=run["model_version"])["path"])
    assert f"scored by version <bdi>{run['model_version']}</bdi>" in page.read_text("utf-8")


def test_a_dry_run_counts_what_the_job_will_ask(after, monkeypatch):
    """All texts that the model is asked about then, for faithfulness and swapped words too; nothing is stored by it."""
    after.posts("Geht jetzt zur CDU", "Kommt alle 🗳️ mit @ada.l zur SPD")
    score(after.settings, after.classifier)
    before, asked = after.store.version("explanations"), []
    job = {"classifier": policy(after, words=10, faithfulness=2), "where": "author=Ada"}
    told_of = explain(after.settings, dry_run=True, **job)
    assert (told_of["texts"], told_of["explained"], told_of["status"]) == (2, 0, "dry run")
    assert after.store.version("explanations") == before
    assert "at most" in told("explain", told_of)[0]
    plainly = Predictor.probabilities

    def counted(self, texts, *args):
        asked.append(len(texts))
        return plainly(self, texts, *args)

    monkeypatch.setattr(Predictor, "probabilities", counted)
    explain(after.settings, **job)
    assert told_of["perturbations"] == 2**4 + 60 >= max(asked)
    assert told_of["perturbations"] + told_of["beside"] >= sum(asked) > told_of["perturbations"]
    assert told_of["beside"] == sum(asked[1:])


def test_each_explanation_says_how_it_was_found(after):
    """How, from how many draws and texts, how certain, and why not to rely on it; faithfulness of a few."""
    invited = "Kommt am {} alle zum Infostand am Markt, wir freuen uns auf euch und eure Fragen!"
    after.posts("Geht wählen", invited.format("Sonntag"), invited.format("Montag"))
    score(after.settings, after.classifier)
    found = explain(after.settings, policy(after, faithfulness=2), where="author=Ada")
    fresh = [row for row in rows(after) if row["text_id"].startswith("new:")]
    assert len(fresh) == found["explained"] == 3
    few, _, many = sorted(fresh, key=lambda row: row["scored"])
    assert (few["way"], few["scored"], few["drawn"], few["stability"]) == ("exact", 4, 0, 1.0)
    assert (many["way"], many["drawn"]) == ("drawn", 60)
    measured = sum(row["faithfulness"] == row["faithfulness"] for row in fresh)
    assert measured in (1, 2), "two are drawn, and the one of two words has no other words to delete"
    assert found["unreliable"] == sum(bool(row["unreliable"]) for row in fresh)


def test_what_is_not_reliable_is_marked_and_shown(after):
    """Below a floor of the classifier file an explanation is stored with the reason, and the day's page shows it."""
    after.posts("Kommt am Sonntag alle zum Infostand am Markt, wir freuen uns auf euch und eure Fragen!")
    strict = policy(after, fit_floor=1.0)
    score(after.settings, strict)
    assert explain(after.settings, strict, where="author=Ada")["unreliable"] == 1
    [row] = [row for row in rows(after) if row["text_id"].startswith("new:")]
    assert "fit below 1.0" in row["unreliable"]
    surest = next(row for row in rows(after) if row["chosen"] == "call")
    after.store.put("explanations", pd.DataFrame([{**surest, "unreliable": "fit below 0.9; and more"}]))
    page = Path(report(after.settings, after.classifier)["path"]).read_text("utf-8")
    assert "<b>Not reliable:</b> fit below 0.9, and more</p>" in page
    assert 'href="../words/index.html"' in page


def test_the_reasons_for_doubt(classifier):
    """Fit, stability, words not settled, no better than others, or without effect: each has its sentence."""
    from aufruf.model.explain import Effort, Explained
    from aufruf.model.explain import explain as explain_one

    def found(**changed):
        return Explained(
            **{"words": [("ja", 0.1)], "fit": 0.9, "stability": 0.9, "probability": 0.5, "scored": 9, **changed}
        )

    section = classifier.explain
    assert doubts(section, found(way="exact"), 0.9) == []
    assert doubts(section, found(way="none", fit=0.0, stability=0.0), None) == []
    assert doubts(section, found(way="drawn", fit=float("nan"), stability=0.4), None) == [
        "fit below 0.3",
        "stability below 0.5",
    ]
    assert doubts(section, found(way="adaptive", certainty=0.7, drawn=5000), 0.2) == [
        "words not settled after 5000 perturbations",
        "other words matter as much as those named",
    ]
    still = explain_one("Geht jetzt wählen", lambda texts: np.full(len(texts), 0.7), Effort(), 1)
    assert (still.fit, still.stability) == (1.0, 1.0)
    assert doubts(section, still, 0.5) == ["no word moves the model"]


def test_the_page_on_words(after):
    """Words that drive calls, overall and by party, with examples; shortcuts, swapped; handles masked, text escaped."""
    after.posts(
        "Kommt alle <b>zum</b> Infostand der CDU @ada.l",
        "Kommt mit der CDU 🗳️ @ada.l",
        "Die CDU hat getagt 🗳️",
    )
    score(after.settings, after.classifier)
    found = explain(after.settings, policy(after, words=10, faithfulness=1), where="author=Ada")
    page = Path(found["page"])
    assert page == after.settings.reports / after.classifier.name / "words" / "index.html"
    html, listed = page.read_text("utf-8"), json.loads((page.parent / "words.json").read_text("utf-8"))
    suspects = {(one["kind"], one["word"]): one for one in listed["suspects"]}
    assert suspects["party", "CDU"]["texts"] >= 3
    assert suspects["party", "CDU"]["tried"] >= 3
    assert suspects["emoji", "🗳️"]["tried"] >= 2
    assert suspects["handle", ""]["texts"] >= 2
    assert all(0 <= one["flipped"] <= one["tried"] and 0 <= one["moved"] <= 1 for one in suspects.values())
    shares = [one["share"] for one in listed["overall"]]
    assert shares == sorted(shares, reverse=True)
    assert all(one["weight"] > 0 and one["examples"] for one in listed["overall"])
    explained = after.store.read("explanations").merge(after.store.read("texts"), on="text_id")
    calls = explained[explained["label"] == "call"]
    assert (listed["calls"], sum(one["calls"] for one in listed["by_party"])) == (len(calls), calls["party"].count())
    assert calls["party"].count() > 0
    assert all(one["words"] for one in listed["by_party"])
    assert "ada.l" not in html + json.dumps(listed)
    assert "<b>zum" not in html
    assert f"<b>{listed['explained']}</b> explanations by version" in html
    all_, calls_ = listed["trust"], listed["trust_of_calls"]
    spoken = explained[explained["words"] != "[]"]
    assert (all_["texts"], all_["unreliable"]) == (len(spoken), listed["unreliable"])
    assert (all_["fit"], all_["stability"]) == (spoken["fit"].median(), spoken["stability"].median())
    assert 0 < all_["measured"] == spoken["faithfulness"].count() < all_["texts"]
    assert calls_["fit"] == spoken.loc[spoken["label"] == "call", "fit"].median()
    assert "Suspected shortcuts" in html


def test_the_page_on_words_of_texts_that_all_changed(after):
    """Explanations are of texts as they read then: where none reads so any more the page counts none."""
    version = after.registry.get("1")
    predictor = Predictor.load(after.registry.fetch(version))
    after.store.put("texts", after.store.read("texts").assign(digest="another"))
    page = write_words(after.settings, after.store, after.classifier, version, predictor)
    assert "<b>0</b> explanations by version" in page.read_text("utf-8")


def test_the_trust_in_explanations_is_that_of_those_that_name_words():
    """Medians and shares leave out texts without words; faithfulness is told of those on which it was measured."""
    rows = [
        ('[["Geht", 0.3]]', 0.9, 1.0, 0.95, ""),
        ('[["alle", 0.2]]', 0.5, 0.5, math.nan, "words not settled after 5000 perturbations"),
        ('[["ja", 0.1]]', 0.2, 0.8, 0.45, "fit below 0.3; other words matter as much as those named"),
        ("[]", 0.0, 0.0, math.nan, ""),
        ('[["wir", 0.1]]', 0.6, 0.8, math.nan, None),
    ]
    frame = pd.DataFrame(rows, columns=["words", "fit", "stability", "faithfulness", "unreliable"])
    assert _trust(frame) == Trust(4, 0.55, 0.8, 2, pytest.approx(0.7), 2, 0.5)
    assert _trust(frame[:0]) == Trust(0, None, None, 0, None, 0, None)
    assert _trust(frame.assign(faithfulness=None)).faithfulness is None


def test_what_a_word_adds_is_summed_with_its_sign():
    """For it here and against it there add up to nothing; a text that spells a word twice is one text."""

    def named(word: str, weight: float, text_id: str) -> _Named:
        return _Named(word, word, weight, text_id, text_id, None, True)

    both = [named("Geht", 0.3, "a"), named("Geht", -0.3, "b"), named("alle", 0.2, "a"), named("Alle", 0.1, "a")]
    [one] = _drivers(both, 2, 10)
    assert (one.word, one.texts) == ("alle", 1)
    assert (one.weight, one.share) == pytest.approx((0.3, 0.15))


def test_a_suspect_is_counted_by_text(after):
    """Texts are those that name it, as the column says, and its weight is what it adds to one of them."""
    predictor = Predictor.load(after.registry.fetch(after.registry.get("1")))
    named = [("@eins", 0.2, "a"), ("@zwei", 0.1, "a"), ("@eins", 0.3, "b")]
    some = [_Named(word, word, weight, text_id, f"Mit {word}!", None, True) for word, weight, text_id in named]
    found = _suspect("handle", some, after.classifier, predictor)
    assert (found.texts, found.tried) == (2, 2)
    assert found.weight == pytest.approx(0.3)


def test_a_wording_has_one_explanation_under_whatever_id(after):
    """Two posts of one slogan, and the slogan by hand, are explained with the same draws, so by the same words."""
    slogan = "Kommt am Sonntag alle zum Infostand am Markt, wir freuen uns auf euch und eure Fragen!"
    after.posts(slogan, f"{slogan} ")
    score(after.settings, after.classifier)
    explain(after.settings, after.classifier, where="author=Ada")
    one, other = (row for row in rows(after) if row["text_id"].startswith("new:"))
    direct = explain(after.settings, after.classifier, slogan)
    assert one["way"] == direct["way"] == "drawn"
    stored = [dict(json.loads(row["words"])) for row in (one, other)]
    assert stored == [pytest.approx(dict(direct["words"]), abs=1e-5)] * 2


def test_in_a_notebook(after, monkeypatch):
    """``aufruf.notebook.explain`` gives the command's answer as something that a notebook shows."""
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(after.settings.classifiers))
    shown = in_notebook("Geht am Sonntag wählen", home=after.settings.home)
    direct = explain(after.settings, after.classifier, "Geht am Sonntag wählen")
    assert shown.result["words"] == direct["words"]
    assert "".join(piece for piece, _ in shown.result["pieces"]) == "Geht am Sonntag wählen"
    assert ">Sonntag</span>" in shown._repr_html_()
