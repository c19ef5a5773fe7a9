"""Several texts of one post under one type, the slides of a carousel: none replaces another, in any order."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from aufruf.classifier import Classifier
from aufruf.data import identity, recollect
from aufruf.data.intake import Portion
from aufruf.data.untyped import Fact, Posts
from aufruf.schemas import UNTYPED, Annotation, Text
from aufruf.settings import Settings
from aufruf.steps.ingest import ingest
from aufruf.steps.label import label
from aufruf.steps.quarantine import quarantine
from aufruf.store import Store

POST = "DBwPNDuNdAg"
SLIDES = ["Erste Folie: unser Programm", "Zweite Folie: am Sonntag wählen gehen!", "Dritte Folie: danke"]


def own(text: str, kind: str = "ocr", platform: str = "instagram") -> str:
    return f"{platform}:{POST}:{kind}-{identity.digest(text)[:16]}"


@pytest.fixture
def master(written: Callable[..., Path]) -> Callable[..., Path]:
    """A Text Master of one post: a caption, where there is one, and the words of its slides."""

    def write(name: str, slides: list[str], caption: str = "") -> Path:
        rows = [(caption, "Caption")] * bool(caption) + [(text, "OCR") for text in slides]
        lines = [f'{POST},{kind},"{text}",{at}.jpg,Post\n' for at, (text, kind) in enumerate(rows)]
        return written(name, "Identifier,Text Type,Text,Image,Post Type\n" + "".join(lines))

    return write


def stored(store: Store) -> dict[str, str]:
    texts = store.read("texts")
    return dict(zip(texts["text_id"], texts["text"], strict=True))


def test_each_slide_of_a_carousel_is_a_text(take: Callable[..., Any], master: Any, store: Store) -> None:
    """As many texts as rows: the caption under the usual id, each slide under one with its words. Again, in another
    order and with one slide less, nothing is new and nothing has changed."""
    (entry,) = take(master("a.csv", SLIDES, "Hallo Heidelberg"))
    assert (entry["kept"], entry["refused"], entry["posts"]) == (4, 0, 4)
    first = stored(store)
    assert first == {f"instagram:{POST}:caption": "Hallo Heidelberg"} | {own(text): text for text in SLIDES}
    assert set(store.read("texts")["text_type"]) == {"caption", "ocr"}
    for again in (master("b.csv", SLIDES[::-1]), master("c.csv", SLIDES[1:])):
        (entry,) = take(again)
        assert (entry["posts"], stored(store)) == (0, first)


def test_a_row_said_twice_is_one_text_under_the_usual_id(take: Callable[..., Any], master: Any, store: Store) -> None:
    """Only other words make a text one of several. The slide that was alone keeps its id when others come."""
    take(master("a.csv", [SLIDES[0], f" {SLIDES[0]}"]))
    assert list(stored(store)) == [f"instagram:{POST}:ocr"]
    take(master("b.csv", SLIDES[:2]))
    assert stored(store) == {f"instagram:{POST}:ocr": SLIDES[0], own(SLIDES[1]): SLIDES[1]}


@pytest.mark.parametrize("together", [False, True], ids=["in two calls", "in one"])
def test_slides_that_were_annotated_first_keep_their_labels(
    take: Callable[..., Any],
    master: Any,
    written: Any,
    vote: Any,
    settings: Settings,
    classifier: Classifier,
    store: Store,
    together: bool,
) -> None:
    """Annotated under the post's name alone, then collected, or at once: three texts, each with its words and label."""
    said = ["False", "True", "False"]
    votes = written(
        "v.json",
        [
            vote(text, one, person=who, identifier=POST)
            for text, one in zip(SLIDES, said, strict=True)
            for who in (1, 2)
        ],
    )
    paths = (votes, master("tm.csv", SLIDES))
    if together:
        take(*paths)
    else:
        for path in paths:
            take(path)
            label(settings, classifier)
    label(settings, classifier)
    labels = store.read("labels").set_index("text_id")["label"]
    texts = store.read("texts").set_index("text_id")
    assert {texts.at[name, "text"]: one for name, one in labels.items()} == {
        text: {"True": "call", "False": "no_call"}[one] for text, one in zip(SLIDES, said, strict=True)
    }
    assert (len(texts), set(texts["text_type"])) == (3, {"ocr"})


def test_a_vote_on_a_slide_finds_it_by_its_words(
    take: Callable[..., Any], master: Any, written: Any, vote: Any, store: Store
) -> None:
    """An Identifier that tells the type is that of every slide: the vote goes where the words are, and replaces none.
    Words that no slide says are another one's."""
    take(master("a.csv", SLIDES))
    before = stored(store)
    take(written("v.json", [vote(SLIDES[1], "True", identifier=f"{POST}-OCR")]))
    assert (stored(store), set(store.read("annotations")["text_id"])) == (before, {own(SLIDES[1])})
    take(written("w.json", [vote("Vierte Folie", "True", identifier=f"{POST}-OCR")]))
    assert stored(store) == before | {own("Vierte Folie"): "Vierte Folie"}


