"""The files of a version as they were registered: a local copy that is not so is fetched once more."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from aufruf.errors import BundleRefused
from aufruf.model import bundle
from aufruf.release.registry import Registry, Version

log = logging.getLogger(__name__)
T = TypeVar("T")


def sound(registry: Registry, version: Version, use: Callable[[Path], T]) -> T:
    """What ``use``, which verifies them, makes of a version's files.

    When it refuses a copy that is not what was registered, it gets another one. Raises BundleRefused when that is no
    better; the old copy stays then.
    """
    digest, folder = version.manifest, registry.fetch(version)
    try:
        return use(folder)
    except BundleRefused as refused:
        if _is_registered(folder, digest):
            raise
        log.warning("%s: the local copy is fetched once more: %s", registry.name, refused.what)
    return use(registry.fetch_again(version, lambda copied: bundle.verify(copied, digest)))


def _is_registered(folder: Path, digest: str) -> bool:
    try:
        bundle.verify(folder, digest)
    except BundleRefused:
        return False
    return True
