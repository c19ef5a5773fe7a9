"""Pages that say where to go instead, and what a server says beside every page. Nothing of the lake is needed."""

from aufruf.reports import desk as pages
from aufruf.reports.page import header_policy

POLICY = header_policy("frame.js", "search.js")


def problem(title: str, sentence: str, next_: str, address: str | None = None, link: str = "") -> str:
    """A page that says what is wrong and what to do, with a link where one helps."""
    return pages.render_problem(title, sentence, next_, pages.Link(link, address) if address else None)
