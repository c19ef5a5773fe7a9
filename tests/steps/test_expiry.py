"""What is too old to be kept, in lakes that lack a table."""

from datetime import UTC, datetime, timedelta

from aufruf.data.identity import digest, group_id
from aufruf.schemas import Text
from aufruf.steps import expiry
from aufruf.store import Store

NOW = datetime(2025, 2, 17, 5, tzinfo=UTC)


def test_texts_of_no_known_file_are_as_old_as_they_were_collected(settings):
    """With a table of files that has no rows: a text without a date stays, one that was collected long ago goes."""
    about = ("caption", None, None, None, None, None)
    times = {"a": None, "b": NOW - timedelta(days=900), "c": NOW}
    rows = [Text(one, None, one, *about, at, digest(one), group_id(one), "f") for one, at in times.items()]
    Store(settings.lake).add("texts", rows)
    found = expiry.old(settings, None, NOW - timedelta(days=365))
    assert found.texts["text_id"].tolist() == ["b"]
