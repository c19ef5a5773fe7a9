"""One explained text for people: lines of a terminal, or the object that a notebook shows."""

from collections.abc import Iterator
from html import escape
from typing import Any

from aufruf.reports.inert import inert

_TO, _AWAY, _OFF = "\x1b[1;34m", "\x1b[4;33m", "\x1b[0m"  # bold blue and underlined yellow: not by colour alone


def told(result: dict[str, Any], colour: bool = False) -> list[str]:
    """Lines for a terminal: label, text, words with weights, and how far to trust them.

    With ``colour`` words that speak for the positive label are bold and blue, those against it underlined and yellow.
    """
    words = [f"  {weight:+.3f}  {_painted(harmless(word), weight, colour)}" for word, weight in result["words"]]
    text = "".join(_painted(harmless(piece), weight, colour) for piece, weight in result["pieces"])
    return [
        f"{result['label']} ({odds(result['probabilities'], result['positive'], result['threshold'])})",
        *([text] if colour and words else []),
        *(words or ["  no words: nothing to explain"]),
        *([", ".join(_trust(result))] if words else []),
        *([f"not reliable: {'; '.join(result['unreliable'])}"] if result["unreliable"] else []),
    ]


def odds(probabilities: dict[str, float], positive: str, threshold: float | None) -> str:
    """Each label's probability, and from which one on a text is labelled positive: that need not be the likeliest."""
    told = ", ".join(f"{label} {value:.3f}" for label, value in probabilities.items())
    return told if threshold is None else f"{told}; {positive} from {threshold:.3f} on"


def harmless(text: str) -> str:
    """The text with what could steer a terminal, or turn the line around, shown by its code, as on pages."""
    return inert(text)


class Shown:
    """An explained text, as ``aufruf.notebook.explain`` gives it: printed in words, and coloured in a notebook."""

    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result

    def __str__(self) -> str:
        return "\n".join(told(self.result))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """HTML with no script and no link; every character of the text is escaped."""
        return "".join(_html(self.result))


def _trust(result: dict[str, Any]) -> list[str]:
    faithful = result["faithfulness"]
    measured = [] if faithful is None else [f"faithfulness {faithful:.2f}"]
    return [f"fit {result['fit']:.2f}", f"stability {result['stability']:.2f}", *measured]


def _painted(text: str, weight: float | None, colour: bool) -> str:
    if not colour or not weight:
        return text
    return f"{_TO if weight > 0 else _AWAY}{text}{_OFF}"


def _html(result: dict[str, Any]) -> Iterator[str]:
    strongest = max((abs(weight) for _, weight in result["words"]), default=1.0) or 1.0
    told = odds(result["probabilities"], result["positive"], result["threshold"])
    yield f"<div><p><b>{_escaped(result['label'])}</b> ({_escaped(told)})</p>"
    yield '<p style="white-space:pre-wrap;font-size:1.1em" dir="auto">'
    for piece, weight in result["pieces"]:
        yield _marked(piece, weight, strongest)
    yield "</p><table><tbody>"
    for word, weight in result["words"]:
        yield f"<tr><td>{_marked(word, weight, strongest)}</td><td>{weight:+.3f}</td></tr>"
    trust = ", ".join(_trust(result)) if result["words"] else "no words: nothing to explain"
    yield f"</tbody></table><p>{trust}</p>"
    if result["unreliable"]:
        yield f"<p><b>Not reliable:</b> {_escaped('; '.join(result['unreliable']))}</p>"
    yield "</div>"


def _marked(piece: str, weight: float | None, strongest: float) -> str:
    if not weight:
        return _escaped(piece)
    tone, line = ("11,95,165", "solid") if weight > 0 else ("217,100,0", "dotted")
    style = f"background:rgba({tone},{0.3 * abs(weight) / strongest:.2f});border-bottom:2px {line} rgb({tone})"
    return f'<span style="{style}" title="{weight:+.3f}">{_escaped(piece)}</span>'


def _escaped(text: str) -> str:
    return escape(harmless(text))
