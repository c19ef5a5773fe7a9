"""The ledger on small tables: who goes where, what is set aside, what a leak looks like, who may write."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st
from tests.corpus.conftest import NOW, added, classifier, decided, frame, prove, text, usable, wordings

from aufruf.classifier import SplitShares
from aufruf.data import proof
from aufruf.data.duplicates import Alike, similarity
from aufruf.data.identity import digest, fold, group_id
from aufruf.data.proof import left_out
from aufruf.data.splits import LEDGER
from aufruf.errors import LeakFound, NothingYet
from aufruf.schemas import Label, SplitRow, Text
from aufruf.settings import Settings
from aufruf.steps.corpus import labelled
from aufruf.steps.split import split
from aufruf.store import Store

LEFT = "Am Sonntag ist Wahltag: bitte geht alle wählen und nehmt eure Nachbarn gleich mit!"
RIGHT = "Heute Abend sprechen wir in Heidelberg über Mieten und Wohnungsbau, kommt doch vorbei."
INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u2060\u2066\ufeff\ufe0f\u034f\U000e0067"
EMPTY = pd.DataFrame(columns=list(LEDGER))


def row(of: Text, side: str, group: str = "") -> SplitRow:
    return SplitRow("c", of.text_id, of.digest, group or f"g-{of.text_id}", side, "", NOW)


def joined(ledger: list[SplitRow], texts: list[Text], labels: list[Label] | None = None) -> dict[str, SplitRow]:
    """What is added for ``texts``, all of them labelled unless ``labels`` says otherwise, by text id."""
    labels = [decided(t.text_id) for t in texts] if labels is None else labels
    return {r.text_id: r for r in added(ledger, frame(labels), frame(texts))}


@given(
    cuts=st.lists(st.tuples(st.integers(0, 80), st.sampled_from(INVISIBLE)), max_size=12),
    words=st.sampled_from([LEFT, "Für dich! https://x.de/a @cdu", "1️⃣ Du\u0308"]),
)
def test_what_nobody_sees_makes_no_other_text(cuts: list[tuple[int, str]], words: str) -> None:
    """Soft hyphens, joiners and marks of direction, wherever they stand, change no name of a text, and so no side."""
    marked = words
    for at, sign in cuts:
        marked = marked[:at] + sign + marked[at:]
    assert group_id(marked) == group_id(words)


def test_a_leak_of_before_signs_were_left_out_is_out_of_use_and_stops_nothing() -> None:
    """A copy with soft hyphens that an older version trained on, under a name of its own, is left out; test stays."""
    kept, copy = text("t", LEFT), replace(text("c", "\u00ad".join(LEFT)), group_id="0" * 16)
    both = frame([kept, copy])
    near = Alike.of({one.group_id: fold(one.text) for one in (kept, copy)}, 0.8)
    ledger = frame([row(kept, "test"), row(copy, "train")])
    with pytest.raises(LeakFound, match="near-duplicate"):
        proof.assert_disjoint(ledger, both, near)
    assert left_out(ledger, both, near)[["text_id", "split"]].values.tolist() == [["c", "train"]]
    used = proof.usable(ledger, both, near)
    assert used["text_id"].tolist() == ["t"]
    proof.assert_disjoint(used, both, near)


def test_a_copy_with_signs_that_nobody_sees_follows_its_text() -> None:
    """A post that repeats a text of the test set with soft hyphens in its words is not trained on."""
    words = [f"Heute {n * 7919:010} als Thema im Bundestag {n * 104729:010}" for n in range(30)]
    texts = [text(f"t{n}", one) for n, one in enumerate(words)]
    ledger = added([], frame([decided(one.text_id) for one in texts]), frame(texts))
    side = {row.text_id: row.split for row in ledger}
    copies = [text(f"c{n}", "\u00ad".join(one)) for n, one in enumerate(words)]
    both = [*texts, *copies]
    more = added(frame(ledger), frame([decided(one.text_id) for one in both]), frame(both))
    assert {row.text_id: row.split for row in more} == {f"c{n}": side[f"t{n}"] for n in range(len(words))}


def test_only_decided_texts_enter() -> None:
    """A tie waits outside, and so does a label whose text is not stored."""
    texts = [text("a", "Eins"), text("b", "Zwei")]
    labels = [decided("a"), decided("b", None), decided("gone")]
    assert set(joined([], texts, labels)) == {"a"}


@pytest.mark.parametrize(
    "newcomer",
    [
        text("new", f"{LEFT} 🗳🗳"),
        text("new", f"{LEFT.upper()} https://spd.de @jusos"),
        text("new", f"{LEFT} Jetzt"),
        text("new", "Ganz anderer Wortlaut auf dem Bild", post="p1", kind="ocr"),
        text("new", "Ganz anderer Wortlaut auf dem Bild", post="p1", kind="ocr", platform=""),
    ],
    ids=["emoji changed", "case and links", "near-duplicate", "same post", "same post, platform unknown"],
)
def test_a_newcomer_joins_the_group_it_belongs_to(newcomer: Text) -> None:
    """It takes the side and the name of the group, whichever side that is."""
    known = text("old", LEFT, post="p1")
    for side in ("train", "validation", "test"):
        new = joined([row(known, side, "g")], [known, newcomer])["new"]
        assert (new.split, new.group_id, new.reason) == (side, "g", "")


def test_the_same_post_number_on_another_platform_is_another_post() -> None:
    """Only texts that say nothing of their platform are taken to be of the same post."""
    known, other = text("old", LEFT, post="1", platform="x"), text("new", RIGHT, post="1", platform="y")
    assert joined([row(known, "test", "g")], [known, other])["new"].group_id != "g"


def test_a_text_that_connects_two_sides_is_set_aside() -> None:
    """It names both groups; its reposts do not follow it out, each takes the side that it touches itself."""
    left, right = text("l", LEFT, post="p1"), text("r", RIGHT)
    ledger = [row(left, "train", "gl"), row(right, "test", "gr")]
    bridge = text("bridge", RIGHT.upper(), post="p1", kind="ocr")
    repost, follower = (
        text("repost", f"{RIGHT} ❤", post="p2"),
        text("follower", "Nur ein kurzer Satz", post="p2"),
    )
    new = joined(ledger, [left, right, bridge, repost, follower])
    assert (new["bridge"].split, new["bridge"].reason) == (
        "none",
        "connects group gl (train) and group gr (test)",
    )
    assert {new[name].group_id for name in ("repost", "follower")} == {"gr"}
    assert {new[name].split for name in ("repost", "follower")} == {"test"}


def test_a_text_that_connects_two_groups_of_one_side_joins_it() -> None:
    """Nothing leaks between two groups of the same side; the first name is taken."""
    left, right = text("l", LEFT, post="p1"), text("r", RIGHT)
    ledger = [row(left, "test", "b"), row(right, "test", "a")]
    new = joined(ledger, [left, right, text("bridge", RIGHT, post="p1", kind="ocr")])["bridge"]
    assert (new.split, new.group_id) == ("test", "a")


def test_two_newcomers_between_two_sides_never_end_on_both() -> None:
    """Of a chain left - one - other - right the first takes its side and the second is set aside."""
    left, right = text("l", LEFT), text("r", RIGHT)
    one, other = text("one", LEFT, post="p1"), text("other", RIGHT, post="p1", kind="ocr")
    new = joined([row(left, "train", "gl"), row(right, "test", "gr")], [left, right, one, other])
    assert sorted(r.split for r in new.values())[0] == "none"
    assert len({r.split for r in new.values()}) == 2


def test_what_is_behind_a_set_aside_text_is_a_new_group() -> None:
    """Only the bridge is lost: the other text of its post touches no side, and is dealt like any other."""
    left, right = text("l", LEFT), text("r", RIGHT)
    halves = f"{LEFT[: len(LEFT) // 2]} {RIGHT[len(RIGHT) // 2 :]}"
    assert similarity(fold(halves), fold(LEFT)) < 0.8
    ledger = [row(left, "train", "gl"), row(right, "test", "gr")]
    shares = SplitShares(near_duplicate=0.25)
    texts = [
        left,
        right,
        text("bridge", halves, post="p1"),
        text("behind", "Guten Morgen", post="p1", kind="ocr"),
    ]
    labels = frame([decided(t.text_id) for t in texts])
    new = {r.text_id: r for r in added(ledger, labels, frame(texts), shares)}
    assert new["bridge"].split == "none"
    assert new["behind"].split in ("train", "validation", "test")
    assert new["behind"].group_id not in ("gl", "gr", new["bridge"].group_id)


def test_a_set_aside_text_connects_nothing_later() -> None:
    """Reposts of one side are taken in although a set-aside text stands between the sides."""
    left, right, aside = text("l", LEFT), text("r", RIGHT, post="p1"), text("aside", LEFT, post="p1")
    ledger = [row(left, "train", "gl"), row(right, "test", "gr"), row(aside, "none", "ga")]
    assert joined(ledger, [left, right, aside, text("new", f"{RIGHT} ❤")])["new"].split == "test"


def test_the_first_wording_of_an_edited_text_still_belongs_to_its_group() -> None:
    """The ledger's digest is compared too: a repost of what was there before the edit joins the group."""
    before, after = text("old", LEFT), text("old", RIGHT)
    new = joined([row(before, "validation", "g")], [after, text("repost", LEFT), text("other", f"{RIGHT} ❤")])
    assert {name: r.group_id for name, r in new.items()} == {"repost": "g", "other": "g"}


