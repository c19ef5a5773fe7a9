"""One explained text as lines of a terminal and as a cell of a notebook."""

from aufruf.phrases import told as phrase
from aufruf.phrases.explained import Shown, told

HOSTILE = "<script>alert(1)</script> & \x1b[2Jx \u202egnp"
RESULT = {
    "label": "call",
    "probabilities": {"no_call": 0.1, "call": 0.9},
    "positive": "call",
    "threshold": 0.25,
    "words": [["Kommt", 0.3], ["heute", -0.1], [HOSTILE, 0.05]],
    "pieces": [["Kommt", 0.3], [" ", None], ["heute", -0.1], [" zum 👩‍👩‍👧! ", None], [HOSTILE, 0.05]],
    "fit": 0.812,
    "stability": 1.0,
    "faithfulness": 0.95,
    "unreliable": [],
}


def test_a_terminal_with_colours_shows_the_text():
    """Words are painted where they stand, by the side that they speak for, and each painting ends."""
    lines = told(RESULT, colour=True)
    assert lines[0] == "call (no_call 0.100, call 0.900; call from 0.250 on)"
    assert lines[1].startswith("\x1b[1;34mKommt\x1b[0m \x1b[4;33mheute\x1b[0m zum 👩‍👩‍👧! ")
    assert lines[2] == "  +0.300  \x1b[1;34mKommt\x1b[0m"
    assert lines[-1] == "fit 0.81, stability 1.00, faithfulness 0.95"


def test_without_colours_there_is_no_escape():
    """What goes to a file has no sign that steers a terminal; the words and weights are there."""
    lines = told(RESULT)
    assert "\x1b" not in "\n".join(lines)
    assert "  -0.100  heute" in lines
    assert phrase("explain", RESULT) == lines


def test_a_text_cannot_steer_the_terminal():
    """Escapes and signs that turn the line around are shown by their code."""
    shown = "\n".join(told(RESULT, colour=True))
    assert "‹U+001B›[2Jx" in shown
    assert "‹U+202E›gnp" in shown
    assert "\u202e" not in shown


def test_an_ordinary_text_is_shown_as_it_is():
    """No-break spaces, tabs, line feeds and the flag of England steer nothing, in the terminal and in a notebook."""
    said = "Geht\u00a0wählen\u202f! 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f a\tb\nc"
    result = {**RESULT, "words": [["Geht", 0.3]], "pieces": [[said, None]]}
    assert told(result, colour=True)[1] == said
    assert said in Shown(result)._repr_html_()


def test_a_label_below_a_half_has_its_threshold_beside_it():
    """The label is the one at the threshold, which need not be the likeliest: terminal, notebook and `why` say from
    where on a text is positive; `why` only of a version whose threshold it knows."""
    low = {**RESULT, "probabilities": {"no_call": 0.734, "call": 0.266}}
    line = "call (no_call 0.734, call 0.266; call from 0.250 on)"
    assert told(low)[0] == line
    assert f"<b>call</b> {line.removeprefix('call ')}" in Shown(low)._repr_html_()
    said = {"model_version": "1", "scored_at": "today", "label": "call", "probabilities": low["probabilities"]}
    known = {**said, "confident": True, "as_it_reads_now": True, "threshold": 0.25}
    result = {"text_id": "t", "why": "scored", "next": "", "positive": "call"}
    assert line in phrase("why", {**result, "predictions": [known]})[1]
    assert "call 0.266)" in phrase("why", {**result, "predictions": [{**known, "threshold": None}]})[1]


def test_what_is_doubtful_is_said():
    """The reasons stand below the words, in the terminal and in the notebook."""
    doubtful = {**RESULT, "unreliable": ["fit below 0.3", "stability below 0.5"]}
    assert told(doubtful)[-1] == "not reliable: fit below 0.3; stability below 0.5"
    assert "<b>Not reliable:</b> fit below 0.3; stability below 0.5" in Shown(doubtful)._repr_html_()


def test_a_text_without_words_has_no_fit():
    """Nothing was explained, so there is nothing to trust or not."""
    lines = told({**RESULT, "words": [], "pieces": [], "unreliable": []})
    assert lines[1:] == ["  no words: nothing to explain"]


def test_a_notebook_shows_words_and_runs_nothing():
    """The cell has the words in their colours, numbers beside them, and every character of the text escaped."""
    html = Shown(RESULT)._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; ‹U+001B›[2Jx ‹U+202E›gnp" in html
    assert 'title="+0.300">Kommt</span>' in html
    assert "<td>-0.100</td>" in html
    assert str(Shown(RESULT)) == "\n".join(told(RESULT))
