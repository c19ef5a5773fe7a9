"""The step ``trial``: one trial of a sweep that another process has opened."""

from collections.abc import Mapping
from typing import Any

from aufruf.classifier import Classifier
from aufruf.errors import UsageError
from aufruf.settings import Settings
from aufruf.steps.sweep import Sought


def trial(settings: Settings, classifier: Classifier, study: str, at: Mapping[str, int]) -> dict[str, Any]:
    """Train one trial of ``study`` on the tables at the Delta versions ``at``: its number and how it ended.

    Says that there is nothing to do when the trials are all taken or the minutes are over. Raises UsageError when the
    classifier file is no longer the one that the sweep was opened with.
    """
    sought = Sought(settings, classifier, at)
    if sought.search.name != study:
        raise UsageError(
            "the classifier file, or its encoder, changed while the sweep was on its way",
            where=study,
            next="Run the whole sweep again.",
        )
    return {"study": study, **(sought.trial() or {"status": "nothing to do"})}
