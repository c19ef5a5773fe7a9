"""The step ``rollback``: a person puts the version that spoke before back into use."""

from typing import Any

from aufruf.classifier import Classifier
from aufruf.errors import NothingYet
from aufruf.release.registry import PREVIOUS, Registry
from aufruf.settings import Settings
from aufruf.stack.state import served
from aufruf.steps.champion import crown, noticed


def rollback(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """Make ``previous`` the champion, once it is verified, and the champion ``previous``.

    The gate crowns none of the two again by itself. Where the champion is refused, this makes the version that goes on
    in its stead champion. Raises NothingYet when nothing was champion before, BundleRefused when that may not speak.
    """
    settings = served(settings)
    registry = Registry(settings, classifier.name)
    found, before = noticed(settings, classifier, registry), registry.by_alias(PREVIOUS)
    gone = found.refused or (found.version.version if found.version else None)
    back = found.version if found.refused else before
    if back is None or back.version == gone:
        raise NothingYet(
            "no other version was champion before",
            where=classifier.name,
            next=f"`aufruf promote --version N{settings.choosing(classifier.name)}` makes any version champion.",
        )
    crown(settings, classifier, registry, back, "rollback")
    return {"champion": back.version, "replaced": gone, "status": "new"}
