"""Packed files, honest ones and others: what is read of them, and why the rest is not."""

import bz2
import gzip
import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aufruf.data import readers, unpack
from aufruf.errors import DataRefused

TABLE = b"Text,Majority Decision\nGeht w\xc3\xa4hlen!,True\n"
BOMB = "it unpacks to more than 200 times its size: a bomb, or no export. Unpack it yourself."
NESTED = "it is an archive inside an archive, and only one is unpacked. Unpack the outer one."
DAMAGED = "the member is damaged or cut off. Pack it again."


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return packed


STREAMS = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress, "zstd": zstd}


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[..., list[Any]]:
    """For each member its name and what it holds, or why it is not read; nothing else may lie in the folder then."""

    def unpack_all(content: bytes, name: str = "a") -> list[Any]:
        path, folder = tmp_path / "packed", tmp_path / "folder"
        path.write_bytes(content)
        folder.mkdir(exist_ok=True)
        told = []
        for member in unpack.members(path, name, folder, "d"):
            told.append((member.name, member.refusal or member.path.read_bytes()))
            if not member.refusal and member.path != path:
                assert member.path.parent == folder
                member.path.unlink()
        assert list(folder.iterdir()) == []
        return told

    return unpack_all


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_is_told_by_its_bytes(unpacked: Any, kind: str) -> None:
    """gzip, xz, bzip2 and zstd are unpacked whatever the file is called; a suffix of theirs is dropped."""
    assert unpacked(STREAMS[kind](TABLE), "wahl.csv.gz") == [("wahl.csv", TABLE)]
    assert unpacked(STREAMS[kind](TABLE), "wahl") == [("wahl", TABLE)]


