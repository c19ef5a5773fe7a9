"""The filter of ``aufruf explain --where``."""

import pandas as pd
import pytest

from aufruf.errors import UsageError
from aufruf.steps.where import select

FRAME = pd.DataFrame(
    {
        "text_id": ["a", "b", "c", "d"],
        "party": ["SPD", "GRÜNE", None, "Partei, die"],
        "author": ["ada", "ben", "ada", None],
        "label": ["call", "no_call", "call", "call"],
        "probability": [0.95, 0.1, 0.6, float("nan")],
        "confident": [True, True, False, False],
        "posted_at": pd.to_datetime(["2025-02-16T10:00Z", "2025-02-17T10:00Z", None, "2025-02-18T10:00Z"]),
    }
)


@pytest.mark.parametrize(
    ("written", "ids"),
    [
        ("party=SPD", "a"),
        ("party=spd,label=call", "a"),
        (" party = grüne ", "b"),
        ("label=call, party!=SPD", "cd"),
        ("party=", "c"),
        ('"party=Partei, die"', "d"),
        ("probability>=0.6", "ac"),
        ("probability<0.6", "b"),
        ("posted_at>=2025-02-17", "bd"),
        ("posted_at<2025-02-17T12:00", "ab"),
        ("confident=false", "cd"),
        ("", "abcd"),
        ("author=' or 1=1 --", ""),
        ('"author=ada\n"', "ac"),
    ],
)
def test_conditions_select(written, ids):
    """All conditions hold at once; words are compared without case; a missing value is no number and no time."""
    assert "".join(select(FRAME, written)["text_id"]) == ids


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("partei=SPD", "no column 'partei'. Did you mean 'party'?"),
        ("text=wählen", "no column 'text'"),
        ("__class__=x", "no column '__class__'"),
        ("party", "'party', which is no condition"),
        ("party>SPD", "cannot order party"),
        ("probability>high", "'high' is no number for probability"),
        ("posted_at>=gestern abend", "is no time for posted_at"),
        ("posted_at=", "is no time for posted_at"),
        ("label=call;drop table", ""),
        ("party=SPD\nlabel=call", "has a line break outside quotes"),
    ],
)
def test_what_cannot_be_read_is_wrong_usage(written, told):
    """Unknown columns, signs and values are named, with what was meant; a value is never more than a value."""
    if not told:
        assert len(select(FRAME, written)) == 0
        return
    with pytest.raises(UsageError) as refused:
        select(FRAME, written)
    assert told in str(refused.value)