def label_studio(written: Any, vote: Any, slides: list[str], coders: tuple[int, ...], **more: Any) -> Path:
    """A task for each slide; all of them name the post and the type by one Identifier."""
    tasks = []
    for text in slides:
        (first, *others) = [vote(text, "True", person=who, identifier=f"{POST}-OCR", **more) for who in coders]
        first["annotations"] += [one["annotations"][0] for one in others]
        tasks.append(first)
    return Path(written("ls.json", tasks))


def text_master(written: Any, vote: Any, slides: list[str], coders: tuple[int, ...]) -> Path:
    """A Text Master with labels: a row for each slide and coder."""
    rows = [f'{POST},"{text}",OCR,{at}.jpg,Post,True,{who}\n' for at, text in enumerate(slides) for who in coders]
    head = "Identifier,Text,Text Type,Image,Post Type,Call to Action,coder\n"
    return Path(written("tm-labels.csv", head + "".join(rows)))


def decided(written: Any, vote: Any, slides: list[str], coders: tuple[int, ...]) -> Path:
    """A table of labels that were decided elsewhere: a row for each slide."""
    rows = [f'{POST},"{text}",OCR,{at}.jpg,True\n' for at, text in enumerate(slides)]
    return Path(written("decided.csv", "Identifier,Text,Text Type,Image,Majority Decision\n" + "".join(rows)))


ANNOTATED = pytest.mark.parametrize("annotated", [label_studio, text_master, decided])


@ANNOTATED
@pytest.mark.parametrize("order", ["posts first", "annotations first", "in one call"])
def test_votes_on_slides_whose_type_is_told_are_kept(
    take: Callable[..., Any], master: Any, written: Any, vote: Any, store: Store, annotated: Any, order: str
) -> None:
    """Three slides of one type and one post, two annotators: no vote is refused, each is on its slide, and the ids are
    those that the slides have as posts, whatever came first."""
    votes, posts = annotated(written, vote, SLIDES, (1, 2)), master("posts.csv", SLIDES, "Hallo Heidelberg")
    coders = {""} if annotated is decided else {"1", "2"}
    calls = {"posts first": [[posts], [votes]], "annotations first": [[votes], [posts]]}.get(order, [[votes, posts]])
    (entry,) = [one for call in calls for one in take(*call) if one["kind"] == "annotations"]
    assert (entry["refused"], entry["annotations"]) == (0, 3 * len(coders))
    assert stored(store) == {own(text): text for text in SLIDES} | {f"instagram:{POST}:caption": "Hallo Heidelberg"}
    cast = store.read("annotations")
    assert sorted(zip(cast["text_id"], cast["annotator"], strict=True)) == sorted(
        (own(text), who) for text in SLIDES for who in coders
    )
    assert [one["status"] for one in take(votes, posts)] == ["unchanged"] * 2


@ANNOTATED
def test_a_slide_that_was_annotated_alone_keeps_its_id(
    take: Callable[..., Any], master: Any, written: Any, vote: Any, store: Store, annotated: Any
) -> None:
    """As the only one of its type it has the usual id, under which votes of a later export, and the posts, find it."""
    take(annotated(written, vote, SLIDES[:1], (1,)))
    for path in (annotated(written, vote, SLIDES, (1, 2)), master("posts.csv", SLIDES)):
        take(path)
        assert stored(store) == {f"instagram:{POST}:ocr": SLIDES[0]} | {own(text): text for text in SLIDES[1:]}
    assert len(store.read("annotations")) == (3 if annotated is decided else 6)


@ANNOTATED
def test_a_vote_said_twice_on_one_slide_counts_once(
    take: Callable[..., Any], written: Any, vote: Any, store: Store, annotated: Any
) -> None:
    """Other slides of the post do not make it another vote; white space does not make it another slide."""
    coders = (1,)
    (entry,) = take(annotated(written, vote, [*SLIDES, f" {SLIDES[1]}"], coders))
    assert (entry["kept"], entry["refused"], entry["annotations"]) == (3, 1, 3)
    of_one = "this annotator votes on this text more than once; item 4 counts"
    (why,) = entry["why"]
    assert why.startswith("1 refused: no annotator is named" if annotated is decided else f"1 refused: {of_one}")
    assert set(stored(store)) == {own(text) for text in SLIDES}


