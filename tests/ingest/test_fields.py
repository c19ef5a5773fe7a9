"""Dates and kinds as exports write them."""

from datetime import UTC, datetime

import pytest

from aufruf.data.readers import fields

AT = datetime(2024, 10, 30, 15, 42, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024-10-30 15:42:29", AT),
        ("2024-10-30T15:42:29Z", AT),
        ("2024-10-30T15:42:29.000Z", AT),
        ("2024-10-30T16:42:29+01:00", AT),
        ("1730302949", AT),
        ("1730302949.0", AT),
        ("1730302949000", AT),
        ("2024-10-30", datetime(2024, 10, 30, tzinfo=UTC)),
        ("20241030", datetime(2024, 10, 30, tzinfo=UTC)),
        (" ", None),
        (None, None),
    ],
)
def test_a_date_is_read_in_utc(written: str | None, expected: datetime | None) -> None:
    """ISO 8601, a plain date and time, and unix seconds or milliseconds are one moment in UTC."""
    assert fields.moment(written) == expected


@pytest.mark.parametrize("written", ["gestern", "30.10.2024", "99999999999999999", "nan", "1e9"])
def test_what_is_no_date_is_said_to_be_none(written: str) -> None:
    """A value that is no date is named in the sentence."""
    with pytest.raises(ValueError, match="is not a date") as error:
        fields.moment(written)
    assert written in str(error.value)


def test_kinds_are_brought_to_one_word() -> None:
    """The spellings of exports become the lake's words; no word at all is a caption of an unknown kind of post."""
    assert [fields.text_type(word) for word in ("Caption", "OCR", "Transcription", None)] == [
        "caption",
        "ocr",
        "transcript",
        "caption",
    ]
    assert [fields.post_type(word) for word in ("Post", "Story", "clips", "Photo", "")] == [
        "post",
        "story",
        "reel",
        "post",
        None,
    ]
    assert [fields.platform(word) for word in ("www.instagram.com", "Instagram", " ")] == [
        "instagram",
        "instagram",
        None,
    ]


@pytest.mark.parametrize("kind", [fields.text_type, fields.post_type])
def test_an_unknown_kind_is_named_with_the_known_ones(kind: object) -> None:
    """A kind that nobody knows is refused with the kinds there are."""
    with pytest.raises(ValueError, match="'Kommentar' is none of"):
        kind("Kommentar")  # type: ignore[operator]
