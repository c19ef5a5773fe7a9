"""Annotated texts that name their post and not their type: kept apart by their words, met again by their words."""

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from aufruf.classifier import Classifier
from aufruf.data import identity
from aufruf.schemas import Text
from aufruf.settings import Settings
from aufruf.steps.label import label
from aufruf.steps.split import split
from aufruf.store import Store

POST = "CTxB6cMKe2U"
CAPTION, OCR = "Heute geht es um die Rente.", "Am Sonntag SPD wählen!"
ON_CAPTION = [(CAPTION, 3733, POST, coder, "False") for coder in (13724, 13725)]
ON_OCR = [(OCR, 3734, POST, coder, "True") for coder in (13724, 13725)]


def own(text: str, post: str = POST) -> str:
    """The id of a text of no known type."""
    return f"instagram:{post}:unknown-{identity.digest(text)[:16]}"


@pytest.fixture
def frame(written: Callable[..., Path]) -> Callable[..., Path]:
    """A file like the tutorial's long frame: Text, uuid, Identifier, coder, value."""

    def write(name: str, *groups: list[tuple[str, int, str, int, str]]) -> Path:
        lines = [
            f'"{text}",{uuid},spd/1.jpg,{post},{coder},Call to Action,{value}\n'
            for group in groups
            for text, uuid, post, coder, value in group
        ]
        return written(name, "Text,uuid,Filename,Identifier,coder,from_name,value\n" + "".join(lines))

    return write


@pytest.fixture
def labels(settings: Settings, classifier: Classifier, store: Store) -> Callable[[], dict[str, Any]]:
    """The label of each text, None while it has none."""

    def decided() -> dict[str, Any]:
        label(settings, classifier)
        rows = store.read("labels").astype(object)
        found = rows["label"].where(rows["label"].notna(), None)
        return dict(sorted(zip(rows["text_id"], found, strict=True)))

    return decided


def test_two_texts_of_one_post_are_two_texts(
    take: Callable[..., Any], store: Store, frame: Callable[..., Path], labels: Any
) -> None:
    """Under one Identifier each is kept with the votes of both coders, is of no known type, and has its post."""
    (entry,) = take(frame("a.csv", ON_CAPTION, ON_OCR))
    assert (entry["kept"], entry["refused"], entry["posts"]) == (4, 0, 2)
    assert labels() == {own(CAPTION): "no_call", own(OCR): "call"}
    texts = store.read("texts")
    assert (set(texts["text_type"]), set(texts["post_id"]), set(texts["platform"])) == (
        {"unknown"},
        {POST},
        {"instagram"},
    )


def test_two_exports_meet_on_a_text(
    take: Callable[..., Any], store: Store, frame: Callable[..., Path], labels: Any
) -> None:
    """By its words, however it is wrapped: a uuid is a row number, and another table's numbers are others."""
    take(frame("a.csv", ON_OCR))
    take(frame("b.csv", [(OCR.replace(" ", "\n"), 17, POST, 13726, "False"), (CAPTION, 18, POST, 13726, "False")]))
    assert labels() == {own(CAPTION): None, own(OCR): "call"}
    assert sorted(store.read("annotations", {"text_id": own(OCR)})["annotator"]) == ["13724", "13725", "13726"]


def test_the_post_that_arrives_later_replaces_no_other_text(
    take: Callable[..., Any], frame: Callable[..., Path], labels: Any, written: Any, zeeschuimer: Any, store: Store
) -> None:
    """The words on its picture were annotated alone: they keep their label beside the caption."""
    take(frame("a.csv", ON_OCR))
    (entry,) = take(written("z.ndjson", zeeschuimer(POST, CAPTION)))
    assert (entry["posts"], "replaced" in entry) == (1, False)
    assert labels() == {own(OCR): "call"}
    assert dict(zip(store.read("texts")["text_id"], store.read("texts")["text"], strict=True)) == {
        own(OCR): OCR,
        f"instagram:{POST}:caption": CAPTION,
    }


def test_the_post_that_arrives_later_is_the_text_that_says_the_same(
    take: Callable[..., Any], frame: Callable[..., Path], labels: Any, written: Any, zeeschuimer: Any, store: Store
) -> None:
    """The annotated caption keeps its id and its label, and is a caption with a date and an author from then on."""
    take(frame("a.csv", ON_CAPTION, ON_OCR))
    take(written("z.ndjson", zeeschuimer(POST, CAPTION)))
    assert labels() == {own(CAPTION): "no_call", own(OCR): "call"}
    texts = store.read("texts").set_index("text_id")
    assert texts["text_type"].to_dict() == {own(CAPTION): "caption", own(OCR): "unknown"}
    assert (texts.loc[own(CAPTION), "author"], str(texts.loc[own(CAPTION), "posted_at"].date())) == (
        "kathaschulze",
        "2024-10-30",
    )


