"""The steps explain, report, status and monitor on a home where two nights have passed."""

import hashlib
import json
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import aufruf
from aufruf.classifier import Report
from aufruf.errors import AufrufError, NothingYet, UsageError
from aufruf.model.words import tokens
from aufruf.phrases import told
from aufruf.release.registry import CHAMPION
from aufruf.settings import Settings
from aufruf.steps import backlog
from aufruf.steps.beside import neighbours, track_record
from aufruf.steps.explain import explain
from aufruf.steps.monitor import monitor
from aufruf.steps.pseudonyms import KEY, pseudonym
from aufruf.steps.pseudonyms import key_of as key_of_home
from aufruf.steps.report import report
from aufruf.steps.score import score
from aufruf.steps.status import status


def explained(after) -> list[dict]:
    rows = after.store.read("explanations", {"classifier": after.classifier.name})
    return rows.sort_values("text_id").to_dict("records")


def test_explanations_name_words_of_their_text(after):
    """Each stored explanation names at most six tokens of its text, strongest first, with a fit and a stability."""
    texts = dict(after.store.read("texts", columns=["text_id", "text"]).itertuples(index=False))
    rows = explained(after)
    assert rows
    for row in rows:
        words = json.loads(row["words"])
        assert {word for word, _ in words} <= set(tokens(texts[row["text_id"]]))
        assert len(words) <= 6
        assert [abs(weight) for _, weight in words] == sorted((abs(weight) for _, weight in words), reverse=True)
        assert 0 <= row["stability"] <= 1
        assert row["chosen"] in {"call", "uncertain", "control", "mismatch"}


def test_explaining_again_gives_the_same(after):
    """The same texts by the same version, explained once more from nothing, get the same words and weights."""
    before = explained(after)
    import shutil

    shutil.rmtree(Path(after.settings.lake) / "explanations")
    assert explain(after.settings, after.classifier)["explained"] == len(before)
    again = explained(after)
    for one, other in zip(before, again, strict=True):
        assert dict(json.loads(one["words"])) == pytest.approx(dict(json.loads(other["words"])), abs=1e-6)
        assert one["fit"] == pytest.approx(other["fit"], abs=1e-5)


def test_new_texts_are_explained_once(after):
    """The texts of the day last scored are explained as they come; asked again there is nothing to do."""
    before = len(explained(after))
    after.posts(*(f"Kommt am Sonntag alle zum Infostand Nummer {n}!" for n in range(3)))
    score(after.settings, after.classifier)
    found = explain(after.settings, after.classifier)
    assert len(explained(after)) == before + found["explained"]
    assert explain(after.settings, after.classifier)["status"] == "nothing to do"


def test_a_text_by_hand_is_not_stored(after):
    """One text is explained for whoever asks, by whichever version; nothing of it is kept."""
    before = after.store.version("explanations")
    found = explain(after.settings, after.classifier, "Geht am Sonntag wählen! 🗳️ #Wahl2025", model="champion")
    assert {word for word, _ in found["words"]} == {"Geht", "am", "Sonntag", "wählen", "🗳️", "#Wahl2025"}
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert found["label"] in after.classifier.labels
    assert after.store.version("explanations") == before


@pytest.mark.parametrize("text", ["", "...", "\n"])
def test_a_text_without_words_is_answered(after, text):
    """Nothing to explain is said in words, with the label all the same."""
    found = explain(after.settings, after.classifier, text)
    assert (found["words"], found["fit"]) == ([], 0.0)
    assert "no words: nothing to explain" in "\n".join(told("explain", found))


def test_the_report_is_of_today_and_the_index_leads_to_it(after):
    """Writing the page again replaces it; the list of days names it."""
    found = report(after.settings, after.classifier)
    page = Path(found["path"])
    assert page.is_file()
    assert page.parent.parent == after.settings.reports / after.classifier.name
    assert page.parent.name in (page.parent.parent / "index.html").read_text("utf-8")
    assert report(after.settings, after.classifier)["path"] == found["path"]


def test_texts_that_are_not_counted_are(after, turned):
    """What the version has yet to score, or leaves to others, stands on the page, in its JSON and in the result."""
    whole = report(after.settings, after.classifier)
    assert (whole["unscored"], whole["outside_window"]) == (0, 0)
    assert "Not all texts" not in Path(whole["path"]).read_text("utf-8")
    after.posts("Kommt alle zum Infostand!", "Danke für den Abend.")
    partly = report(after.settings, after.classifier)
    assert (partly["unscored"], partly["outside_window"]) == (2, 0)
    page = Path(partly["path"])
    assert "2 texts of the lake, annotated or not, are not yet scored" in page.read_text("utf-8")
    assert json.loads(page.with_name("prevalence.json").read_text("utf-8"))["unscored"] == 2
    after.register_again(turned)
    after.registry.point(CHAMPION, "2")
    scoring = after.classifier.scoring.model_copy(update={"window_days": 1})
    narrow = after.classifier.model_copy(update={"scoring": scoring})
    assert score(after.settings, narrow)["scored"] == 2
    windowed = report(after.settings, narrow)
    assert (windowed["unscored"], windowed["outside_window"]) == (0, after.store.count("texts") - 2)
    assert f"from before {backlog.window(narrow, datetime.now(UTC))} are left" in page.read_text("utf-8")