def test_ledger_texts_that_are_gone_are_not_taken_for_each_other() -> None:
    """Two texts deleted from the lake keep their sides, and only their exact wording is still recognised."""
    one, other = text("one", LEFT), text("other", RIGHT)
    ledger = [row(one, "train", "g1"), row(other, "test", "g2")]
    new = joined(ledger, [text("new", RIGHT), text("more", "Guten Morgen")])
    assert (new["new"].group_id, new["new"].split) == ("g2", "test")
    assert new["more"].group_id not in ("g1", "g2")


@pytest.mark.parametrize(
    ("one", "other", "group", "shared"),
    [
        (text("a", LEFT), text("b", LEFT), "", "the text"),
        (text("a", LEFT), text("b", f"{LEFT} 🗳"), "", "the wording"),
        (text("a", LEFT, post="p"), text("b", RIGHT, post="p"), "", "the post 'x:p'"),
        (text("a", LEFT), text("b", f"{LEFT} Jetzt"), "", "the near-duplicate wordings"),
        (text("a", LEFT), text("b", RIGHT), "g", "the group 'g'"),
        (text("a", LEFT), text("a", LEFT), "g", "the text id 'a'"),
    ],
)
@pytest.mark.parametrize("sides", [("train", "validation"), ("train", "test"), ("validation", "test")])
def test_a_leak_between_any_two_sides_is_found(
    one: Text, other: Text, group: str, shared: str, sides: tuple[str, str]
) -> None:
    """The proof looks at all three pairs of splits, and names both texts and what they share."""
    ledger = frame([row(one, sides[0], group), row(other, sides[1], group)])
    with pytest.raises(LeakFound) as leak:
        prove(ledger, frame([one, other]))
    assert f"{one.text_id!r} ({sides[0]}) and {other.text_id!r} ({sides[1]}) share {shared}" in leak.value.what
    assert leak.value.where == "split ledger of c"


