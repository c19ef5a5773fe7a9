"""Whatever arrives in whatever order: nothing leaks, nothing moves, everything decided is in the ledger once."""

from itertools import combinations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus.conftest import added, decided, frame, prove, text, usable

from aufruf.classifier import SplitShares
from aufruf.data.duplicates import similarity
from aufruf.data.identity import fold
from aufruf.data.proof import tombstones
from aufruf.data.shares import SMALL
from aufruf.data.signatures import SHORTEST
from aufruf.schemas import SPLITS, SplitRow, Text

SHARES = SplitShares()
SPOKEN = [
    "Am Sonntag ist Wahltag: bitte geht alle wählen und nehmt eure Nachbarn gleich mit!",
    "Heute Abend sprechen wir in Heidelberg über Mieten und Wohnungsbau, kommt doch vorbei.",
    "Unser Programm für gute Schulen, schnelle Züge und bezahlbare Wohnungen in jeder Stadt.",
]
DRESSED = ["{}", "{} 🗳", "{} https://example.org", "{} Jetzt", "Heute: {}", "Heute: {} Jetzt!", "{}!!!"]
WORDS = st.one_of(
    st.builds(str.format, st.sampled_from(DRESSED), st.sampled_from(SPOKEN)),
    st.sampled_from(["CSU", "csu!", "SPD", "#SPD", "🗳", "❤"]),
    st.integers(0, 40).map("Ein ganz eigener Satz mit der Nummer {0} {0} {0} {0}".format),
)
ARRIVAL = st.tuples(
    WORDS,
    st.one_of(st.none(), st.integers(0, 6).map(str)),  # post
    st.sampled_from(["x", "x", "y", ""]),  # platform; "" is unknown
    st.sampled_from(["caption", "ocr"]),
    st.sampled_from(["call", "no_call", "no_call", None]),
)
STREAM = st.lists(st.lists(ARRIVAL, min_size=1, max_size=12), min_size=1, max_size=5)


def arrived(stream: list[list[tuple]]) -> list[list[tuple[Text, str | None]]]:
    """Batches of texts with their labels; ids count through the stream."""
    numbers = iter(range(10_000))
    return [
        [
            (text(f"t{next(numbers):03}", words, post, kind, platform), label)
            for words, post, platform, kind, label in batch
        ]
        for batch in stream
    ]


def extend(ledger: list[SplitRow], texts: list[Text], labels: dict[str, str | None]) -> list[SplitRow]:
    return added(ledger, frame([decided(text_id, label) for text_id, label in labels.items()]), frame(texts))


def belong_together(one: Text, other: Text) -> bool:
    """Said once more, without any of the code under test but ``fold`` and ``similarity``."""
    reads = fold(one.text), fold(other.text)
    if reads[0] == reads[1]:
        return True
    platforms = {one.platform, other.platform} - {None}
    if one.post_id is not None and one.post_id == other.post_id and len(platforms) < 2:
        return True
    return min(map(len, reads)) >= SHORTEST and similarity(*reads) >= SHARES.near_duplicate


