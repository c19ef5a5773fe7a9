from aufruf.model.neighbours import nearest

KNOWN = ["Geht am Sonntag wählen!", "Danke für den Abend in der Stadthalle", "Am Sonntag ist Wahl, geht hin", "👍 🔥"]


def test_texts_with_common_words_are_found_the_most_similar_first():
    """Order and similarity follow the words shared; the same text has similarity 1, one without any is left out."""
    [[first, second]] = nearest(KNOWN, ["geht am sonntag WÄHLEN"], 3)
    assert (first[0], round(first[1], 6), second[0]) == (0, 1.0, 2)
    assert first[1] > second[1]
    assert nearest(KNOWN, ["Spendet jetzt"], 3) == [[]]


def test_no_more_than_asked_for():
    """Each query has its own list, as long as asked for at most."""
    assert [len(found) for found in nearest(KNOWN, ["Sonntag", "Abend", "Sonntag"], 1)] == [1, 1, 1]
    assert [found[0][0] for found in nearest(KNOWN, ["Stadthalle"] * 501, 1)] == [1] * 501


def test_nothing_to_compare_is_no_failure():
    """No texts, none asked, texts of emoji only: empty lists."""
    assert nearest([], ["Sonntag"], 3) == [[]]
    assert nearest(KNOWN, [], 3) == []
    assert nearest(["👍"], ["👍"], 3) == [[]]
    assert nearest(KNOWN, ["Sonntag"], 0) == [[]]