def test_the_proof_does_not_mind_what_is_no_leak() -> None:
    """The same side, a set-aside text, a post on another platform, texts without a post: all fine."""
    texts = [
        text("a", LEFT, post="1"),
        text("b", LEFT),
        text("c", LEFT),
        text("d", RIGHT, post="1", platform="y"),
        text("e", "Guten Morgen"),
    ]
    sides = ["train", "train", "none", "test", "validation"]
    ledger = frame([row(t, side) for t, side in zip(texts, sides, strict=True)])
    prove(ledger, frame(texts))
    prove(ledger, frame(texts[:2]))
    prove(EMPTY, frame(texts))


def test_an_edit_that_makes_a_text_leak_takes_it_out_of_use() -> None:
    """The ledger keeps both; what may be used leaves the edited one out, and is then proved disjoint."""
    one, other, third = text("a", LEFT), text("b", RIGHT), text("d", "Guten Morgen")
    ledger = frame([row(one, "train"), row(other, "test"), row(third, "test")])
    stored = frame([one, text("b", LEFT), text("d", "Guten Abend")])
    with pytest.raises(LeakFound, match=r"'a'.*'b'"):
        prove(ledger, stored)
    assert usable(ledger, stored)["text_id"].tolist() == ["a", "d"]
    prove(usable(ledger, stored), stored)


def test_an_edit_into_a_near_duplicate_of_another_side_takes_it_out_of_use() -> None:
    """Also where only most of the words are the same: it is named with the reason, and what is left is disjoint."""
    one, other = text("a", LEFT), text("b", RIGHT)
    ledger, stored = frame([row(one, "train"), row(other, "test")]), frame([one, text("b", f"{LEFT} Jetzt")])
    out = left_out(ledger, stored, wordings(stored))
    assert out[["text_id", "split"]].to_numpy().tolist() == [["b", "test"]]
    assert out["reason"][0].startswith("its edit made it share the near-duplicate wordings '")
    assert usable(ledger, stored)["text_id"].tolist() == ["a"]
    prove(usable(ledger, stored), stored)