def test_two_answers_on_one_slide_count_not_at_all(
    take: Callable[..., Any], written: Any, vote: Any, store: Store
) -> None:
    """Undated, of one annotator and on the same words: both rows are refused, the other slides' votes stay."""
    rows = [(SLIDES[0], "True"), (SLIDES[0], "False"), (SLIDES[1], "True"), (SLIDES[2], "False")]
    head = "Identifier,Text,Text Type,Call to Action,coder\n"
    (entry,) = take(written("tm.csv", head + "".join(f'{POST},"{text}",OCR,{said},1\n' for text, said in rows)))
    assert (entry["kept"], entry["refused"]) == (2, 2)
    assert set(store.read("annotations")["text_id"]) == {own(SLIDES[1]), own(SLIDES[2])}
    assert set(store.read("quarantine")["reasons"]) == {
        "this annotator votes on this text more than once, with different labels (items 1, 2)"
    }


def test_wordings_under_an_id_of_the_file_are_refused_beside_slides(
    take: Callable[..., Any], written: Any, vote: Any, store: Store
) -> None:
    """An id that tasks bring is one text's, whatever post and type they name; other tasks of the post are taken."""
    tasks = [vote(text, "True", person=who, identifier=f"{POST}-OCR") for who, text in enumerate(SLIDES, 1)]
    for task in tasks[:2]:
        task["data"]["text_id"] = "mine"
    more = [vote(f"Mehr {n}", "True", identifier=f"C{n}-OCR") for n in range(3)]
    (entry,) = take(written("v.json", tasks + more))
    assert (entry["kept"], entry["refused"]) == (4, 2)
    assert entry["why"] == ["2 refused: the file has 2 different texts under this text's id"]


def test_a_mended_vote_on_a_slide_finds_its_place(
    take: Callable[..., Any],
    written: Any,
    settings: Settings,
    classifier: Classifier,
    tmp_path: Path,
    store: Store,
) -> None:
    """Refused for its label, the slide counts as one of several all the same, and is beside the other one later."""
    head = "Identifier,Text,Text Type,Call to Action,coder\n"
    said = zip(SLIDES[:2], ("True", "vielleicht"), strict=True)
    take(written("tm.csv", head + "".join(f'{POST},"{text}",OCR,{one},1\n' for text, one in said)))
    assert stored(store) == {own(SLIDES[0]): SLIDES[0]}
    (row,) = quarantine(settings, [classifier], "show")["rows"]
    path = tmp_path / "mended.ndjson"
    path.write_text(json.dumps(row | {"row": row["row"] | {"Call to Action": "False"}}) + "\n", encoding="utf-8")
    quarantine(settings, [classifier], "ingest", mended=path)
    assert stored(store) == {own(text): text for text in SLIDES[:2]}
    assert set(store.read("annotations")["text_id"]) == set(stored(store))


def test_who_skips_a_slide_takes_back_no_vote_on_another(
    take: Callable[..., Any], written: Any, vote: Any, store: Store
) -> None:
    """The only voted slide has the usual id, which a skipped one of the same type would have; its own is taken back."""
    ocr, later = f"{POST}-OCR", "2024-11-12T11:00:00.000Z"
    voted, skipped = vote(SLIDES[0], "True", identifier=ocr), vote(SLIDES[1], None, identifier=ocr, updated_at=later)
    take(written("a.json", [voted, skipped]))
    assert store.read("annotations")["label"].tolist() == ["call"]
    take(written("b.json", [vote(SLIDES[0], None, identifier=ocr, updated_at=later), skipped]))
    assert store.read("annotations")["label"].tolist() == ["abstain"]


def test_texts_of_a_post_in_a_table_that_tells_no_type(take: Callable[..., Any], written: Any, store: Store) -> None:
    """Of several texts none is known to be the caption; a post with one has a caption, as ever."""
    rows = [{"p": POST, "t": text} for text in SLIDES] + [{"p": "other", "t": "Heute in Heidelberg"}]
    (entry,) = take(written("t.json", rows), columns={"post_id": "p", "text": "t"})
    assert (entry["kept"], entry["posts"]) == (4, 4)
    assert stored(store) == {own(text, UNTYPED, "unknown"): text for text in SLIDES} | {
        "unknown:other:caption": "Heute in Heidelberg"
    }


def test_an_id_that_a_file_gives_to_two_texts_refuses_both(
    take: Callable[..., Any], written: Any, store: Store
) -> None:
    """In a table of posts as in one of annotations; the same words twice are one text."""
    rows = [{"id": f"t{at}", "t": f"Text {at}"} for at in range(8)]
    rows += [{"id": "t0", "t": "Text  0"}, {"id": "t1", "t": "etwas anderes"}]
    (entry,) = take(written("t.json", rows), columns={"text_id": "id", "text": "t"})
    assert (entry["kept"], entry["refused"]) == (8, 2)
    assert set(store.read("quarantine")["item"]) == {2, 10}
    assert set(store.read("quarantine")["reasons"]) == {"the file has 2 different texts under this text's id"}
    assert "t1" not in stored(store)


