"""The key of this home, and what is hashed with it: accounts in reports, annotators on pages and in messages."""

import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

from aufruf.classifier import Classifier
from aufruf.errors import AufrufError
from aufruf.settings import Settings

KEY = "pseudonyms.key"  # under the home
_BYTES = 32


def pseudonym(key: bytes, author: str) -> str:
    """``author-`` and twelve hex digits: HMAC-SHA256 of the account's name, without @, case folded."""
    return f"author-{hmac.digest(key, folded(author).encode('utf-8', 'surrogatepass'), 'sha256').hex()[:12]}"


def named(settings: Settings, classifier: Classifier) -> Callable[[str | None], str | None]:
    """How an author is named: by a pseudonym where the classifier asks for it, else as the table has it."""
    if classifier.report.accounts != "pseudonyms":
        return lambda author: author
    key = key_of(settings)
    return lambda author: pseudonym(key, author) if author else None


def coder(key: bytes, name: str) -> str:
    """``annotator-`` and ten hex digits: HMAC-SHA256 of the name as results have it, apart from that of an account."""
    return f"annotator-{hmac.digest(key, b'annotator' + name.encode('utf-8', 'surrogatepass'), 'sha256').hex()[:10]}"


def coders(settings: Settings) -> Callable[[str], str]:
    """How an annotator is named where many read it: by a number as it is, since it says nothing; else by ``coder``."""
    return lambda name: name if name.isdecimal() else coder(key_of(settings), name)


def folded(author: str) -> str:
    """An account's name as it is compared: no @ before it, no space around it, case folded; accents in NFC."""
    return normalize("NFC", author.strip().removeprefix("@").casefold())


def key_of(settings: Settings) -> bytes:
    """The home's key, made once, in a file that only its owner can read; with another key come other pseudonyms.

    Raises AufrufError when the file does not hold a key.
    """
    path = settings.home / KEY
    key = stored(path)
    if key is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # whole, and never over the key of another process
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        key = stored(path)
    if key is None or len(key) != _BYTES:
        raise AufrufError(
            "the file does not hold a key of 64 hex digits",
            where=str(path),
            next="Put the old key back; without it the pseudonyms of older reports cannot be made again.",
        )
    return key


def stored(path: Path) -> bytes | None:
    """The key in the file; None where there is no file, and b"" where there is something else in it."""
    try:
        return bytes.fromhex(path.read_text("ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        return b""