def test_a_post_learnt_later_takes_texts_out_of_use_and_none_of_the_test_set() -> None:
    """Of a post's texts on several sides those of test stay, else of validation; an edited test text stays too."""
    words = ["Guten Morgen", "Guten Abend", "Gute Nacht", "Auf Wiedersehen", "Servus", "Moin"]
    texts = [text(name, one) for name, one in zip("abcdef", words, strict=True)]
    sides = ["train", "validation", "test", "train", "validation", "train"]
    ledger = frame([row(one, side) for one, side in zip(texts, sides, strict=True)])
    known = [
        text(name, one, post=post) for name, one, post in zip("abdef", words[:2] + words[3:], "11223", strict=True)
    ]
    stored = frame([*known, text("c", "Grüß Gott", post="1")])
    with pytest.raises(LeakFound, match="the post 'x:1'"):
        prove(ledger, stored)
    out = left_out(ledger, stored, wordings(stored))
    assert dict(zip(out["text_id"], out["reason"], strict=True)) == {
        "a": "it turned out to share the post 'x:1' with test",
        "b": "it turned out to share the post 'x:1' with test",
        "d": "it turned out to share the post 'x:2' with validation",
    }
    assert usable(ledger, stored)["text_id"].tolist() == ["c", "e", "f"]
    prove(usable(ledger, stored), stored)


def fill(store: Store, texts: list[Text], label: str = "no_call") -> None:
    store.put("texts", texts)
    store.put("labels", [decided(t.text_id, label) for t in texts])


def test_the_step_adds_once_and_says_so(settings: Settings, store: Store) -> None:
    """A second call adds nothing; a changed label moves nothing; new texts are added to what is there."""
    fill(store, [text(f"t{at}", f"Text Nummer {at}") for at in range(20)])
    first = split(settings, classifier())
    assert (first["train"], first["validation"], first["test"]) == (12, 4, 4)
    assert (first["groups"], first["added"], first["set_aside"], first["status"]) == (20, 20, 0, "new")
    ledger = store.read("splits")
    store.put("labels", [decided("t3", "call"), decided("t4", None)])
    second = split(settings, classifier())
    assert (second["added"], second["status"], second["ledger_version"]) == (
        0,
        "nothing to do",
        first["ledger_version"],
    )
    fill(store, [text("u", "Text Nummer 3")])
    assert split(settings, classifier())["added"] == 1
    grown = store.read("splits")
    before = grown[grown["text_id"] != "u"]
    assert sorted(before.to_numpy().tolist()) == sorted(ledger.to_numpy().tolist())
    group_of = dict(zip(grown["text_id"], grown["group_id"], strict=True))
    assert group_of["u"] == group_of["t3"]


def test_set_aside_texts_are_reported(settings: Settings, store: Store) -> None:
    """The step says how many, which, and between which groups."""
    fill(store, [text("l", LEFT, post="p1"), text("r", RIGHT)])
    first = split(settings, classifier())
    sides = store.read("splits").set_index("text_id")["split"]
    assert sides["l"] != sides["r"]
    fill(store, [text("bridge", RIGHT, post="p1", kind="ocr")])
    result = split(settings, classifier())
    assert (result["set_aside"], result["added"], result["groups"]) == (1, 1, first["groups"])
    assert result["reasons"][0].startswith("bridge connects group ")


def test_without_labels_it_says_what_to_run_first(settings: Settings) -> None:
    """The failure names the command."""
    with pytest.raises(NothingYet, match="aufruf label --classifier c"):
        split(settings, classifier())


def test_each_classifier_has_its_own_ledger(settings: Settings, store: Store) -> None:
    """Rows of one classifier neither fill nor bind the splits of another."""
    texts = [text(f"t{at}", f"Text Nummer {at}") for at in range(10)]
    fill(store, texts)
    split(settings, classifier())
    store.put("labels", [Label("d", t.text_id, "call", 2, 1.0, "unanimous", NOW) for t in texts])
    other = split(settings, classifier().model_copy(update={"name": "d"}))
    assert (other["added"], other["train"], other["validation"], other["test"]) == (10, 6, 2, 2)


