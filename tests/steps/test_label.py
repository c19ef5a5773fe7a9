"""The step ``label`` on stored votes: what counts, what is held out, and what each reader is told."""

import json
import logging
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from aufruf.classifier import Classifier, Votes
from aufruf.cli import main
from aufruf.data import identity
from aufruf.errors import DataRefused, UsageError
from aufruf.schemas import DECIDED_ELSEWHERE, Annotation, IngestedFile, Text
from aufruf.settings import Settings
from aufruf.steps import label as labelling
from aufruf.steps import night, pseudonyms
from aufruf.steps.ingest import ingest
from aufruf.steps.label import label, refused
from aufruf.store import Store

NOW = datetime(2026, 10, 1, tzinfo=UTC)
SAID = {"c": "call", "n": "no_call", "a": "abstain"}
RIGHT, WRONG = "cn" * 15, "nc" * 15  # of 30 texts
CONTRACT = {"labels", "ties", "too_few_votes", "alpha"}


@pytest.fixture
def classifier() -> Classifier:
    return Classifier(
        name="calls",
        labels=("no_call", "call"),
        positive="call",
        spellings={"call": ("ja",), "no_call": ("nein",), "abstain": ("unklar",)},
    )


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.lake)


@pytest.fixture
def arrive(store: Store) -> Callable[..., None]:
    """``arrive(file, {annotator: what was said of text 0, 1, ...})``: a file is ingested, an hour after the last."""
    hours: dict[str, int] = {}

    def add(name: str, said: dict[str, str]) -> None:
        hour = hours.setdefault(name, len(hours))
        digest = identity.digest(name)
        votes = [
            Annotation(
                "calls", f"x:{number:03}:caption", who, SAID[one], NOW + timedelta(hours=hour), digest, 2.0 + hour
            )
            for who, row in said.items()
            for number, one in enumerate(row)
            if one != "."
        ]
        store.put("texts", [stored(int(one.text_id[2:5])) for one in votes])
        store.put("annotations", votes)
        at = datetime.now(UTC) + timedelta(hours=hour)
        counts = (len(votes), len(votes), 0)
        store.put("files", [IngestedFile(digest, "calls", name, "label_studio", "annotations", *counts, "new", "", at)])

    return add


def stored(number: int) -> Text:
    words = f"Wir stehen am Infostand Nummer {number} <b>&"
    return Text(
        text_id=f"x:{number:03}:caption",
        post_id=f"{number:03}",
        text=words,
        text_type="caption" if number % 2 else "ocr",
        post_type=None,
        platform="x",
        author="haendel.partei",
        party=None,
        posted_at=None,
        collected_at=None,
        digest=identity.digest(words),
        group_id=identity.group_id(words),
        file="f",
    )


def labels_in(store: Store) -> dict[str, str | None]:
    rows = store.read("labels")
    return {row["text_id"]: row["label"] if isinstance(row["label"], str) else None for row in rows.to_dict("records")}


def three(arrive: Callable[..., None], last: str = WRONG) -> None:
    """Two who agree on every text, and a third who says the opposite."""
    arrive("a.json", {"21": RIGHT})
    arrive("b.json", {"22": RIGHT})
    arrive("mallory.json", {"66": last})


def test_votes_that_agree_become_labels(settings: Settings, classifier: Classifier, arrive: Any, store: Store) -> None:
    """Every key of the contract, alpha with its interval over all and by text type, kappas, people with their time."""
    arrive("a.json", {"21": RIGHT + "c"})
    arrive("b.json", {"22": RIGHT[:-2] + "nca"})
    found = label(settings, classifier)
    assert found.keys() >= CONTRACT
    assert (found["labels"], found["ties"], found["too_few_votes"], found["held_back"]) == (28, 2, 1, [])
    assert found["alpha_low"] < found["alpha"] < found["alpha_high"]
    assert {kind: one["texts"] for kind, one in found["by_text_type"].items()} == {"caption": 15, "ocr": 15}
    [[one, other, kappa, texts]] = found["kappas"]
    assert (one, other, round(kappa, 3), texts) == ("21", "22", 0.867, 30)
    second = found["by_annotator"][1]
    assert (second["name"], second["votes"], second["seconds"]) == ("22", {"no_call": 15, "call": 15}, 3.0)
    assert (second["abstained"], second["agreement"]) == (1 / 31, 28 / 30)
    assert refused(found) is None
    assert json.loads(json.dumps(found)) == found
    assert label(settings, classifier)["status"] == "nothing to do"


