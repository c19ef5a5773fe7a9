"""What a person does in the browser: log in, look, follow links; and what is asked of each page on the way."""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from axe_playwright_python.sync_playwright import Axe

SIZES = {"wide": (1280, 900), "narrow": (390, 844)}


def log_in(page: Any, airflow: str, password: str) -> None:
    """With the keyboard alone."""
    page.goto(airflow)
    page.wait_for_url("**/auth/login**")
    page.locator("input[name=username]").wait_for()
    for typed in ("admin", password):
        _tab_to(page, lambda: page.evaluate("document.activeElement.tagName") == "INPUT", fresh=typed != "admin")
        page.keyboard.type(typed)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(re.escape(airflow) + "/(?!auth)"))


def focus(page: Any, words: str) -> None:
    """Press Tab until the link or button with these words has the focus."""
    _tab_to(page, lambda: words in page.evaluate("document.activeElement.textContent.slice(0, 200)"), fresh=True)


def _tab_to(page: Any, there: Any, fresh: bool) -> None:
    if not fresh and there():
        return
    for _ in range(60):
        page.keyboard.press("Tab")
        if there():
            return
    raise AssertionError("the keyboard does not lead there")


def shot(page: Any, name: str) -> None:
    """A picture of the whole page, kept where AUFRUF_SCREENSHOTS says."""
    if folder := os.environ.get("AUFRUF_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def violations(page: Any) -> list[str]:
    """What axe-core finds on the page against WCAG 2.2 A and AA: the rule, and where."""
    levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": levels}}).response
    assert found["passes"], "no rule was asked"
    return [f"{one['id']}: {node['html'][:120]}" for one in found["violations"] for node in one["nodes"]]


def dead(page: Any) -> list[str]:
    """Addresses of links on the page that do not answer with 200."""
    links = {urljoin(page.url, link) for link in page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")}
    answers = {link: page.request.get(link).status for link in links if not link.startswith(page.url + "#")}
    assert answers, "the page leads nowhere"
    return [link for link, status in answers.items() if status != 200]
