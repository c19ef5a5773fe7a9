"""For notebooks: ``from aufruf.notebook import explain``, then ``explain("Geht am Sonntag wählen!")``."""

from pathlib import Path

from aufruf import classifier as classifiers
from aufruf.phrases.explained import Shown
from aufruf.settings import Settings


def explain(
    text: str, classifier: str | None = None, *, model: str | None = None, home: str | Path | None = None
) -> Shown:
    """Explain one text by the champion, or by version or alias ``model``; nothing is stored.

    ``classifier``: its name (default: the only one); ``home``: where everything lives (default: AUFRUF_HOME, or
    ./var). Raises what ``aufruf explain TEXT`` fails with.
    """
    from aufruf.steps.explain import explain as step

    settings = Settings.load(home)
    return Shown(step(settings, classifiers.choose(settings, classifier), text, model))
