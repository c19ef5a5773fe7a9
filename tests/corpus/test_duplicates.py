"""What counts as a near-duplicate, and that banding finds what a comparison of all pairs finds."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from aufruf.data.duplicates import Alike, components, similarity
from aufruf.data.identity import fold
from aufruf.data.signatures import SHORTEST, banding, shingles

LONG = "am sonntag ist wahltag also geht bitte alle wählen und nehmt eure nachbarn gleich mit"


def near_groups(texts: list[str], threshold: float) -> list[int]:
    """The number of the group of each text; equal texts are one wording."""
    numbers = Alike.of({words: words for words in texts}, threshold).groups(distinct := sorted(set(texts)))
    of = dict(zip(distinct, numbers.tolist(), strict=True))
    return [of[words] for words in texts]


def grouped(texts: list[str], threshold: float = 0.8) -> list[list[str]]:
    """The groups, each sorted, in order."""
    groups: dict[int, list[str]] = {}
    for words, number in zip(texts, near_groups(texts, threshold), strict=True):
        groups.setdefault(number, []).append(words)
    return sorted(sorted(group) for group in groups.values())


def test_similarity_is_the_share_of_common_five_grams() -> None:
    """abcdefg and abcdefh share two of four 5-grams."""
    assert similarity("abcdefg", "abcdefh") == 0.5
    assert shingles("abc") == {"abc"}


def test_a_text_with_a_word_added_is_a_near_duplicate() -> None:
    """A small edit of a long text keeps it in its group; another text stays out."""
    other = "heute abend um acht sprechen wir in heidelberg über mieten und wohnungsbau kommt vorbei"
    assert grouped([LONG, f"{LONG} jetzt", other]) == [sorted([LONG, f"{LONG} jetzt"]), [other]]


def test_short_texts_only_merge_when_equal() -> None:
    """Slogans of a few letters say different things however alike they look."""
    texts = ["csu", "cdu", "spd", "csu", "afd", "x" * (SHORTEST - 1), "x" * (SHORTEST - 2), ""]
    assert grouped(texts) == sorted([["csu", "csu"], ["cdu"], ["spd"], ["afd"], [texts[5]], [texts[6]], [""]])


def test_a_chain_of_near_duplicates_is_one_group() -> None:
    """The ends of a chain are in one group though they are no near-duplicates of each other."""
    links = [
        LONG,
        f"{LONG} heute noch",
        f"{LONG} heute noch ganz schnell",
        f"{LONG} heute noch ganz schnell hin",
    ]
    assert similarity(links[0], links[-1]) < 0.8
    assert all(similarity(one, other) >= 0.8 for one, other in pairwise(links))
    assert len(set(near_groups(links, 0.8))) == 1


def test_five_thousand_near_identical_posts_are_one_group() -> None:
    """A campaign's serial post does not make the number of comparisons explode."""
    assert len(set(near_groups([f"{LONG} {number}" for number in range(5000)], 0.8))) == 1


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_banding_misses_at_most_one_pair_in_ten_thousand(threshold: float) -> None:
    """The probability that a pair just at the threshold shares no band is within the bound, in 128 hashes."""
    bands, rows = banding(threshold)
    assert bands * rows <= 128
    assert (1 - threshold**rows) ** bands <= 1e-4


def test_texts_that_share_a_key_are_connected() -> None:
    """Connection passes through any number of shared keys."""
    first, second = np.array([0, 0, 1, -1, -1, -1]), np.array([-1, 0, -1, 0, -1, -1])
    label = components(6, [first, second])
    assert label[0] == label[1] == label[3]
    assert len({label[0], label[2], label[4], label[5]}) == 4
    joined = components(6, [first, second], [(4, 5)])
    assert joined[4] == joined[5] != joined[0]
    assert components(0, []).tolist() == []


@given(
    st.lists(st.sampled_from([LONG, LONG[5:], LONG[:-9], f"{LONG} x", "csu", "cdu"]), max_size=12),
    st.randoms(),
)
def test_groups_do_not_depend_on_order(texts: list[str], random: Random) -> None:
    """Any order of the same texts gives the same groups."""
    shuffled = random.sample(texts, len(texts))
    assert grouped(texts) == grouped(shuffled)


def all_pairs(texts: list[str], threshold: float) -> set[tuple[str, str]]:
    """Every pair at the threshold, by comparing all with all (a product of two sparse matrices)."""
    column: dict[str, int] = {}
    cells = [(row, column.setdefault(gram, len(column))) for row, t in enumerate(texts) for gram in shingles(t)]
    rows, columns = np.array(cells).T
    grams = scipy.sparse.csr_matrix((np.ones(len(cells)), (rows, columns)), (len(texts), len(column)))
    sizes = np.asarray(grams.sum(axis=1)).ravel()
    found = set()
    for start in range(0, len(texts), 500):
        common = (grams[start : start + 500] @ grams.T).tocoo()
        one, other = common.row + start, common.col
        near = (one < other) & (common.data / (sizes[one] + sizes[other] - common.data) >= threshold)
        found |= {(texts[i], texts[j]) for i, j in zip(one[near], other[near], strict=True)}
    return found


@pytest.mark.parametrize("threshold", [0.8, 0.5])
def test_banding_finds_every_pair_of_a_real_corpus(germeval: list[dict[str, str]], threshold: float) -> None:
    """On GermEval's posts it finds exactly the pairs that the comparison of all with all finds."""
    texts = sorted({words for row in germeval if len(words := fold(row["description"])) >= SHORTEST})
    expected = all_pairs(texts, threshold)
    near = Alike.of({words: words for words in texts}, threshold)
    assert set(near.pairs(texts)) == expected
    numbers = dict(zip(texts, near.groups(texts), strict=True))
    assert all(numbers[one] == numbers[other] for one, other in expected)
    assert expected
    sides = {words: 1 << at % 3 for at, words in enumerate(texts)}
    assert set(near.across(sides)) == {(a, b) for a, b in expected if sides[a] != sides[b]}
    new, known = texts[::2], texts[1::2]
    met = near.touching(new, known, np.arange(len(known)))
    between = {(a, b) for pair in expected for a, b in (pair, pair[::-1])}
    assert set(met) == {(a, b) for a, b in between if a in set(new) and b in set(known)}