def test_a_version_that_has_scored_nothing_replaces_no_page(after, turned):
    """Today's page, its texts and figures stay those of the version before, and that is said; without such a page the
    new version's says so, beside no figures."""
    page = Path(report(after.settings, after.classifier)["path"])
    before = {path: path.read_bytes() for path in page.parent.rglob("*") if path.is_file()}
    after.register_again(turned)
    after.registry.point(CHAMPION, "2")
    told_ = report(after.settings, after.classifier)
    assert {path: path.read_bytes() for path in page.parent.rglob("*") if path.is_file()} == before
    assert (told_["path"], told_["status"]) == (str(page), "nothing to do")
    assert "still that of version 1" in "\n".join(told("report", told_))
    assert "<bdi>2</bdi>" in (page.parents[1] / "champions" / "index.html").read_text("utf-8")
    page.unlink()
    assert report(after.settings, after.classifier)["scored"] == 0
    assert "has not scored any text yet" in re.sub("<[^>]+>", "", page.read_text("utf-8"))
    assert not page.with_name("prevalence.json").exists()
    score(after.settings, after.classifier)
    report(after.settings, after.classifier)
    assert json.loads(page.with_name("prevalence.json").read_text("utf-8"))["model_version"] == "2"


def test_a_probability_is_held_against_test_texts_of_similar_ones(after):
    """Of the frozen test texts the nearest fifty within 0.1, one a group, are counted by people's labels; or none."""
    mine = {"classifier": after.classifier.name}
    test = dict(after.store.read("splits", {**mine, "split": "test"})[["text_id", "group_id"]].itertuples(index=False))
    labels = dict(after.store.read("labels", mine)[["text_id", "label"]].itertuples(index=False))
    said = [row for row in after.predictions(model_version="1") if row["text_id"] in test]
    asked = sorted(row["probabilities"]["call"] for row in said)[len(said) // 2]
    said.sort(key=lambda row: abs(row["probabilities"]["call"] - asked))
    nearest = {test[row["text_id"]]: row for row in reversed(said)}  # of each group
    said = [row for row in said if nearest[test[row["text_id"]]] is row]
    near = [row for row in said[:50] if abs(row["probabilities"]["call"] - asked) <= 0.1]
    record = track_record(after.store, after.classifier, "1")(asked)
    assert record is not None
    assert (record.texts, record.calls) == (len(near), sum(labels[row["text_id"]] == "call" for row in near))
    assert record.least == min(row["probabilities"]["call"] for row in near)
    assert record.low < record.calls / record.texts < record.high
    assert track_record(after.store, after.classifier, "1")(asked + 5) is None
    assert track_record(after.store, after.classifier, "unknown")(asked) is None


def test_a_text_stands_beside_the_training_texts_that_read_alike(after):
    """What repeats a training text has it as its nearest neighbour, with its label; what is like none has none."""
    mine = {"classifier": after.classifier.name}
    ids = after.store.read("splits", {**mine, "split": "train"})["text_id"].tolist()
    texts = after.store.read("texts", {"text_id": ids})
    known = texts[texts["text"].str.len() > 60].iloc[0]
    [[first, *_], others] = neighbours(after.store, after.classifier, [f"{known['text']} Wirklich!", "qqq"])
    label = after.store.read("labels", {**mine, "text_id": known["text_id"]})["label"].item()
    assert (first.text_id, first.text, first.label) == (known["text_id"], known["text"], label)
    assert (0.8 < first.similarity <= 1.0, others) == (True, [])


def test_accounts_have_the_same_pseudonym_on_every_page_where_the_classifier_asks_for_it(after):
    """No handle is on the page; the key is in a file that only its owner can read, and stays."""
    after.posts("Geht am Sonntag wählen!", "Kommt zum Infostand!")
    score(after.settings, after.classifier)
    asked = after.classifier.model_copy(update={"report": Report(accounts="pseudonyms", shown=1000)})
    pages = []
    for _ in range(2):
        pages.append(Path(report(after.settings, asked)["path"]).read_text("utf-8"))
        names = set(re.findall(r"author-[0-9a-f]{12}", pages[-1]))
        authors = after.store.distinct("texts", ["author"])["author"].dropna()
        assert names
        assert names <= {pseudonym(key_of_home(after.settings), f"@{one.upper()}") for one in authors}
    assert re.findall("author-[0-9a-f]{12}", pages[0]) == re.findall("author-[0-9a-f]{12}", pages[1])
    assert stat.S_IMODE((after.settings.home / KEY).stat().st_mode) == 0o600
    (after.settings.home / KEY).write_text("not a key", "utf-8")
    with pytest.raises(AufrufError, match="does not hold a key of 64 hex digits"):
        report(after.settings, asked)


def test_hostile_texts_are_shown_harmlessly(after):
    """A post with a script in it is scored, explained, reported - and never a script on the page."""
    after.posts(
        "<script>alert(1)</script> Geht wählen <img src=x onerror=alert(2)>", "</title><b>fett</b> wählen gehen"
    )
    score(after.settings, after.classifier)
    explain(after.settings, after.classifier)
    page = Path(report(after.settings, after.classifier)["path"]).read_text("utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>fett" not in page


@pytest.mark.parametrize("step", [explain, report, monitor])
def test_without_a_champion_nothing_is_said(after, step):
    """A deleted alias: each speaking step says that there is no champion yet."""
    after.registry.client.delete_registered_model_alias("call_to_action", CHAMPION)
    with pytest.raises(NothingYet, match="has no champion yet"):
        step(after.settings, after.classifier)


def test_status_on_an_empty_home_creates_nothing(after, tmp_path):
    """Looking makes no folder and no database, and the first thing to do is named."""
    empty = Settings.load(tmp_path / "empty", env={})
    found = status(empty, after.classifier)
    assert (found["texts"], found["champion"], found["splits"]["train"]) == (0, None, 0)
    assert "aufruf ingest FILE" in found["next"]
    assert not empty.home.exists()
    assert "champion  none yet" in told("status", found)


def test_status_follows_what_is_there(after):
    """What comes next depends on what is missing: files in the inbox first, then a champion, a challenger."""
    after.settings.inbox_posts.mkdir(parents=True, exist_ok=True)
    (after.settings.inbox_posts / "posts.csv").write_text("x")
    assert status(after.settings, after.classifier)["next"].startswith("1 file to take in from the inbox")
    (after.settings.inbox_posts / "posts.csv").unlink()
    after.registry.client.delete_registered_model_alias("call_to_action", CHAMPION)
    assert "`aufruf promote --version 1`" in status(after.settings, after.classifier)["next"]
    after.registry.client.delete_registered_model_alias("call_to_action", "challenger")
    assert "aufruf train" in status(after.settings, after.classifier)["next"]


@pytest.mark.parametrize(("verdict", "said"), [("kept", "lower the bar in [gate]"), ("waiting", "waits for a person")])
def test_status_says_why_there_is_no_champion(after, verdict, said):
    """A first model that the gate kept back, or that a person has to judge: why, and the command that takes it."""
    after.registry.client.delete_registered_model_alias("call_to_action", CHAMPION)
    [row] = after.store.read("decisions").to_dict("records")
    reasons = json.dumps(["version 1 was not taken: F1 61.0", "the baseline is as good or better"])
    after.store.put("decisions", pd.DataFrame([{**row, "verdict": verdict, "reasons": reasons}]))
    found = status(after.settings, after.classifier)
    assert (found["decision"]["verdict"], found["champion"]) == (verdict, None)
    assert said in found["next"]
    assert "`aufruf promote --version 1` takes it" in found["next"]


def test_status_has_what_a_paper_cites(after):
    """The version of aufruf, the classifier file's digest, and the table version of the ledger."""
    found = status(after.settings, after.classifier)
    assert found["aufruf"] == aufruf.__version__
    file = after.settings.classifiers / "call_to_action.toml"
    assert found["classifier_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert found["ledger"] == after.store.version("splits")


def test_every_object_has_its_sentences(nights, after):
    """What each step returned is told to people in at least one line, with its figures in it."""
    for night in nights.results:
        for step, result in night.items():
            lines = told(step, result)
            assert lines
            assert all(isinstance(line, str) and line.strip() for line in lines)
        assert len(told("night", night)) >= len(night)
    first = nights.results[0]
    assert told("train", first["train"]) == [f"version 1, run {first['train']['run_id']}"]
    assert told("promote", first["promote"])[0].startswith("first: version 1 is the first champion: F1 ")
    assert told("score", nights.results[1]["score"])[0].endswith("0 refused - nothing new")
    f1 = first["evaluate"]["metrics"]["f1"]
    figures = f"{f1['value']:.3f}  [{f1['low']:.3f}, {f1['high']:.3f}]"
    assert any(figures in line for line in told("evaluate", first["evaluate"]))
    lines = told("status", status(after.settings, after.classifier))
    assert any(line.startswith("champion  version 1, test F1 ") for line in lines)


@pytest.mark.parametrize("step", [score, explain, report, monitor])
def test_a_champion_from_before_the_positive_label_was_renamed_says_nothing(after, step):
    """It went on scoring, no text of its counted as positive any more, and report and monitor ended in a traceback."""
    renamed = after.classifier.model_copy(update={"labels": ("no_call", "appeal"), "positive": "appeal"})
    with pytest.raises(UsageError, match=r"version 1 was trained for no_call, call, and knows no 'appeal'. Name the"):
        step(after.settings, renamed)
