"""Dates and kinds as exports write them."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from aufruf.data.readers import fields, instaloader, votes, zeeschuimer
from aufruf.data.readers.item import RowRefused

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
        ("30.10.2024 15:42:29", AT),
        ("30.10.2024, 15:42", AT.replace(second=0)),
        ("1.2.2024", datetime(2024, 2, 1, tzinfo=UTC)),
        (" ", None),
        (None, None),
    ],
)
def test_a_date_is_read_in_utc(written: str | None, expected: datetime | None) -> None:
    """ISO 8601, a plain date and time (day first where dots are), and unix (milli)seconds are one moment in UTC."""
    assert fields.moment(written) == expected


@pytest.mark.parametrize(
    "written", ["gestern", "10.30.2024", "30.10.24", "10/30/2024", "99999999999999999", "nan", "1e9"]
)
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


POST = "Geht am Sonntag alle wählen"


@pytest.mark.parametrize(
    "read",
    [
        fields.moment,
        fields.text_type,
        fields.post_type,
        lambda text: zeeschuimer._values({"source_platform": text}),
        lambda text: instaloader._values({"instaloader": {"node_type": text}}),
        lambda text: votes.task_values({f"{text} - am 23. Februar!": "x"}),
    ],
)
def test_a_post_in_the_wrong_column_is_not_repeated(read: Callable[[str], object]) -> None:
    """Reasons are logged and sent: of what may be a sentence they have the length, however short it is."""
    for text in (POST, "Kommt zahlreich!", "#btw2025 📢", "@anna"):
        with pytest.raises((ValueError, RowRefused)) as refusal:
            read(text)
        assert text not in str(refusal.value)


@pytest.mark.parametrize("value", ["Album", "30. Oktober 2024", "2024-13-40", "?", "not sure (yet)", "2/3"])
def test_what_is_a_value_is_said(value: str) -> None:
    """Three words at most, or figures: whoever mends a file reads what to mend."""
    assert fields.shown(value) == repr(value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2023-10-09 20:10:19 CEST", "2023-10-09 20:10:19+02:00"),
        ("2023-01-09 20:10 EST", "2023-01-09 20:10-05:00"),
        ("2023-01-09 20:10:19 utc", "2023-01-09 20:10:19+00:00"),
        ("2023-01-09T20:10:19 +0530", "2023-01-09T20:10:19+0530"),
        ("2023-01-09 20:10:19", "2023-01-09 20:10:19"),
        ("gestern", "gestern"),
        (None, None),
    ],
)
def test_a_zone_becomes_an_offset(written: str | None, expected: str | None) -> None:
    """The abbreviation that CrowdTangle writes behind a time is read; anything else stays for ``moment`` to judge."""
    assert fields.zoned(written) == expected
    if expected and expected != "gestern":
        assert fields.moment(expected) is not None


def test_an_unknown_zone_is_named() -> None:
    """A time whose zone nobody knows is no time."""
    with pytest.raises(ValueError, match="the time zone 'XYZ' is not known"):
        fields.zoned("2023-10-09 20:10:19 XYZ")


@pytest.mark.parametrize(
    ("url", "code", "kind"),
    [
        ("https://www.instagram.com/p/CyMAe_tufcR/", "CyMAe_tufcR", "post"),
        ("https://instagram.com/fw_bayern/p/C-M-Ae?img_index=1", "C-M-Ae", "post"),
        ("https://www.instagram.com/reel/CyN/", "CyN", "reel"),
        ("https://www.instagram.com/reels/CyN", "CyN", "reel"),
        ("https://www.instagram.com/tv/CyT/", "CyT", "post"),
        ("https://www.instagram.com/stories/bild/3498187238895924847/", None, "story"),
        ("https://www.instagram.com/p/", None, "post"),
        ("javascript:alert(1)", None, "post"),
        (None, None, "post"),
    ],
)
def test_an_address_names_the_post_and_its_kind(url: str | None, code: str | None, kind: str) -> None:
    """The shortcode stands behind p, reel, reels or tv; a story has none."""
    assert (fields.shortcode(url), fields.kind_in_url(url)) == (code, kind)


@pytest.mark.parametrize("url", ["https://www.tiktok.com/@x/video/1", "http://[::1", "www.instagram.com", "", None])
def test_the_host_of_an_address_is_found_or_there_is_none(url: str | None) -> None:
    """What is no address has no host, and raises nothing."""
    assert fields.host(url) == ("www.tiktok.com" if url and "tiktok" in url else None)
