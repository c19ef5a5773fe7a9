"""Compressed streams: told by their first bytes, and opened with a bound to what they may ask for."""

import gzip
import lzma
from bz2 import BZ2File
from pathlib import Path
from typing import Any

from aufruf.data.readers.opened import CHUNK

_STREAMS = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}
_DICTIONARY = 256 * 1024**2  # bytes of memory that xz may ask for; its strongest setting needs 65 MiB


def head(path: Path) -> bytes:
    """The first bytes of a file, enough to tell what it is."""
    with path.open("rb") as file:
        return file.read(4096)


def kind(start: bytes) -> str:
    """gzip, xz, bzip2 or zstd, told by the first bytes; "" for none of them."""
    return next((name for magic, name in _STREAMS.items() if start.startswith(magic)), "")


def opened(path: Path, kind: str) -> Any:
    """A file compressed as ``kind`` says, to be read and closed."""
    if kind == "gzip":
        return gzip.open(path)
    if kind == "bzip2":
        return BZ2File(path)
    if kind == "zstd":
        import pyarrow as pa

        return pa.input_stream(str(path), compression="zstd")
    return _Xz(path)


class _Xz:
    """An xz file read in chunks, with a limit to the memory it may ask for (LZMAFile has none)."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decoder, self._packed = self._fresh(), b""

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; b"" at the end. Raises LZMAError, EOFError."""
        while True:
            if self._decoder.eof:  # another stream, or padding, may follow
                self._packed = (self._decoder.unused_data or self._file.read(CHUNK)).lstrip(b"\0")
                if not self._packed:
                    return b""
                self._decoder = self._fresh()
            elif self._decoder.needs_input and not self._packed:
                self._packed = self._file.read(CHUNK)
                if not self._packed:
                    raise EOFError
            packed, self._packed = self._packed, b""
            if found := self._decoder.decompress(packed, size):
                return found

    def close(self) -> None:
        self._file.close()

    @staticmethod
    def _fresh() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_DICTIONARY)