@settings(max_examples=10, deadline=None)
@given(STREAM, st.randoms(use_true_random=False))
def test_no_stream_makes_a_leak_or_moves_a_text(stream: list[list[tuple]], random: Random) -> None:
    """Batch after batch, with labels changing on the way, in any order of rows."""
    ledger: list[SplitRow] = []
    texts: list[Text] = []
    labels: dict[str, str | None] = {}
    for batch in arrived(stream):
        texts += [of for of, _ in batch]
        labels |= {of.text_id: label for of, label in batch}
        for text_id in random.sample(sorted(labels), len(labels) // 4):
            labels[text_id] = random.choice(["call", "no_call", None])
        new = extend(ledger, texts, labels)
        mixed = {text_id: labels[text_id] for text_id in random.sample(sorted(labels), len(labels))}
        same = extend(random.sample(ledger, len(ledger)), random.sample(texts, len(texts)), mixed)
        assert same == new
        inside = {row.text_id for row in ledger}
        assert sorted(row.text_id for row in new) == sorted(t for t in labels if labels[t] and t not in inside)
        ledger = ledger + new
        prove(frame(ledger), frame(texts)) if ledger else None
    stored = {of.text_id: of for of in texts}
    for one, other in combinations([row for row in ledger if row.split in SPLITS], 2):
        if one.split != other.split:
            assert not belong_together(stored[one.text_id], stored[other.text_id]), (one, other)
            assert one.group_id != other.group_id


@settings(max_examples=10, deadline=None)
@given(STREAM)
def test_only_a_text_that_touches_two_sides_is_set_aside(stream: list[list[tuple]]) -> None:
    """A set-aside text belongs together with texts of the ledger on at least two sides."""
    ledger: list[SplitRow] = []
    texts: dict[str, Text] = {}
    labels: dict[str, str | None] = {}
    for batch in arrived(stream):
        texts |= {of.text_id: of for of, _ in batch}
        labels |= {of.text_id: label for of, label in batch}
        ledger += extend(ledger, list(texts.values()), labels)
    for row in ledger:
        if row.split == "none":
            touched = {
                other.split
                for other in ledger
                if other.split in SPLITS and belong_together(texts[row.text_id], texts[other.text_id])
            }
            # A post of unknown platform connects through texts of both platforms, which need not belong together.
            unknown = any(
                of.post_id is not None and of.post_id == texts[row.text_id].post_id and of.platform is None
                for of in texts.values()
            )
            assert len(touched) >= 2 or unknown, row


@settings(max_examples=10, deadline=None)
@given(STREAM, st.lists(st.tuples(st.integers(0, 59), WORDS), max_size=6))
def test_edits_move_nothing_and_what_is_usable_never_leaks(
    stream: list[list[tuple]], edits: list[tuple[int, str]]
) -> None:
    """Texts rewritten after they were assigned stay where they are; what is left for use is disjoint."""
    ledger: list[SplitRow] = []
    texts: dict[str, Text] = {}
    labels: dict[str, str | None] = {}
    for batch in arrived(stream):
        texts |= {of.text_id: of for of, _ in batch}
        labels |= {of.text_id: label for of, label in batch}
        ledger += extend(ledger, list(texts.values()), labels)
        for number, words in edits:
            if (before := texts.get(f"t{number:03}")) is not None:
                texts[before.text_id] = text(
                    before.text_id, words, before.post_id, before.text_type, before.platform or ""
                )
    assert len({row.text_id for row in ledger}) == len(ledger)
    if ledger:
        stored = frame(list(texts.values()))
        kept = usable(frame(ledger), stored)
        prove(kept, stored)
        unedited = [r.text_id for r in ledger if r.split in SPLITS and texts[r.text_id].digest == r.digest]
        assert set(unedited) <= set(kept["text_id"])


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.floats(0.05, 0.95),
    st.randoms(use_true_random=False),
)
def test_shares_stay_near_what_was_asked_for(batches: list[int], positive: float, random: Random) -> None:
    """Of texts that belong with nothing, each side holds its share to within a draw's error, all and positive.

    In a stratum of up to 50 groups to within two texts; above, to within four standard deviations.
    """
    ledger: list[SplitRow] = []
    texts: list[Text] = []
    labels: dict[str, str | None] = {}
    for size in batches:
        for _ in range(size):
            at = len(texts)
            texts.append(text(f"t{at}", f"{at}", kind=random.choice(["caption", "ocr"])))
            labels[f"t{at}"] = "call" if random.random() < positive else "no_call"
        ledger += extend(ledger, texts, labels)
    for chosen in (None, "call"):
        held = [row.split for row in ledger if chosen is None or labels[row.text_id] == chosen]
        strata = 4 if chosen is None else 2
        for side in SPLITS:
            share = getattr(SHARES, side)
            drawn = 4 * (len(held) * share * (1 - share)) ** 0.5 if len(held) > SMALL else 0
            assert abs(held.count(side) - share * len(held)) <= 2 * strata + drawn


BALLAST = [(text(f"b{at}", f"Satz {at}"), ("call", "no_call")[at % 2]) for at in range(2 * SMALL + 4)]


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["{}", "{}!!", "{} 🗳", "@wer {}"])), min_size=1, max_size=40
    ),
    st.sampled_from(["call", "no_call"]),
    st.randoms(use_true_random=False),
)
def test_above_the_small_size_arrival_decides_nothing(
    reposts: list[tuple[int, str]], label: str, random: Random
) -> None:
    """Any order, any batches, and any label on the way: a wording goes where its hash says.

    The exception, by design: a text that arrives to touch groups which already have sides follows them.
    """
    begun = [of for of, _ in BALLAST]
    labels: dict[str, str | None] = {of.text_id: said for of, said in BALLAST}
    start = extend([], begun, labels)
    late = [text(f"n{at}", dress.format(f"Neu {number}")) for at, (number, dress) in enumerate(reposts)]
    at_once = extend(start, begun + late, labels | {of.text_id: "call" for of in late})
    ledger, stored, said = list(start), list(begun), dict(labels)
    waiting = random.sample(late, len(late))
    while waiting:
        size = random.randint(1, len(waiting))
        batch, waiting = waiting[:size], waiting[size:]
        stored, said = stored + batch, said | {of.text_id: label for of in batch}
        ledger += extend(ledger, stored, said)
    assert {r.text_id: r.split for r in ledger[len(start) :]} == {r.text_id: r.split for r in at_once}


@settings(max_examples=10, deadline=None)
@given(STREAM, st.sets(st.integers(0, 59), max_size=10))
def test_deleted_texts_keep_row_and_claims(stream: list[list[tuple]], gone: set[int]) -> None:
    """Rows of deleted texts stay and are counted; their exact words and their groups still bind who comes later."""
    ledger: list[SplitRow] = []
    texts: dict[str, Text] = {}
    labels: dict[str, str | None] = {}
    deleted = {f"t{number:03}" for number in gone}
    for batch in arrived(stream):
        texts |= {of.text_id: of for of, _ in batch}
        labels |= {of.text_id: label for of, label in batch}
        before, here = list(ledger), {of.text_id for of, _ in batch}
        stored = [of for of in texts.values() if of.text_id not in deleted or of.text_id in here]
        ledger += extend(ledger, stored, labels)
        assert ledger[: len(before)] == before
        sides: dict[str, set[str]] = {}
        for r in ledger:
            if r.split in SPLITS:
                sides.setdefault(r.digest, set()).add(r.split)
        assert all(len(found) == 1 for found in sides.values())
    if ledger:
        left = frame([of for of in texts.values() if of.text_id not in deleted]) if set(texts) - deleted else None
        expected = {r.text_id for r in ledger} & deleted
        if left is not None:
            assert set(tombstones(frame(ledger), left)["text_id"]) == expected
            prove(usable(frame(ledger), left), left)
