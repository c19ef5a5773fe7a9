"""Long texts keep both ends, are counted, and never exceed the bound."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aufruf.errors import UsageError
from aufruf.model.tokenization import Tokenizer


@pytest.fixture(scope="session")
def cutter(tiny_bert):
    """A tokenizer of a given bound and rule; each is opened once."""
    made = {}

    def cut(max_tokens: int, truncation: str = "head_tail") -> Tokenizer:
        key = (max_tokens, truncation)
        if key not in made:
            made[key] = Tokenizer(tiny_bert, max_tokens, truncation)
        return made[key]

    return cut


@pytest.fixture(scope="session")
def whole(cutter):
    """Ids of one text, uncut."""
    tokenizer = cutter(100_000)
    return lambda text: tokenizer([text]).ids[0]


WORDS = st.lists(
    st.sampled_from(["geht", "am", "sonntag", "wählen", "partei", "ü", "🗳️", "#wahl2025", "x1", "!"]), max_size=60
).map(" ".join)


@settings(max_examples=80, deadline=None)
@given(text=WORDS, max_tokens=st.integers(8, 40), rule=st.sampled_from(["head", "head_tail"]))
def test_the_bound_holds_and_short_texts_are_untouched(cutter, whole, text, max_tokens, rule):
    """No text is longer than the bound; one within it is exactly as the tokenizer gave it; cut ones are counted."""
    uncut, found = whole(text), cutter(max_tokens, rule)([text])
    [ids] = found.ids
    assert len(ids) == min(len(uncut), max_tokens)
    assert found.truncated == (len(uncut) > max_tokens)
    assert ids == uncut or len(uncut) > max_tokens


@settings(max_examples=60, deadline=None)
@given(text=WORDS.map(lambda text: f"{'sonntag ' * 31}{text}"), max_tokens=st.integers(8, 30))
def test_head_tail_keeps_both_ends(cutter, whole, text, max_tokens):
    """A cut text begins and ends with the special tokens, then a quarter from the head and the rest from the tail."""
    uncut, [ids] = whole(text), cutter(max_tokens)([text]).ids
    head = int((max_tokens - 2) * 0.25)
    tail = max_tokens - 2 - head
    assert ids == [uncut[0], *uncut[1 : 1 + head], *uncut[-1 - tail : -1], uncut[-1]]


def test_head_keeps_the_beginning(cutter, whole):
    """In mode head the tail is dropped, but the closing special token stays."""
    text = "geht am sonntag wählen " * 10
    uncut, [ids] = whole(text), cutter(10, "head")([text]).ids
    assert ids == [*uncut[:9], uncut[-1]]


def test_nothing_gives_nothing(cutter):
    """No texts, no ids; an empty text has its special tokens only."""
    assert cutter(8)([]).ids == []
    assert len(cutter(8)([""]).ids[0]) == 2


def test_the_stand_in_is_cut_by_the_same_rule(stand_in_folder):
    """A tokenizer of another family keeps its own special tokens at both ends."""
    found = Tokenizer(stand_in_folder, 12, "head_tail")(["Das war ein langer Tag. " * 10 + "Geht jetzt wählen!"])
    assert (len(found.ids[0]), found.ids[0][0], found.ids[0][-1], found.truncated) == (12, 0, 2, 1)


def test_a_tokenizer_without_special_tokens_is_refused(tiny_bert, tmp_path):
    """It is no encoder's for classification, and is named; one that puts a token in front only keeps it."""
    folder = shutil.copytree(tiny_bert, tmp_path / "bare")
    file = folder / "tokenizer.json"
    rules = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(rules | {"post_processor": None}), "utf-8")
    with pytest.raises(UsageError, match=r"bare: its tokenizer puts no special tokens around a text"):
        Tokenizer(folder, 8, "head")
    rules["post_processor"]["single"].pop()
    file.write_text(json.dumps(rules), "utf-8")
    [ids] = Tokenizer(folder, 4, "head_tail")(["geht am sonntag wählen"]).ids
    assert (len(ids), ids[0]) == (4, 2)


def test_a_tokenizer_without_its_vocabulary_is_refused(tiny_bert, tmp_path):
    """transformers makes one of special tokens alone where the files are missing: each word would be unknown."""
    folder = shutil.copytree(tiny_bert, tmp_path / "mute", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(UsageError, match=r"mute: its tokenizer knows no word.*tokenizer\.json"):
        Tokenizer(folder, 8, "head")


def test_ids_are_those_of_the_tokenizer_whatever_it_was_asked_before(cutter):
    """Many at once have the ids that the tokenizer itself gives one by one, also when it was told to cut and pad."""
    texts = ["geht am sonntag wählen", "", "🗳️ #wahl2025 @partei", "ü" * 50]
    tokenizer = cutter(100_000)
    alone = [tokenizer.inner(text)["input_ids"] for text in texts]
    tokenizer.inner(texts, padding=True, truncation=True, max_length=8)
    assert tokenizer(texts).ids == alone


def test_few_texts_are_in_memory_uncut(cutter, monkeypatch):
    """However many texts there are, and however long: what is cut off goes before the next are put into tokens."""
    tokens, at_once = cutter(12, "head_tail"), []
    texts = [f"Text {n} " + "und noch viele Wörter " * (n % 5) for n in range(3000)]
    once = tokens._whole(texts)
    whole = tokens._whole
    monkeypatch.setattr(tokens, "_whole", lambda some: at_once.append(len(some)) or whole(some))
    found = tokens(texts)
    assert (sum(at_once), max(at_once)) == (3000, 1024)
    assert found.ids == [tokens._cut(ids) for ids in once]
    assert found.truncated == sum(len(ids) > 12 for ids in once)
