"""Packed files taken apart: what lies in them is written under names of our own, counted while it is unpacked."""

import hashlib
import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from aufruf.data.readers import compressed
from aufruf.data.readers.content import no_table
from aufruf.data.readers.opened import CHUNK

MOST_MEMBERS = 100_000
_CONTENTS = 64 * 1024**2  # bytes of a ZIP file's table of contents: 671 for each of so many members
_LARGEST = 64 * 1024**3  # bytes unpacked, of all members together
_RATIO = 200  # unpacked bytes for a packed one; JSON and CSV reach 20 to 50
_UNSUSPECTED = 64 * 1024**2  # bytes that may be unpacked at any ratio
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
_OFFICE = "[Content_Types].xml"
_WORKBOOKS = {_OFFICE, "META-INF/manifest.xml"}  # of Excel, and of LibreOffice
_SUFFIX = re.compile(r"\.(gz|xz|bz2|zst)$", re.IGNORECASE)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_MEDIA = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"\x1a\x45\xdf\xa3", b"ID3", b"OggS", b"RIFF", b"II*\x00", b"MM\x00*")
_DAMAGED = (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
_DAMAGED_MEMBER = "the member is damaged or cut off. Pack it again."
_POST = re.compile(r"(.+)\.json(?:\.xz|\.gz)?")  # as Instaloader names it, beside the caption's .txt, and more
_BESIDE = re.compile(r"(.+?)(?:_comments\.json|(?:_location|_old_\d+)?\.txt)")
_PROFILE = re.compile(r"(^|/)(id|iterator_[^/]*\.json(\.xz)?|readme(\.\w+)?|thumbs\.db|desktop\.ini)$", re.IGNORECASE)
_NO_TABLE = "not a table: "


@dataclass(frozen=True)
class Member:
    """A file to read: the given one, or what lies in it. One with a ``refusal`` is not read, and has no ``path``."""

    name: str  # for people, never a path
    path: Path
    digest: str  # SHA-256 of the unpacked bytes; "" with a refusal
    refusal: str = ""
    ignored: bool = False  # plainly no table: a picture, an empty file


class _Refused(Exception):
    """A member cannot be unpacked, for the reason given."""

    def __init__(self, reason: str, *, ignored: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.ignored = reason, ignored


class _Bomb(Exception):
    """The archive unpacks to more than any export is worth."""


def members(path: Path, name: str, folder: Path, digest: str) -> Iterator[Member]:
    """What is to be read of the file at ``path``, told by its first bytes; ``digest``: of the file itself.

    Unpacked bytes lie in ``folder``, which must exist; the caller may remove each before asking for the next.
    """
    name, head = printable(name), compressed.head(path)
    packing = _Packing(path, folder)
    if head.startswith(_ZIPS):
        yield from _zip_members(packing, name)
    elif compressed.kind(head):
        try:
            yield packing.guarded(_bare(name), lambda: packing.unpack_stream(path))
        except _Bomb as bomb:
            yield packing.nothing(_bare(name), str(bomb))
    else:
        yield Member(name, path, digest)


def printable(name: str) -> str:
    """A name as it may be shown: no folders above, no drive, no control characters, at most 200 characters."""
    parts = [part for part in re.split(r"[/\\]+", re.sub(r"^[A-Za-z]:", "", name)) if part not in ("", ".", "..")]
    return visible("/".join(parts))[-200:] or "unnamed"


def visible(name: str) -> str:
    """A name or path without signs that a terminal obeys, that hide, turn or fake letters, or that are no text."""
    return _UNPRINTABLE.sub("\ufffd", name)


def _bare(name: str) -> str:
    return _SUFFIX.sub("", name) or name


class _Packing:
    """One packed file: where its contents go, and how much of them there has been."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self._packed, self._unpacked = path.stat().st_size, 0

    def nothing(self, name: str, refusal: str, *, ignored: bool = False) -> Member:
        """The member that is not read."""
        return Member(name, self.folder / "none", "", refusal, ignored)

    def guarded(self, name: str, unpack: Callable[[], tuple[Path, str]]) -> Member:
        """The member that ``unpack`` writes, or the reason why there is none. Raises _Bomb."""
        try:
            place, digest = unpack()
        except _Refused as refused:
            return self.nothing(name, refused.reason, ignored=refused.ignored)
        return Member(name, place, digest)

    def unpack_stream(self, path: Path) -> tuple[Path, str]:
        """Write what one compressed stream holds. Raises _Refused, _Bomb."""
        kind = compressed.kind(compressed.head(path))
        with closing(compressed.opened(path, kind)) as stream:
            place, digest = self.write(stream, f"the {kind} stream is damaged or cut off. Pack it again.")
        if compressed.head(place).startswith(_ZIPS):
            raise _unwanted(place)
        return place, digest

    def unpack_member(self, stream: IO[bytes]) -> tuple[Path, str]:
        """Write a member of an archive; of one that is itself a compressed stream, what that holds."""
        place, digest = self.write(stream, _DAMAGED_MEMBER, tables_only=True)
        head = compressed.head(place)
        if head.startswith(_ZIPS):
            raise _unwanted(place)
        if not compressed.kind(head):
            return place, digest
        try:
            return self.unpack_stream(place)
        finally:
            place.unlink()

    def write(self, stream: Any, damaged: str, *, tables_only: bool = False) -> tuple[Path, str]:
        """Write a stream to a file of a name of our own; its path and digest. Of one that is refused nothing stays."""
        place, digest = self.folder / f"member-{uuid4().hex}", hashlib.sha256()
        try:
            with place.open("xb") as target:
                while chunk := _read(stream, damaged):
                    if tables_only and not target.tell() and (what := _media(chunk)):
                        raise _Refused(f"{_NO_TABLE}{what}", ignored=True)
                    self._count(len(chunk))
                    digest.update(chunk)
                    target.write(chunk)
            if tables_only and not place.stat().st_size:
                raise _Refused(f"{_NO_TABLE}it is empty", ignored=True)
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        return place, digest.hexdigest()

    def _count(self, size: int) -> None:
        """Raises _Bomb; what an archive declares of its sizes is not asked."""
        self._unpacked += size
        if self._unpacked > max(_UNSUSPECTED, _RATIO * self._packed):
            raise _Bomb(f"it unpacks to more than {_RATIO} times its size: a bomb, or no export. Unpack it yourself.")
        if self._unpacked > _LARGEST:
            raise _Bomb(f"it unpacks to more than {_LARGEST >> 30} GiB. Split it.")


def _media(start: bytes) -> str:
    """What a member that begins with these bytes is, when it is plainly a picture, a film or a sound."""
    return "a picture, film or sound" if start.startswith(_MEDIA) or start[4:8] == b"ftyp" else ""


def _unwanted(place: Path) -> _Refused:
    """The refusal of an archive inside an archive, which is removed."""
    head = compressed.head(place)
    place.unlink()
    if _OFFICE.encode() in head:
        return _Refused(_as_office(head))
    return _Refused("it is an archive inside an archive, and only one is unpacked. Unpack the outer one.")


def _as_office(head: bytes) -> str:
    refusal = no_table(head)
    return refusal.sentence() if refusal else ""


def _read(stream: Any, damaged: str) -> bytes:
    try:
        return stream.read(CHUNK)
    except _DAMAGED:
        raise _Refused(damaged) from None


class _Directory:
    """A ZIP file whose table of contents is looked at before zipfile makes an object of each of its lines."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.seek, self.tell, self.seekable = file, file.seek, file.tell, file.seekable
        self.close = file.close

    def read(self, size: int = -1) -> bytes:
        if size > _CONTENTS:
            raise _Bomb(f"its table of contents is larger than {_CONTENTS >> 20} MiB. Split it.")
        found = self._file.read(size if size >= 0 else _CONTENTS)
        if found.count(b"PK\x01\x02") > MOST_MEMBERS:
            raise _Bomb(f"it holds more than {MOST_MEMBERS} files. Split it.")
        return found


def _zip_members(packing: _Packing, name: str) -> Iterator[Member]:
    with packing.path.open("rb") as file:
        try:
            archive = zipfile.ZipFile(_Directory(file))
        except _Bomb as bomb:
            yield packing.nothing(name, str(bomb))
            return
        except _DAMAGED:
            yield packing.nothing(name, "the archive is damaged or cut off. Pack it again.")
            return
        with archive:
            if not _WORKBOOKS.isdisjoint(archive.namelist()):
                yield packing.nothing(name, _as_office(_ZIPS[0]))
            elif not archive.namelist():
                yield packing.nothing(name, "the archive is empty. Pack it again.")
            else:
                yield from _each(packing, archive, name)


def _each(packing: _Packing, archive: zipfile.ZipFile, name: str) -> Iterator[Member]:
    """The members in the order of the archive; a bomb ends them."""
    posts = {found[1] for one in archive.namelist() if (found := _POST.fullmatch(one))}
    for info in archive.infolist():
        if info.is_dir():
            continue
        shown = _bare(f"{name}/{printable(info.filename)}")
        try:
            yield packing.guarded(shown, partial(_unpack_member, packing, archive, info, posts))
        except _Bomb as bomb:
            yield packing.nothing(shown, str(bomb))
            return


def _unpack_member(
    packing: _Packing, archive: zipfile.ZipFile, info: zipfile.ZipInfo, posts: Collection[str]
) -> tuple[Path, str]:
    """Raises _Refused for a member that is not to be unpacked, before anything of it is read; _Bomb."""
    if info.filename.startswith("__MACOSX/") or printable(info.filename).rpartition("/")[2].startswith("."):
        raise _Refused(f"{_NO_TABLE}a hidden file", ignored=True)
    if posts and _PROFILE.search(info.filename):
        raise _Refused(f"{_NO_TABLE}what a downloader notes for itself", ignored=True)
    if (beside := _BESIDE.fullmatch(info.filename)) and beside[1] in posts:
        raise _Refused(f"{_NO_TABLE}caption, place or comments of a post that is there as JSON", ignored=True)
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _Refused("it is a symbolic link, and links are not followed. Pack the file itself.")
    if info.flag_bits & 1:
        raise _Refused("it is encrypted. Pack it without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without a bound
        raise _Refused(f"it is packed by method {info.compress_type}. Pack it as an ordinary ZIP.")
    try:
        stream = archive.open(info)
    except _DAMAGED:
        raise _Refused(_DAMAGED_MEMBER) from None
    with stream:
        return packing.unpack_member(stream)