def test_post_ids_that_come_after_the_split_do_not_stop_it(
    settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Texts that were annotated by their ids alone, then a table with their posts: the test set stays, the others of
    its posts are left out, are counted and are named, and a new text of such a post is set aside."""
    fill(store, [text(f"t{at:02}", f"Text Nummer {at}") for at in range(40)])
    first = split(settings, classifier())
    store.put("texts", [text(f"t{at:02}", f"Text Nummer {at}", post=f"p{at // 2}") for at in range(40)])
    side = store.read("splits").set_index("text_id")["split"]
    pairs = [(f"t{at:02}", f"t{at + 1:02}") for at in range(0, 40, 2)]
    torn = {one: other for one, other in pairs if side[one] != side[other]}
    fill(store, [text("new", "Ganz etwas anderes", post=f"p{int(next(iter(torn))[1:]) // 2}")])
    result = split(settings, classifier())
    assert (result["test"], result["left_out"], result["set_aside"]) == (first["test"], len(torn), 1)
    assert sum("turned out to share the post" in one for one in result["reasons"]) == min(len(torn), 19)
    assert f"{len(torn)} texts of the ledger are left out" in caplog.text
    found = labelled(settings, classifier())
    assert set(side.index[side == "test"]) <= set(found["text_id"])


def test_a_ledger_that_leaks_stops_the_step(settings: Settings, store: Store) -> None:
    """A ledger that another hand has spoilt is not built upon."""
    texts = [text("a", LEFT), text("b", LEFT)]
    fill(store, texts)
    store.add("splits", [row(texts[0], "train"), row(texts[1], "test")])
    with pytest.raises(LeakFound, match="'a'"):
        split(settings, classifier())


def test_a_writer_that_lost_the_race_writes_nothing(store: Store) -> None:
    """Rows worked out from an older version of the ledger are refused, whichever rows they are."""
    one, other, third = (row(text(name, name), "train") for name in ("a", "b", "d"))
    assert store.add_at("splits", [one], None) == 1
    version = store.version("splits")
    assert store.add_at("splits", [other], None) is None
    assert store.add_at("splits", [other], version) == store.version("splits") == version + 1
    assert store.add_at("splits", [third], version) is None
    assert sorted(store.read("splits")["text_id"]) == ["a", "b"]


def test_calls_at_the_same_time_agree_on_one_ledger(settings: Settings, store: Store) -> None:
    """Six writers, each seeing more reposts than the one before, leave every text once and no leak."""
    waves = [[text(f"t{at}-{wave}", f"Text Nummer {at} {'❤' * wave}") for at in range(8)] for wave in range(6)]

    def arrive(wave: list[Text]) -> None:
        fill(store, wave)
        split(settings, classifier())

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(arrive, waves))
    ledger, texts = store.read("splits"), store.read("texts")
    assert sorted(ledger["text_id"]) == sorted(t.text_id for wave in waves for t in wave)
    prove(ledger, texts)
    assert ledger["group_id"].nunique() == 8


def test_digest_of_the_ledger_is_that_of_the_text() -> None:
    """What is written down is the text as it was when it was assigned."""
    assert joined([], [text("a", LEFT)])["a"].digest == digest(LEFT)


def test_a_tombstone_is_counted_and_never_trained_on(settings: Settings, store: Store) -> None:
    """A text deleted from the lake keeps its row and side, is told of, and is in no training or test set."""
    fill(store, [text(f"t{at}", f"Text Nummer {at}") for at in range(20)])
    before = split(settings, classifier())
    DeltaTable(f"{settings.lake}/texts").delete("text_id in ('t3', 't4')")
    after = split(settings, classifier())
    assert [after[key] for key in ("train", "validation", "test")] == [
        before[key] for key in ("train", "validation", "test")
    ]
    assert (before["tombstones"], after["tombstones"], after["added"]) == (0, 2, 0)
    seen = labelled(settings, classifier())["text_id"]
    assert sorted(seen) == sorted(f"t{at}" for at in range(20) if at not in (3, 4))


def test_signatures_are_made_once(settings: Settings, store: Store) -> None:
    """A wording is signed when it first comes; a later split signs the new ones alone."""
    fill(store, [text(f"t{at}", f"{LEFT} Nummer {at}") for at in range(5)])
    split(settings, classifier())
    version = store.version("signatures")
    assert store.count("signatures") == 5
    fill(store, [text("again", f"{LEFT} Nummer 3!!!")])
    assert split(settings, classifier())["added"] == 1
    assert store.version("signatures") == version
    fill(store, [text("new", RIGHT)])
    split(settings, classifier())
    assert store.count("signatures") == 6
