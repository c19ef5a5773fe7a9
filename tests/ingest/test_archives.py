"""Packed files, and many files at once, through the whole step."""

import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from aufruf.classifier import Classifier
from aufruf.settings import Settings
from aufruf.steps import arrivals
from aufruf.steps.ingest import ingest
from aufruf.store import Store


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def instaloader(code: str, text: str) -> bytes:
    node = {
        "__typename": "GraphImage",
        "shortcode": code,
        "taken_at_timestamp": 1730302949,
        "owner": {"username": "katha"},
        "edge_media_to_caption": {"edges": [{"node": {"text": text}}] if text else []},
    }
    return json.dumps({"node": node, "instaloader": {"version": "4.14", "node_type": "Post"}}).encode()


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, lambda raw: zipped({"posts.ndjson": raw})])
def test_a_file_is_the_same_packed_or_not(
    settings: Settings,
    store: Store,
    classifier: Classifier,
    zeeschuimer: Callable[..., str],
    written: Callable[..., Path],
    pack: Callable[[bytes], bytes],
) -> None:
    """Compressed, archived, under another name: the content decides, and the second delivery is unchanged."""
    raw = (zeeschuimer("C1", "eins") + zeeschuimer("C2", "zwei")).encode()
    first = ingest(settings, [classifier], [written("packed", pack(raw))])
    assert [(one["format"], one["status"], one["kept"]) for one in first["files"]] == [("zeeschuimer", "new", 2)]
    again = ingest(settings, [classifier], [written("plain.ndjson", raw), written("again.bin", pack(raw))])
    assert [one["status"] for one in again["files"]] == ["unchanged", "unchanged"]
    assert (store.count("texts"), store.count("files")) == (2, 1)
    assert [path.read_bytes() for path in settings.raw.iterdir()] == [raw]


def test_the_members_of_an_archive_are_files_of_their_own(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """A downloaded profile, zipped: posts are taken, pictures counted, a strange table refused."""
    members = {
        "katha/1.json.xz": lzma.compress(instaloader("C1", "Geht wählen!")),
        "katha/2.json": instaloader("C2", ""),
        "katha/2.jpg": b"\xff\xd8\xff\xe0 a picture",
        "katha/notes.csv": b"x,y\n1,2\n",
    }
    path = written("katha.zip", zipped(members))
    result = ingest(settings, [classifier], [path])
    told = {one["file"].removeprefix(str(path)): one for one in result["files"]}
    assert {name: (one["status"], one["kept"]) for name, one in told.items()} == {
        "/katha/1.json": ("new", 1),
        "/katha/2.json": ("new", 0),
        "/katha/notes.csv": ("refused", 0),
    }
    assert told["/katha/notes.csv"]["ignored"] == 1
    assert store.read("texts")["text_id"].tolist() == ["instagram:C1:caption"]
    more = members | {"katha/3.json": instaloader("C3", "Neu")}
    statuses = [one["status"] for one in ingest(settings, [classifier], [written("b.zip", zipped(more))])["files"]]
    assert sorted(statuses) == ["new", "refused", "unchanged", "unchanged"]
    assert store.count("texts") == 2


def test_a_refused_member_keeps_the_archive_out_of_the_inbox(
    settings: Settings, store: Store, classifier: Classifier, dropped: Callable[..., Path]
) -> None:
    """The archive lies beside the reason, which names the member; what was good in it is stored."""
    path = dropped("posts", "a.zip", zipped({"1.json": instaloader("C1", "Eins"), "x.csv": b"x,y\n1,2\n"}))
    ingest(settings, [classifier])
    assert not path.exists()
    reason = (settings.home / "inbox" / "refused" / "a.zip.reason.txt").read_text()
    assert "a.zip/x.csv: no known format" in reason
    assert store.count("texts") == 1


def test_an_archive_of_pictures_is_refused(
    settings: Settings, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """Where nothing can be read, that is said of the archive."""
    path = written("a.zip", zipped({"1.jpg": b"\xff\xd8\xff\xe0 a picture"}))
    (entry,) = ingest(settings, [classifier], [path])["files"]
    assert entry["status"] == "refused"
    assert entry["reasons"] == ["the archive holds nothing to read: 1 files in it are no tables"]


@pytest.mark.parametrize("size", [1, 2, 500])
def test_groups_of_any_size_end_in_the_same_lake(
    settings: Settings,
    store: Store,
    classifier: Classifier,
    zeeschuimer: Callable[..., str],
    dropped: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    size: int,
) -> None:
    """However many files are worked on together: each is told of alone, and the last caption of a post stays."""
    monkeypatch.setattr(arrivals, "_FILES", size)
    for n in range(3):
        dropped(
            "posts", f"{n}.ndjson", zeeschuimer("C1", f"Fassung {n}", 1731425774000 + n) + zeeschuimer(f"D{n}", "x")
        )
    dropped("posts", "3.ndjson", zeeschuimer("C1", "Fassung 0", 1731425774000) + zeeschuimer("D0", "x"))
    entries = ingest(settings, [classifier])["files"]
    assert [(one["status"], one["kept"], one["posts"]) for one in entries] == [("new", 2, 2)] * 3 + [
        ("unchanged", 2, 0)
    ]
    assert store.read("texts", {"post_id": "C1"})["text"].tolist() == ["Fassung 2"]
    assert (store.count("texts"), store.count("files")) == (4, 3)
    assert list(settings.inbox_posts.iterdir()) == []