def test_no_votes_are_nothing_to_do(settings: Settings, classifier: Classifier) -> None:
    """On an empty home there are no labels, no page and no failure."""
    found = label(settings, classifier)
    assert (found["labels"], found["alpha"], found["status"], refused(found)) == (0, None, "nothing to do", None)
    assert not settings.reports.exists()


def test_a_batch_that_disagrees_is_held_out(
    settings: Settings, classifier: Classifier, arrive: Any, store: Store
) -> None:
    """The third batch counts for no label; the others' labels are there, and the failure names file and reason."""
    three(arrive, WRONG + "a")
    found = label(settings, classifier)
    [held] = found["held_back"]
    assert held.keys() >= {"file", "alpha", "low", "high", "texts", "reason"}
    assert (held["file"], held["texts"], found["labels"], found["alpha"]) == ("mallory.json", 30, 30, 1.0)
    assert (held["votes"], [one["held_out"] for one in found["by_annotator"]]) == (30, [0, 0, 30])
    assert held["low"] <= held["alpha"] <= held["high"] < classifier.votes.alpha_floor
    said = {f"x:{at:03}:caption": SAID[one] for at, one in enumerate(RIGHT)}
    assert labels_in(store) == said | {"x:030:caption": None}
    failure = refused(found)
    assert isinstance(failure, DataRefused)
    assert (failure.exit_code, failure.where) == (3, "mallory.json")
    assert "Annotator '66' agrees least with the others" in failure.what


def test_texts_that_only_a_held_out_batch_voted_on_are_held_back(
    settings: Settings, classifier: Classifier, arrive: Any, store: Store
) -> None:
    """They have a row without a label that says why; mending the batch gives them one."""
    three(arrive, WRONG + "cc")
    label(settings, classifier)
    rows = store.read("labels").set_index("text_id").loc[["x:030:caption", "x:031:caption"]]
    assert rows["how"].tolist() == ["held_back"] * 2
    assert (rows["label"].isna().all(), rows["votes"].tolist()) == (True, [0, 0])
    arrive("mended.json", {"66": RIGHT + "cc", "21": "." * 30 + "cc"})
    found = label(settings, classifier)
    assert (found["held_back"], found["labels"]) == ([], 32)


def test_a_held_out_revision_takes_no_label_away(
    settings: Settings, classifier: Classifier, arrive: Any, store: Store
) -> None:
    """22 turns every vote in a second file: it is held out, and the labels that the first gave stay, run after run."""
    arrive("a.json", {"21": RIGHT, "23": RIGHT})
    arrive("b.json", {"22": RIGHT})
    before = label(settings, classifier)["labels"]
    arrive("again.json", {"22": WRONG, "23": WRONG})
    for _ in range(2):
        found = label(settings, classifier)
        assert ([one["file"] for one in found["held_back"]], found["labels"]) == (["again.json"], before)
    assert found["status"] == "nothing to do"
    assert labels_in(store) == {f"x:{at:03}:caption": SAID[one] for at, one in enumerate(RIGHT)}


def test_what_was_decided_elsewhere_stays_outside(
    settings: Settings, classifier: Classifier, arrive: Any, store: Store
) -> None:
    """A file that is held out keeps its decided labels, and they are in no figure of agreement."""
    arrive("a.json", {"21": RIGHT})
    arrive("b.json", {"66": WRONG, DECIDED_ELSEWHERE: "n" * 30})
    found = label(settings, classifier)
    assert ([one["file"] for one in found["held_back"]], found["labels"]) == (["b.json"], 30)
    assert set(labels_in(store).values()) == {"no_call"}
    assert [one["name"] for one in found["by_annotator"]] == ["21", "66"]