def test_what_is_not_packed_is_handed_on(unpacked: Any) -> None:
    """A plain file is its own and only member, with the digest that the caller knows."""
    assert unpacked(TABLE, "../wahl.csv.gz") == [("wahl.csv.gz", TABLE)]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_streams_one_after_the_other_are_one_file(unpacked: Any, pack: Callable[[bytes], bytes]) -> None:
    """Parallel packers write several streams in a row; xz may pad between them."""
    pad = b"\0" * 8 if pack is lzma.compress else b""
    assert unpacked(pack(TABLE) + pad + pack(b"more") + pad) == [("a", TABLE + b"more")]


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_that_is_cut_off_is_refused(unpacked: Any, kind: str) -> None:
    """Half a stream, and one with a byte changed in the middle, give nothing."""
    content = STREAMS[kind](bytes(range(256)) * 400)
    broken = bytearray(content)
    broken[len(broken) // 2] ^= 0xFF
    refusal = f"the {kind} stream is damaged or cut off. Pack it again."
    assert unpacked(content[: len(content) // 2]) == [("a", refusal)]
    if kind != "zstd":  # a stream without a checksum cannot tell
        assert unpacked(bytes(broken)) == [("a", refusal)]


@pytest.mark.parametrize("kind", [*STREAMS, "zip", "xz in zip"])
def test_a_bomb_ends_early(unpacked: Any, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """What unpacks to more than 200 times its size is given up while it is unpacked; nothing of it stays."""
    monkeypatch.setattr(unpack, "_UNSUSPECTED", 4 << 20)
    zeros = bytes(40 << 20)
    if kind == "xz in zip":
        content = zipped(("b.xz", lzma.compress(zeros, preset=0)), ("after.csv", TABLE))
    else:
        content = zipped(("b", zeros), ("after.csv", TABLE)) if kind == "zip" else STREAMS[kind](zeros)
    name = "a/b" if "zip" in kind.split() else "a"
    assert unpacked(content) == [(name, BOMB)]


def test_small_files_may_be_packed_as_tightly_as_they_like(unpacked: Any) -> None:
    """Up to 64 MiB nothing is suspected: a short table of one word a thousand times is no bomb."""
    table = b"text\n" + b"ja\n" * 1_000_000
    assert unpacked(gzip.compress(table)) == [("a", table)]


def test_many_small_bombs_are_one(unpacked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of all members count together."""
    monkeypatch.setattr(unpack, "_UNSUSPECTED", 4 << 20)
    found = unpacked(zipped(*((f"{n}.csv", b"text\n" + bytes(3 << 20)) for n in range(5))))
    assert [refusal for _, refusal in found if isinstance(refusal, str)] == [BOMB]
    assert len(found) == 2


@pytest.mark.parametrize(
    ("inside", "shown"),
    [
        ("../../etc/passwd", "a/etc/passwd"),
        ("/etc/passwd", "a/etc/passwd"),
        ("C:\\Users\\x.csv", "a/Users/x.csv"),
        ("..\\..\\x.csv", "a/x.csv"),
        ("..", "a/unnamed"),
        ("a\u202evsc.x\n", "a/a\ufffdvsc.x\ufffd"),
        ("x" * 300 + ".csv", f"a/{('x' * 300 + '.csv')[-200:]}"),
        ("wahl.csv.xz", "a/wahl.csv"),
    ],
)
def test_the_name_of_a_member_is_never_a_path(unpacked: Any, tmp_path: Path, inside: str, shown: str) -> None:
    """Members are written under names of our own; what is shown of theirs leads nowhere and prints."""
    before = {path for path in tmp_path.parent.rglob("*") if path.name in ("passwd", "x.csv")}
    assert unpacked(zipped((inside, TABLE))) == [(shown, TABLE)]
    assert {path for path in tmp_path.parent.rglob("*") if path.name in ("passwd", "x.csv")} == before


def test_members_that_cannot_be_meant_are_refused_alone(unpacked: Any) -> None:
    """A link, an archive, a workbook: each with its reason, and the table beside them is read."""
    link = zipfile.ZipInfo("link.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    workbook = zipped(("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>"))
    assert unpacked(
        zipped(
            (link, b"/etc/passwd"),
            ("inner.zip", zipped(("x.csv", TABLE))),
            ("inner.zip.gz", gzip.compress(zipped(("x.csv", TABLE)))),
            ("sheet.xlsx", workbook),
            ("good.csv", TABLE),
        )
    ) == [
        ("a/link.csv", "it is a symbolic link, and links are not followed. Pack the file itself."),
        ("a/inner.zip", NESTED),
        ("a/inner.zip", NESTED),
        ("a/sheet.xlsx", "this is a ZIP archive or a workbook. Unpack it, or save the sheet as CSV (UTF-8)."),
        ("a/good.csv", TABLE),
    ]


@pytest.mark.parametrize("about", ["[Content_Types].xml", "META-INF/manifest.xml"])
def test_a_workbook_is_no_archive_of_tables(unpacked: Any, about: str) -> None:
    """An .xlsx, or LibreOffice's .ods, is a ZIP file to the eye; it is refused with the way out."""
    workbook = zipped(("content.xml", TABLE), (about, b"<Types/>"))
    ((_, refusal),) = unpacked(workbook, "sheet.csv")
    assert refusal.endswith("save the sheet as CSV (UTF-8).")


def _patched(content: bytes, at: int, value: int) -> bytes:
    """The archive with two bytes of its one member's headers changed, in both places that have them."""
    changed = bytearray(content)
    for magic, offset in ((b"PK\x03\x04", at), (b"PK\x01\x02", at + 2)):
        start = content.index(magic) + offset
        changed[start : start + 2] = value.to_bytes(2, "little")
    return bytes(changed)


def test_encrypted_and_strangely_packed_members_are_refused(unpacked: Any) -> None:
    """A password, and a method that unpacks without a bound, are named before a byte is unpacked."""
    archive = zipped(("x.csv", TABLE))
    assert unpacked(_patched(archive, 6, 1)) == [("a/x.csv", "it is encrypted. Pack it without a password.")]
    assert unpacked(_patched(archive, 8, 12)) == [("a/x.csv", "it is packed by method 12. Pack it as an ordinary ZIP.")]


def test_a_broken_archive_is_refused(unpacked: Any) -> None:
    """Cut off, empty, or with a member whose checksum does not fit: a sentence each."""
    archive = zipped(("x.csv", TABLE * 50), ("y.csv", TABLE))
    assert unpacked(archive[:-30]) == [("a", "the archive is damaged or cut off. Pack it again.")]
    assert unpacked(zipped()) == [("a", "the archive is empty. Pack it again.")]
    wrong = archive.replace(zlib.crc32(TABLE * 50).to_bytes(4, "little"), b"\1\2\3\4")
    assert unpacked(wrong) == [("a/x.csv", DAMAGED), ("a/y.csv", TABLE)]


def test_an_archive_of_too_many_files_is_refused(unpacked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of contents is counted before it is taken apart."""
    monkeypatch.setattr(unpack, "MOST_MEMBERS", 10)
    archive = zipped(*((f"{n}.csv", TABLE) for n in range(12)))
    assert unpacked(archive) == [("a", "it holds more than 10 files. Split it.")]


def test_a_table_of_contents_without_end_is_refused(unpacked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its length is what the archive says of itself, and is believed up to a bound before any of it is read."""
    monkeypatch.setattr(unpack, "_CONTENTS", 1 << 20)
    padded = b"PK\x03\x04" + bytes(2 << 20)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 2 << 20, 4, 0)
    assert unpacked(padded + end) == [("a", "its table of contents is larger than 1 MiB. Split it.")]


def test_what_is_plainly_no_table_is_left_out(tmp_path: Path) -> None:
    """Pictures, hidden files, empty ones and what Instaloader writes beside a post's JSON - caption, earlier captions,
    place, comments - are ignored, not refused."""
    path = tmp_path / "a.zip"
    members = {
        "1.jpg": b"\xff\xd8\xff\xe0",
        "1.mp4": b"\0\0\0\x20ftypisom",
        "__MACOSX/x.csv": TABLE,
        "katha/.DS_Store": b"x",
        "leer.csv": b"",
        "2024.json": b"{}",
        "2024.txt": b"Hallo",
        "2024_old_01.txt": b"Halo",
        "2024_location.txt": b"Berlin",
        "2024_comments.json": b'[{"id": 1, "text": "Ja"}]',
        "2023_comments.json": b"[]",
        "allein.txt": b"Hallo",
    }
    path.write_bytes(zipped(*members.items()))
    found = {one.name: one for one in unpack.members(path, "a.zip", tmp_path, "d")}
    assert [name for name, one in found.items() if not one.ignored] == [
        "a.zip/2024.json",
        "a.zip/2023_comments.json",
        "a.zip/allein.txt",
    ]
    assert found["a.zip/2024.txt"].refusal == "not a table: caption, place or comments of a post that is there as JSON"
    assert all(one.refusal.startswith("not a table: ") for one in found.values() if one.ignored)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_what_is_packed_twice_is_unpacked_once(unpacked: Any, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """The inner stream is handed on, and no reader takes it."""
    inner = pack(TABLE)
    ((_, content),) = unpacked(gzip.compress(inner))
    assert content == inner
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataRefused, match=r"this is (a gzip|an xz) archive"):
        readers.open_content(tmp_path / "x")


def test_xz_that_asks_for_gigabytes_of_memory_is_refused(unpacked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dictionary beyond the limit is not allocated."""
    monkeypatch.setattr("aufruf.data.readers.compressed._DICTIONARY", 1 << 20)
    found = unpacked(lzma.compress(TABLE, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 26}]))
    assert found == [("a", "the xz stream is damaged or cut off. Pack it again.")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from([*STREAMS, "zip"]))
def test_bytes_changed_anywhere_end_in_a_member_or_a_sentence(unpacked: Any, data: st.DataObject, kind: str) -> None:
    """Whatever is done to a packed file, each member is read or refused with a reason, and nothing stays behind."""
    whole = zipped(("x.csv", TABLE), ("y/z.json.xz", lzma.compress(b"{}"))) if kind == "zip" else STREAMS[kind](TABLE)
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(4, len(whole)))
    found = unpacked(bytes(changed[:end]))
    assert found
    assert all(isinstance(content, bytes) or content.endswith(".") for _, content in found)