def test_a_caption_collected_twice_in_one_file_is_one_text(
    take: Callable[..., Any], written: Any, zeeschuimer: Any, store: Store
) -> None:
    """Both collections are dated, so the second is an edit of the first."""
    lines = zeeschuimer(POST, "Heute", 1731425774000) + zeeschuimer(POST, "Morgen", 1731425775000)
    take(written("z.ndjson", lines))
    assert stored(store) == {f"instagram:{POST}:caption": "Morgen"}


def test_a_mended_slide_replaces_no_other(
    take: Callable[..., Any], master: Any, settings: Settings, classifier: Classifier, tmp_path: Path, store: Store
) -> None:
    """A slide that was refused counts as one of several; taken in later, it stands beside the others."""
    few = classifier.model_copy(update={"checks": classifier.checks.model_copy(update={"longest": 60})})
    ingest(settings, [few], [master("a.csv", [SLIDES[0], "zu lang " * 10])])
    assert stored(store) == {own(SLIDES[0]): SLIDES[0]}
    (row,) = quarantine(settings, [few], "show")["rows"]
    path = tmp_path / "mended.ndjson"
    path.write_text(json.dumps(row | {"row": row["row"] | {"Text": SLIDES[1]}}) + "\n", encoding="utf-8")
    quarantine(settings, [few], "ingest", mended=path)
    assert stored(store) == {own(text): text for text in SLIDES[:2]}


@dataclass
class Lake:
    """Texts and votes as they are stored, with all else left out."""

    texts: dict[str, Text] = field(default_factory=dict)
    votes: dict[str, str] = field(default_factory=dict)  # text_id -> the wording that was voted on

    def take(self, slides: list[str], *, kind: str) -> None:
        """A file with these slides: a Text Master ("ocr"), or votes that tell no type ("unknown")."""
        alone = kind == "ocr" and len(slides) == 1
        texts = [self._arrived(text, kind, alone=alone) for text in slides]
        votes = [Annotation("calls", one.text_id, "7", "call", None, one.file, group_id=one.group_id) for one in texts]
        portion = Portion(texts, votes if kind == UNTYPED else [], [])
        known = [text.post_id or "" for text in self.texts.values() if "-" in text.text_id]
        posts = Posts(known)
        if posts.asked([portion]):
            posts.learn(Fact(*(getattr(text, name) for name in Fact._fields)) for text in self.texts.values())
        placed = posts.placed(portion)
        changed, _ = recollect.texts_to_write(placed.texts, self.texts, {})
        self.texts |= {text.text_id: text for text in changed}
        self.votes |= {one.text_id: self.texts[one.text_id].text for one in placed.votes}

    @staticmethod
    def _arrived(text: str, kind: str, *, alone: bool) -> Text:
        digest = identity.digest(text)
        name = f"instagram:{POST}:ocr" if alone else own(text, kind)
        about = (POST, text, kind, None, "instagram", None, None, None, None)
        return Text(name, *about, digest, identity.group_id(text), "f")

    def ids(self) -> dict[str, str]:
        return {text.text: name for name, text in self.texts.items()}


NUMBERS = st.integers(0, 4)
SEVERAL = st.lists(NUMBERS, min_size=2, max_size=5, unique=True)
FILES = st.lists(
    st.one_of(st.tuples(st.just("ocr"), SEVERAL), st.tuples(st.just(UNTYPED), st.lists(NUMBERS, min_size=1))),
    max_size=4,
)


@hypothesis_settings(max_examples=300, deadline=None)
@given(
    first=st.one_of(st.none(), NUMBERS),
    files=FILES,
    several=SEVERAL,
    after=st.lists(st.one_of(NUMBERS.map(lambda one: [one]), SEVERAL), max_size=4),
    again=st.randoms(use_true_random=False),
)
def test_whatever_the_order_each_wording_is_one_text(
    first: int | None, files: list[tuple[str, list[int]]], several: list[int], after: list[list[int]], again: Any
) -> None:
    """A slide alone, votes, carousels in pieces and in any order, then all once more: a text for each wording that
    came, each under the id that it had first, and every vote on its wording."""
    stream = [("ocr", [first])] * (first is not None) + files
    stream += [("ocr", several)] + [("ocr", slides) for slides in after]
    later = list(stream[len(stream) - len(after) :])
    again.shuffle(later)
    lake = Lake()
    seen: dict[str, str] = {}
    for kind, slides in [*stream, *later, *stream[len(stream) - len(after) - 1 :]]:
        lake.take([f"Folie {number}" for number in slides], kind=kind)
        assert lake.ids() | seen == lake.ids()
        seen |= lake.ids()
    assert set(lake.ids()) == {f"Folie {number}" for _, slides in stream for number in slides}
    assert all(lake.texts[name].text == words for name, words in lake.votes.items())