@pytest.mark.parametrize("name", ["66", "mia@uni.example"])
def test_an_excluded_annotator_never_counts_and_is_named(
    settings: Settings, classifier: Classifier, arrive: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """By id or by address; nothing is held out then, and a name that nobody has is said to be so."""
    arrive("mallory.json", {name: WRONG})
    arrive("a.json", {"21": RIGHT})
    arrive("b.json", {"22": RIGHT})
    strict = classifier.model_copy(update={"votes": Votes(exclude=(name, "99"))})
    with caplog.at_level(logging.WARNING):
        found = label(settings, strict)
    assert (found["labels"], found["held_back"], found["alpha"], found["annotators"]) == (30, [], 1.0, 2)
    [out] = found["excluded"]
    assert ("66" if name == "66" else "annotator-") in out
    assert "mia" not in json.dumps(found)
    assert [record.getMessage() for record in caplog.records] == ["votes.exclude names '99', who has no vote for calls"]


def test_an_address_that_ingest_hid_can_be_excluded(
    settings: Settings, classifier: Classifier, store: Store, tmp_path: Path
) -> None:
    """The tables hold a number in its place; the classifier file may say the address all the same."""
    answer = {"from_name": classifier.question, "type": "choices", "value": {"choices": ["ja"]}}
    people = [{"email": "mia@uni.example"}, {"email": "Ben@uni.example"}]
    made = [{"completed_by": one, "created_at": "2026-10-01T10:00:00Z", "result": [answer]} for one in people]
    task = {"id": 1, "data": {"Text": "Kommt alle", "Identifier": "P1-Caption"}, "annotations": made}
    (tmp_path / "votes.json").write_text(json.dumps([task]))
    ingest(settings, [classifier], [tmp_path / "votes.json"])
    found = label(settings, classifier.model_copy(update={"votes": Votes(exclude=("ben@uni.example",))}))
    assert (found["labels"], found["too_few_votes"]) == (0, 1)
    assert found["excluded"] == sorted(set(store.read("annotations")["annotator"]) & set(found["excluded"]))
    assert len(found["excluded"]) == 1


def test_one_person_in_two_exports_is_told_and_can_be_made_one(
    settings: Settings, classifier: Classifier, tmp_path: Path
) -> None:
    """The JSON export says 7, the flat one an address: result and page say that they voted at the same moments, without
    the address; with both in ``same_person`` one vote a text is left."""
    answer = {"from_name": classifier.question, "type": "choices", "value": {"choices": ["ja"]}}
    at = [f"2026-10-01T10:0{number}:00.123456Z" for number in range(8)]
    tasks = [
        {
            "id": number,
            "data": {"Text": f"Kommt alle zum Stand {number}", "Identifier": f"P{number}-Caption"},
            "annotations": [{"completed_by": 7, "updated_at": moment, "result": [answer]}],
        }
        for number, moment in enumerate(at)
    ]
    flat = [
        {**task["data"], "annotator": "mia@uni.example", "annotation_id": 1, "updated_at": moment, "id": 1}
        | {classifier.question: "ja"}
        for task, moment in zip(tasks, at, strict=True)
    ]
    for name, rows in (("votes.json", tasks), ("flat.json", flat)):
        (tmp_path / name).write_text(json.dumps(rows))
        ingest(settings, [classifier], [tmp_path / name])
    found = label(settings, classifier)
    [[one, other, votes]] = found["doubles"]
    assert (found["labels"], one, votes) == (8, "7", 8)
    assert "One person twice?" in (page := Path(found["page"]).read_text("utf-8"))
    [shown] = [one["named"] for one in found["by_annotator"] if one["name"] == other]
    assert shown in page
    assert "mia" not in page + json.dumps(found)
    rule = Votes(same_person=(("7", "mia@uni.example"),))
    found = label(settings, classifier.model_copy(update={"votes": rule}))
    assert (found["labels"], found["too_few_votes"], found["annotators"], found["doubles"]) == (0, 8, 1, [])


def test_the_queue_goes_out_and_its_answers_come_in(
    settings: Settings, classifier: Classifier, arrive: Any, store: Store, tmp_path: Path
) -> None:
    """Ties and single votes are written as tasks; a third vote on them, ingested, decides these very texts."""
    arrive("a.json", {"21": "cccc", "22": "ccnn", "23": "....c"})
    found = label(settings, classifier, tmp_path / "queue.json")
    assert (found["labels"], found["ties"], found["queued"]) == (2, 2, 3)
    tasks = json.loads((tmp_path / "queue.json").read_text("utf-8"))
    assert [task["data"]["why"] for task in tasks] == ["tie", "tie", "too_few_votes"]
    assert not re.search("21|22|23|haendel", json.dumps(tasks))
    answer = {"from_name": classifier.question, "type": "choices", "value": {"choices": ["nein"]}}
    made = {"completed_by": 24, "created_at": "2026-10-02T10:00:00Z", "result": [answer]}
    answered = [{"id": at, **task, "annotations": [made]} for at, task in enumerate(tasks)]
    (tmp_path / "answered.json").write_text(json.dumps(answered, ensure_ascii=False), "utf-8")
    texts = store.read("texts").sort_values("text_id", ignore_index=True)
    ingest(settings, [classifier], [tmp_path / "answered.json"])
    after = store.read("texts").sort_values("text_id", ignore_index=True)
    assert after.drop(columns="file").equals(texts.drop(columns="file"))
    alpha = found["alpha"]
    found = label(settings, classifier, tmp_path / "queue.json")
    assert (found["labels"], found["ties"], found["queued"]) == (4, 1, 1)
    assert labels_in(store)["x:003:caption"] == "no_call"
    assert found["second_looks"] == 2
    assert (found["alpha"], found["alpha_texts"]) != (alpha, 4)  # the single vote's second one counts
    assert set(store.read("annotations", {"annotator": "24"})["why"].fillna("")) == {"tie", ""}


def test_who_thinks_again_about_ties_does_not_move_alpha(
    settings: Settings, classifier: Classifier, arrive: Any, store: Store, tmp_path: Path
) -> None:
    """Both annotators get their 30 ties back and settle them: labels change, alpha is that of the first codings, and
    no batch is held out; a third annotator of the ties changes as little."""
    arrive("a.json", {"21": RIGHT + "cn" * 60})
    arrive("b.json", {"22": WRONG + "cn" * 60})
    before = label(settings, classifier, tmp_path / "queue.json")
    assert (before["labels"], before["ties"], before["second_looks"]) == (120, 30, 0)
    answer = {"from_name": classifier.question, "type": "choices", "value": {"choices": ["ja"]}}
    tasks = json.loads((tmp_path / "queue.json").read_text("utf-8"))
    for day, (who, counted) in enumerate([(21, 30), (22, 60), (23, 90)], 2):
        made = {"completed_by": who, "created_at": f"2026-10-0{day}T10:00:00Z", "result": [answer]}
        answered = [{"id": at, **task, "annotations": [made]} for at, task in enumerate(tasks)]
        (tmp_path / f"{who}.json").write_text(json.dumps(answered, ensure_ascii=False), "utf-8")
        ingest(settings, [classifier], [tmp_path / f"{who}.json"])
        found = label(settings, classifier)
        assert (found["alpha"], found["kappas"], found["held_back"]) == (before["alpha"], before["kappas"], [])
        assert found["second_looks"] == counted
    assert (found["labels"], found["ties"]) == (150, 0)
    assert "60 votes" not in (page := Path(found["page"]).read_text("utf-8"))
    assert "90 votes" in page


def test_second_looks_do_not_wash_a_batch_clean(
    settings: Settings, classifier: Classifier, arrive: Any, store: Store, tmp_path: Path
) -> None:
    """Who has answered at random, and then agrees on the 20 disputed texts of 30, has still answered at random: the
    first votes stay in their batch, which stays held out. The second looks count."""
    arrive("a.json", {"21": RIGHT})
    arrive("b.json", {"22": WRONG[:20] + RIGHT[:10]})
    before = label(settings, classifier)["held_back"]
    assert [(one["file"], one["votes"], round(one["alpha"], 2)) for one in before] == [("b.json", 30, -0.31)]
    tasks = []
    for number in range(20):
        said = "ja" if RIGHT[number] == "c" else "nein"
        answer = {"from_name": classifier.question, "type": "choices", "value": {"choices": [said]}}
        data = {"Text": stored(number).text, "text_id": stored(number).text_id, "why": "mismatch"}
        made = {"completed_by": 22, "created_at": "2026-10-05T10:00:00Z", "result": [answer]}
        tasks.append({"id": number, "data": data, "annotations": [made]})
    for name in ("again.json", "and-again.json"):  # what was first stays first
        (tmp_path / name).write_text(json.dumps(tasks, ensure_ascii=False), "utf-8")
        [entry] = ingest(settings, [classifier], [tmp_path / name])["files"]
        assert entry["status"] == "new"
        after = label(settings, classifier)
        assert after["held_back"] == before
        assert after["labels"] == 20
        for task in tasks:
            task["annotations"][0]["created_at"] = "2026-10-06T10:00:00Z"
    votes = store.read("annotations", {"annotator": "22"})
    assert set(votes.loc[votes["why"] == "mismatch", "first_file"]) == {identity.digest("b.json")}


def test_labels_of_older_votes_do_not_replace_newer_ones(
    settings: Settings, classifier: Classifier, arrive: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two decide at once, and the one that has read fewer votes writes last."""
    arrive("a.json", {"21": "c"})
    real, votes = labelling.labels.changed, iter([{"22": "n"}])

    def late(*args: Any) -> Any:
        found = real(*args)
        for more in votes:
            arrive("b.json", more)
            label(settings, classifier)
        return found

    monkeypatch.setattr(labelling.labels, "changed", late)
    label(settings, classifier)
    assert store.read("labels")["how"].tolist() == ["tie"]


def test_a_queue_that_is_no_file_changes_nothing(
    settings: Settings, classifier: Classifier, arrive: Any, store: Store, tmp_path: Path
) -> None:
    """It is refused before a label is written."""
    arrive("a.json", {"21": RIGHT, "22": RIGHT})
    with pytest.raises(UsageError, match="a folder"):
        label(settings, classifier, tmp_path)
    assert store.count("labels") == 0


class Page(HTMLParser):
    """Names of the elements of a page, their attributes, and its visible words."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.words = ""
        self.feed(page.read_text("utf-8"))
        self.close()
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_says_it_all_and_is_inert(settings: Settings, classifier: Classifier, arrive: Any) -> None:
    """Alpha, kappas with overlap, people, ties and the held-out batch; no script, no address of a person."""
    arrive("a.json", {"mia@uni.example": RIGHT + "c", "22": RIGHT + "n"})
    arrive("<script>alert(1)</script> ben@uni.example.json", {"66": WRONG, "<img src=x onerror=alert(2)>": "c"})
    found = label(settings, classifier)
    page = Page(Path(found["page"]))
    assert Path(found["page"]) == settings.reports / "calls" / "agreement.html"
    assert not {"script", "img", "link", "iframe", "form"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "mia" not in page.words
    assert "ben@uni" not in page.words
    for said in (
        f"Krippendorff’s alpha is {found['alpha']:.3f}",
        "Held out: <script>alert(1)</script> ‹e-mail›",
        "31 votes count for no label: annotators agree too little",
        "x:030:caption",
        "tie",
        "30 held out",
    ):
        assert said in page.words, said
    for _, _, kappa, texts in found["kappas"]:
        shown = "–" if kappa is None else f"{kappa:.2f}".replace("-", "−")
        assert f"{shown}{texts}" in page.words.replace(" ", "")


def test_the_page_is_written_when_something_changed(settings: Settings, classifier: Classifier, arrive: Any) -> None:
    """The same votes leave the file as it is; one vote more writes it anew."""
    arrive("a.json", {"21": "cn", "22": "cn"})
    page = Path(label(settings, classifier)["page"])
    first = page.stat()
    label(settings, classifier)
    assert page.stat().st_mtime_ns == first.st_mtime_ns
    arrive("b.json", {"23": "cn"})
    label(settings, classifier)
    assert (page.stat().st_ino, "23" in page.read_text("utf-8")) != (first.st_ino, False)


def test_the_command_prints_its_object_and_exits_3(
    settings: Settings,
    classifier: Classifier,
    arrive: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """`aufruf label` with a batch held out: labels and error in one object, the reason on standard error."""
    three(arrive, WRONG + "c")
    spelt = 'labels = ["no_call", "call"]\npositive = "call"\n[spellings]\ncall = ["ja"]\nno_call = ["nein"]\n'
    (settings.classifiers / "calls.toml").write_text(spelt)
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(settings.classifiers))
    common = ["--classifier", "calls", "--home", str(settings.home)]
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        assert main(["label", *common, "--json", "--queue", str(tmp_path / "queue.json")]) == 3
        out, err = capfd.readouterr()
        told = json.loads(out)
        assert (told["labels"], told["queued"], told["error"]["type"]) == (30, 1, "DataRefused")
        assert told["error"]["where"] == told["held_back"][0]["file"] == "mallory.json"
        assert "aufruf: mallory.json: its votes are held out: annotators agree too little" in err
        assert main(["label", *common]) == 3
        assert capfd.readouterr().out.startswith("30 labels, 0 ties")
    finally:
        logging.getLogger().handlers[:], logging.getLogger().level = handlers, level


def test_the_night_ends_with_what_was_refused() -> None:
    """Nothing, a file, votes, or both: one failure of exit code 3 that names each."""
    fine, batch = {"files": []}, {"file": "m.json", "reason": "annotators agree too little"}
    file = {"files": [{"file": "bad.csv", "status": "refused", "reasons": ["it is empty"]}]}
    assert night.refused({"ingest": fine, "label": {"held_back": []}}) is None
    for ingested, held, names in (
        (file, [], ["bad.csv"]),
        (fine, [batch], ["m.json"]),
        (file, [batch, batch], ["bad.csv", "m.json"]),
    ):
        failure = night.refused({"ingest": ingested, "label": {"held_back": held}})
        assert failure is not None
        assert failure.exit_code == 3
        assert [name for name in ("bad.csv", "m.json") if name in failure.sentence()] == names


def test_a_vote_is_for_the_wording_it_was_cast_on(
    settings: Settings, classifier: Classifier, store: Store, tmp_path: Path
) -> None:
    """A caption that was rewritten after two votes has no label and is queued; an emoji changes nothing."""
    votes = tmp_path / "votes.csv"
    columns = {"text_id": "id", "text": "t", "label": "l", "annotator": "a"}
    lines = [f"p{n},{words},ja,{who}" for n, words in ((1, "Kommt zur Wahl!"), (2, "Geht wählen")) for who in (7, 8)]
    votes.write_text("\n".join(["id,t,l,a", *lines]))
    ingest(settings, [classifier], [votes], columns=columns)
    assert label(settings, classifier)["labels"] == 2
    posts = tmp_path / "posts.csv"
    posts.write_text("id,t\np1,Danke für den schönen Abend\np2,geht wählen 🗳️\n")
    entry = ingest(settings, [classifier], [posts], columns={"text_id": "id", "text": "t"})["files"][0]
    assert entry["replaced"] == 2
    queue = tmp_path / "queue.json"
    result = label(settings, classifier, queue)
    assert (result["labels"], result["edited"], result["queued"]) == (1, 1, 1)
    assert labels_in(store) == {"p1": None, "p2": "call"}
    (task,) = json.loads(queue.read_text())
    assert (task["data"]["text_id"], task["data"]["why"]) == ("p1", "edited")


def test_a_refusal_names_no_person() -> None:
    """It ends in notes and in a chat: an address or a handle in the name of a file is masked, the digest leads on."""
    votes = {"file": "mia@uni.example.json", "digest": "0123456789ab", "reason": "annotators agree too little"}
    file = {"file": "@mia.csv", "status": "refused", "reasons": ["it is empty"]}
    for held, bad in (([votes], []), ([votes, votes], [file]), ([votes], [file, file])):
        failure = night.refused({"ingest": {"files": bad}, "label": {"held_back": held}})
        assert failure is not None
        assert "mia" not in failure.sentence()


def test_a_person_s_name_is_on_no_page_and_in_no_refusal(
    settings: Settings, classifier: Classifier, arrive: Any
) -> None:
    """A name gets a pseudonym under the key of the home, which nobody makes anew from a list of staff; numbers stay."""
    arrive("a.json", {"21": RIGHT, "mia@uni.example": RIGHT})
    arrive("b.json", {"anna.schmidt": WRONG})
    found = label(settings, classifier)
    named = {one["name"]: one["named"] for one in found["by_annotator"]}
    page, failure = Path(found["page"]).read_text("utf-8"), refused(found)
    assert failure is not None
    assert named["21"] == "21"
    assert [name for name in named if name != "21" and name in page + failure.sentence()] == []
    assert all(one in page for one in named.values())
    assert f"Annotator '{named['anna.schmidt']}' agrees least" in failure.sentence()
    (settings.home / pseudonyms.KEY).unlink()
    assert named["anna.schmidt"] not in Path(label(settings, classifier)["page"]).read_text("utf-8"), "another key"


def test_a_pseudonym_is_a_name_in_the_classifier_file(settings: Settings, classifier: Classifier, arrive: Any) -> None:
    """Whoever reads the page can exclude an annotator, or make two of them one, by what the page calls them."""
    arrive("a.json", {"21": RIGHT, "mia@uni.example": RIGHT})
    arrive("b.json", {"anna.schmidt": WRONG})
    named = {one["name"]: one["named"] for one in label(settings, classifier)["by_annotator"]}
    strict = classifier.model_copy(update={"votes": Votes(exclude=(named["anna.schmidt"],))})
    found = label(settings, strict)
    assert (found["excluded"], found["held_back"], found["labels"]) == (["anna.schmidt"], [], 30)
    mia = next(name for name in named if name.startswith("annotator-"))
    one = classifier.model_copy(update={"votes": Votes(same_person=(("21", named[mia]),), exclude=("anna.schmidt",))})
    assert [coder["name"] for coder in label(settings, one)["by_annotator"]] == ["21", "anna.schmidt"]
