"""The sample campaign: the same bytes each time, texts as varied and unruly as real ones."""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import pytest

from aufruf.sample import write_sample


def majority(votes: dict[str, list[str]]) -> dict[str, bool]:
    """The label of each text that more annotators chose than the other one."""
    counts = {text_id: Counter(cast) for text_id, cast in votes.items()}
    return {key: count["True"] > count["False"] for key, count in counts.items() if count["True"] != count["False"]}


def shingles(text: str) -> set[str]:
    """The text's overlapping pieces of five characters."""
    folded = " ".join(text.lower().split())
    return {folded[start : start + 5] for start in range(max(1, len(folded) - 4))}


def digests(directory: Path) -> dict[str, str]:
    """The digest of every file in a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def test_the_same_seed_gives_the_same_bytes(campaign: Path, tmp_path: Path) -> None:
    """Two calls with one seed write identical files."""
    write_sample(tmp_path / "again")
    assert digests(tmp_path / "again") == digests(campaign)


def test_another_seed_gives_another_campaign(campaign: Path, tmp_path: Path) -> None:
    """Every file but the table of authors depends on the seed."""
    write_sample(tmp_path, seed=1)
    ours, theirs = digests(campaign), digests(tmp_path)
    assert {name for name in ours if ours[name] == theirs[name]} == {"authors.csv"}


def test_it_returns_the_paths_that_it_wrote(tmp_path: Path) -> None:
    """The returned paths are exactly the files in the folder, which is made if missing."""
    paths = write_sample(tmp_path / "new" / "folder")
    assert sorted(paths) == sorted((tmp_path / "new" / "folder").iterdir())
    assert len(paths) == 6


def test_files_are_utf8_with_line_feeds(campaign: Path) -> None:
    """No file holds a carriage return or a byte order mark, and each ends with a line feed."""
    for path in campaign.iterdir():
        content = path.read_bytes()
        assert b"\r" not in content
        assert not content.startswith(b"\xef\xbb\xbf")
        assert content.decode("utf-8").endswith("\n")


def test_about_700_texts_of_which_a_quarter_are_calls(texts: dict[str, str], votes: dict[str, list[str]]) -> None:
    """650 to 750 texts, and 23 to 33 % of the decided ones are calls."""
    labels = majority(votes)
    assert 650 <= len(texts) <= 750
    assert 0.23 < sum(labels.values()) / len(labels) < 0.33


def test_calls_stand_in_captions_more_than_in_stories(votes: dict[str, list[str]]) -> None:
    """Nearly half of the captions call, of the pictures in stories one in ten to one in five."""
    by_type = defaultdict(list)
    for text_id, call in majority(votes).items():
        post_id, _, kind = text_id.rpartition("-")
        by_type[kind, len(post_id)].append(call)
    captions, stories = by_type["Caption", 11], by_type["OCR", 19]
    assert 0.4 < sum(captions) / len(captions) < 0.58
    assert 0.08 < sum(stories) / len(stories) < 0.2


def test_annotators_agree_mostly_but_not_always(votes: dict[str, list[str]]) -> None:
    """Three equal votes on 75 to 95 % of the texts with three votes; some texts tie; some are all Unsure."""
    full = [cast for cast in votes.values() if len(cast) == 3]
    counts = [Counter(cast) for cast in votes.values()]
    assert 0.75 < sum(len(set(cast)) == 1 for cast in full) / len(full) < 0.95
    assert sum(count["True"] == count["False"] > 0 for count in counts) >= 3
    assert sum(count["Unsure"] == 3 for count in counts) >= 2


def test_one_post_has_several_texts(texts: dict[str, str]) -> None:
    """Between a tenth and a half of the posts have more than one text."""
    per_post = Counter(text_id.rpartition("-")[0] for text_id in texts)
    several = sum(count > 1 for count in per_post.values())
    assert 0.1 < several / len(per_post) < 0.5


@pytest.mark.parametrize(
    ("what", "pattern", "at_least"),
    [
        ("joined emoji", "\u200d", 5),
        ("skin tones", "[\U0001f3fb-\U0001f3ff]", 5),
        ("flags", "[\U0001f1e6-\U0001f1ff]{2}", 1),
        ("hashtags", r"#\w+", 100),
        ("mentions", r"@\w+", 10),
        ("links", r"https?://", 5),
        ("line breaks", "\n", 100),
        ("ampersands", "&", 3),
        ("angle brackets", "[<>]", 3),
        ("quotation marks", '["„]', 5),
        ("percent signs", "%", 10),
        ("capitals only", r"\A[^a-zäöüß]{20,}\Z", 10),
    ],
)
def test_texts_are_as_unruly_as_real_ones(texts: dict[str, str], what: str, pattern: str, at_least: int) -> None:
    """Enough texts hold what breaks tokenizers, highlighters and HTML."""
    assert sum(bool(re.search(pattern, text)) for text in texts.values()) >= at_least, what


def test_some_umlauts_are_decomposed(texts: dict[str, str]) -> None:
    """Some texts change under Unicode NFC, most do not."""
    changed = sum(unicodedata.normalize("NFC", text) != text for text in texts.values())
    assert 5 <= changed < 0.1 * len(texts)


def test_lengths_run_from_one_word_to_hundreds(texts: dict[str, str], votes: dict[str, list[str]]) -> None:
    """Some texts are one word; some have 200 to 400 words, and at least ten of those are calls."""
    lengths = {text_id: len(text.split()) for text_id, text in texts.items()}
    labels = majority(votes)
    long = [text_id for text_id, length in lengths.items() if length >= 200]
    assert sum(length == 1 for length in lengths.values()) >= 5
    assert max(lengths.values()) <= 400
    assert sum(labels.get(text_id, False) for text_id in long) >= 10
    assert any(labels.get(text_id) is False for text_id in long)


def test_texts_are_varied(texts: dict[str, str]) -> None:
    """A tenth or so of the texts nearly repeat another post's (Jaccard of 5-character pieces above .8)."""
    pieces = {text_id: shingles(text) for text_id, text in texts.items()}
    near: set[str] = set()
    for (one, ours), (other, theirs) in combinations(pieces.items(), 2):
        common = len(ours & theirs)
        if common > 0.8 * (len(ours) + len(theirs) - common) and one.rpartition("-")[0] != other.rpartition("-")[0]:
            near |= {one, other}
    assert 0.03 < len(near) / len(texts) < 0.15
    assert len(texts) - 30 < len(set(texts.values())) < len(texts)


def test_no_real_party_is_named(campaign: Path) -> None:
    """No file names a real German party."""
    real = re.compile(r"\b(?:CDU|CSU|SPD|FDP|AfD|BSW|Bündnis 90|Die Linke|Die Grünen|Volt|Freie Wähler)\b", re.I)
    for path in campaign.iterdir():
        assert not real.search(path.read_text("utf-8")), path.name