@pytest.mark.parametrize("together", ["posts first", "annotations first", "in two calls"])
def test_a_text_is_found_in_the_post_that_is_there(
    take: Callable[..., Any], frame: Callable[..., Path], labels: Any, written: Any, zeeschuimer: Any, together: str
) -> None:
    """Stored before, or come in the same call in whatever order: the votes belong to the caption, the rest is apart."""
    post, votes = written("z.ndjson", zeeschuimer(POST, CAPTION)), frame("a.csv", ON_CAPTION, ON_OCR)
    if together == "in two calls":
        take(post)
        take(votes)
    else:
        take(*((post, votes) if together == "posts first" else (votes, post)))
    assert labels() == {f"instagram:{POST}:caption": "no_call", own(OCR): "call"}


@pytest.mark.parametrize("first", ["post", "annotations"])
def test_an_edited_caption_is_edited_in_either_order(
    take: Callable[..., Any],
    frame: Callable[..., Path],
    labels: Any,
    written: Any,
    zeeschuimer: Any,
    first: str,
    store: Store,
) -> None:
    """Once caption and annotated text are known to be one, an edit of the caption is one of that text."""
    post, votes = written("z.ndjson", zeeschuimer(POST, CAPTION)), frame("a.csv", ON_CAPTION)
    for path in (post, votes) if first == "post" else (votes, post):
        take(path)
    (entry,) = take(written("y.ndjson", zeeschuimer(POST, "Heute geht es um das Klima.", 1731425775000)))
    assert entry["replaced"] == 1
    assert list(labels().values()) == [None]
    assert store.read("labels")["how"].tolist() == ["edited"]
    assert store.count("texts") == 1
    assert [one["status"] for one in take(post, votes)] == ["unchanged", "unchanged"]
    assert store.count("texts") == 1


@pytest.mark.parametrize("first", ["typed", "untyped"])
def test_an_export_that_tells_the_type_meets_one_that_does_not(
    take: Callable[..., Any], frame: Callable[..., Path], vote: Any, written: Any, store: Store, first: str
) -> None:
    """Votes on CTxB6cMKe2U-OCR and on the same words under CTxB6cMKe2U are votes on one text, of that type."""
    typed, untyped = written("t.json", [vote(OCR, "True", identifier=f"{POST}-OCR")]), frame("a.csv", ON_OCR)
    for path in (typed, untyped) if first == "typed" else (untyped, typed):
        take(path)
    (text,) = store.read("texts").to_dict("records")
    assert (text["text_id"], text["text_type"]) == (f"instagram:{POST}:ocr" if first == "typed" else own(OCR), "ocr")
    assert set(store.read("annotations")["text_id"]) == {text["text_id"]}
    assert sorted(store.read("annotations")["annotator"]) == ["13724", "13725", "7"]


def test_a_collected_post_stays_one_when_it_is_annotated(
    take: Callable[..., Any], frame: Callable[..., Path], written: Any, store: Store
) -> None:
    """An undated post, then a task that wraps it otherwise: it is of its own file, as it was."""
    take(
        written("p.json", [{"p": POST, "t": CAPTION, "s": "instagram"}]),
        columns={"post_id": "p", "text": "t", "platform": "s"},
    )
    (before,) = store.read("texts").to_dict("records")
    take(frame("a.csv", [(CAPTION.replace(" ", "\n"), 1, POST, 1, "True")]))
    (after,) = store.read("texts").to_dict("records")
    assert (after["file"], after["text"]) == (before["file"], CAPTION)
    assert store.read("files", {"kind": "posts"})["digest"].tolist() == [after["file"]]


@pytest.mark.parametrize("order", permutations(range(3)), ids=str)
def test_the_order_of_arrival_changes_no_label(
    take: Callable[..., Any],
    frame: Callable[..., Path],
    labels: Any,
    vote: Any,
    written: Any,
    zeeschuimer: Any,
    store: Store,
    order: tuple[int, ...],
) -> None:
    """Two exports and the post, in any order: two texts, each of its type, with its words, its votes and its label."""
    paths = [
        frame("a.csv", ON_CAPTION, ON_OCR[:1]),
        written("t.json", [vote(OCR, "True", identifier=f"{POST}-OCR")]),
        written("z.ndjson", zeeschuimer(POST, CAPTION)),
    ]
    for place in order:
        take(paths[place])
    decided = labels()
    texts = store.read("texts").set_index("text_id")
    assert {(texts.at[name, "text"], texts.at[name, "text_type"], said) for name, said in decided.items()} == {
        (CAPTION, "caption", "no_call"),
        (OCR, "ocr", "call"),
    }
    assert len(texts) == 2


