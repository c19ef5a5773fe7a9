"""What MLflow's webhook must prove before it is believed, and what it says. Pure: no server, no database, no clock."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

LARGEST = 16 * 1024  # bytes of a body; what MLflow sends of an alias has some hundred
WINDOW = 300.0  # seconds by which MLflow's clock and ours may differ; its tries end after about two minutes
SIGNATURE, TIMESTAMP, DELIVERY = "x-mlflow-signature", "x-mlflow-timestamp", "x-mlflow-delivery-id"
_DELIVERY = re.compile(r"[\w-]{8,64}", re.ASCII)


class Unproven(Exception):
    """The caller did not prove to know the secret, or proved it too long ago."""


class Unreadable(Exception):
    """The body is signed, but not what MLflow sends."""


@dataclass(frozen=True)
class Moved:
    """An alias that now points to a version of a registered model."""

    model: str
    alias: str
    version: str


def prove(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> str:
    """The delivery's id, once its HMAC-SHA256 over ``id.timestamp.body`` is the secret's and its time is near ``now``.

    ``now``: seconds since 1970. Raises Unproven, which never says what was wrong in words that help to guess.
    """
    delivery, stamp = headers.get(DELIVERY, ""), headers.get(TIMESTAMP, "")
    scheme, _, given = headers.get(SIGNATURE, "").partition(",")
    if not (secret and _DELIVERY.fullmatch(delivery) and stamp.isascii() and stamp.isdecimal() and len(stamp) < 12):
        raise Unproven
    signed = b".".join([delivery.encode(), stamp.encode(), body])
    wanted = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    try:
        found = base64.b64decode(given.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Unproven from None
    genuine = hmac.compare_digest(found, wanted)  # in constant time, before anything else that the caller can vary
    if not (genuine and scheme == "v1" and abs(now - int(stamp)) <= WINDOW):
        raise Unproven
    return delivery


def read(body: bytes) -> Moved | None:
    """What alias moved; None for an event of another kind. Raises Unreadable."""
    try:
        said = json.loads(body)
        if (said["entity"], said["action"]) != ("model_version_alias", "created"):
            return None
        data = said["data"]
        moved = Moved(data["name"], data["alias"], data["version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable from error
    if not all(isinstance(part, str) and 0 < len(part) <= 256 for part in (moved.model, moved.alias, moved.version)):
        raise Unreadable
    return moved