def test_an_id_that_was_given_before_stays(take: Callable[..., Any], frame: Callable[..., Path], store: Store) -> None:
    """In a lake in which such a text was taken for a caption, its words lead later votes to the id that it has."""
    old = f"instagram:{POST}:caption"
    about = (POST, OCR, "caption", None, "instagram", None, None, None, None)
    store.put("texts", [Text(old, *about, identity.digest(OCR), identity.group_id(OCR), "f")])
    take(frame("a.csv", ON_OCR))
    assert (store.count("texts"), set(store.read("annotations")["text_id"])) == (1, {old})


def test_a_task_brings_its_vote_back(
    take: Callable[..., Any],
    settings: Settings,
    classifier: Classifier,
    frame: Any,
    written: Any,
    vote: Any,
    tmp_path: Path,
    store: Store,
) -> None:
    """A tie on a text of no known type is written as a task that names the post alone, and comes back to the text."""
    take(frame("a.csv", [(OCR, 1, POST, 1, "True"), (OCR, 1, POST, 2, "False")]))
    label(settings, classifier, tmp_path / "queue.json")
    (data,) = [task["data"] for task in json.loads((tmp_path / "queue.json").read_text())]
    assert (data["Identifier"], data["Text Type"], data["text_id"]) == (POST, "", own(OCR))
    task = vote(OCR, "True", person=3)
    take(written("t.json", [task | {"data": data}]))
    assert (store.count("texts"), set(store.read("annotations")["text_id"])) == (1, {own(OCR)})


def test_all_texts_of_a_post_are_on_one_side(
    take: Callable[..., Any],
    settings: Settings,
    classifier: Classifier,
    frame: Any,
    written: Any,
    zeeschuimer: Any,
    labels: Any,
    store: Store,
) -> None:
    """Told apart by their words, they are still texts of their post."""
    words = ["Rente", "Klima", "Bahn", "Miete", "Schule", "Steuer", "Pflege", "Energie", "Europa", "Frieden"]
    posts = [f"C{number}xyz" for number in range(10)]
    votes = [
        (f"{kind} {word} {word * 3}", at, post, coder, value)
        for at, (word, post) in enumerate(zip(words, posts, strict=True))
        for kind, value in (("Bild:", "True"), ("Unten steht", "False"))
        for coder in (1, 2)
    ]
    take(frame("a.csv", votes))
    take(
        written(
            "z.ndjson", "".join(zeeschuimer(post, f"Mehr zu {word}") for word, post in zip(words, posts, strict=True))
        )
    )
    labels()
    split(settings, classifier)
    sides = store.read("splits").merge(store.read("texts")[["text_id", "post_id"]], on="text_id")
    assert len(sides) == 20
    assert set(sides.groupby("post_id")["split"].nunique()) == {1}


def test_a_post_goes_by_its_shortcode_where_its_address_is_given(take: Any, store: Store, written: Any) -> None:
    """The address of a post in place of its id names the same post: its texts stay on one side of the split."""
    url = f"https://www.instagram.com/p/{POST}/?img_index=1"
    take(written("a.csv", f"url,body\n{url},{CAPTION}\n"), columns={"post_id": "url", "text": "body"})
    take(written("b.csv", f"Identifier,Text,Text Type\n{POST},{OCR},OCR\n"))
    found = store.read("texts").sort_values("text_id")
    assert found["text_id"].tolist() == [f"instagram:{POST}:caption", f"instagram:{POST}:ocr"]
    assert found["post_id"].tolist() == [POST, POST]


def test_a_caption_without_an_id_stands_beside_the_other_texts_of_its_post(
    settings: Settings, classifier: Classifier, take: Any, store: Store, written: Any
) -> None:
    """A ground truth of texts alone tells no post, but the collection does, which has these very captions: no post
    has its caption on one side of the split and what was read off its pictures on another."""
    signs = [f"{at:02d}" for at in range(30)]
    captions, pictures = ([f"{what} {sign * 9}" for sign in signs] for what in ("Kommt", "Bild"))
    numbers = [f"P{sign}x" for sign in signs]
    decided = "".join(f"{text},{at % 2 == 0}\n" for at, text in enumerate(captions))
    read = "".join(
        f"{n},{text},OCR,{at % 2 == 0}\n" for at, (n, text) in enumerate(zip(numbers, pictures, strict=True))
    )
    posts = "".join(f"{n},{text}\n" for n, text in zip(numbers, captions, strict=True))
    take(written("truth.csv", f"Text,Majority Decision\n{decided}"))
    take(written("posts.csv", f"nr,body\n{posts}"), columns={"post_id": "nr", "text": "body"})
    label(settings, classifier)
    split(settings, classifier)
    take(written("ocr.csv", f"Identifier,Text,Text Type,Majority Decision\n{read}"))
    label(settings, classifier)
    split(settings, classifier)
    side = store.read("splits").set_index("text_id")["split"]
    words = store.read("texts").set_index("text_id")["text"]
    of = {words[text_id]: where for text_id, where in side.items()}
    assert set(side) == {"train", "validation", "test"}
    assert [of[text] for text in captions] == [of[text] for text in pictures]
