"""A person's answer: what they are shown, what it changes, and what it does not."""

import json
import re

import pytest

from aufruf.errors import NothingYet
from aufruf.release.registry import CHAMPION, PREVIOUS
from aufruf.schemas import Decision
from aufruf.steps import decisions
from aufruf.steps.approval import asked, settled
from aufruf.steps.champion import CROWNED, crown
from aufruf.steps.promote import promote
from aufruf.steps.rollback import rollback


@pytest.fixture(scope="module")
def asking(make_after, turned, tmp_path_factory):
    """Version 2 gives the opposite answers and is champion by hand; version 3, as good as 1, waits for a person."""
    after = make_after(tmp_path_factory.mktemp("asking") / "home")
    after.register_again(turned)
    after.registry.point(CHAMPION, "2")
    after.register_again()
    assert promote(after.settings, after.gate(mode="approve"))["verdict"] == "waiting"
    return after.settings.home


@pytest.fixture
def waiting(make_after, asking, tmp_path):
    """That home, at a place of its own."""
    return make_after(tmp_path / "home", asking)


def verdicts(after) -> list[tuple[str, str | None]]:
    rows = after.store.read("decisions", {"challenger": "3"}).sort_values("at")
    return list(zip(rows["verdict"], rows["decided_by"], strict=True))


def alias(after, name: str) -> str | None:
    found = after.registry.by_alias(name)
    return found.version if found else None


def test_the_question_shows_the_evidence(waiting):
    """Sentence, interval, the metrics of both, the report and the time there is; nothing of a post."""
    found = asked(waiting.settings, waiting.gate(mode="approve"), "3")
    assert found["subject"] == "call_to_action: shall version 3 become champion instead of version 2?"
    assert "| Metric | version 3 | version 2 |" in found["body"]
    assert len(re.findall(r"^\| f1 \|( \d+\.\d \(\d+\.\d to \d+\.\d\) \|){2}$", found["body"], re.MULTILINE)) == 1
    assert re.search(r"^\| calibration\\?_error \| \d+\.\d \| \d+\.\d \|$", found["body"], re.MULTILINE)
    assert re.search(r"interval \\\+\d+\.\d to \\\+\d+\.\d", found["body"])
    assert "reports/call_to_action/index.html" in found["body"]
    assert "within 16 hours" in found["body"]
    texts = waiting.store.read("texts", columns=["text"])["text"]
    assert [text for text in texts if len(text) > 25 and text in found["body"]] == []


def test_what_markdown_and_html_would_read_is_shown_as_it_is(waiting):
    """A reason with a tag, a link or a table's bar in it stays a sentence."""
    row = decisions.last(waiting.store, waiting.classifier, "3")
    hostile = "<img src=x onerror=alert(1)> [click](javascript:x) | *a* `b`\n# c"
    waiting.store.put("decisions", [Decision(**row | {"reasons": json.dumps([hostile])})])
    body = asked(waiting.settings, waiting.classifier, "3")["body"]
    assert r"\<img src=x onerror=alert\(1\)\> \[click\]\(javascript:x\) \| \*a\* \`b\` \# c" in body


def test_approval_crowns_and_is_written_down(waiting):
    """Promoted by a person's account; the account is in no reason; asked again, nothing changes."""
    found = settled(waiting.settings, waiting.classifier, "3", approved=True, by="ada")
    assert (found["verdict"], found["champion"], found["status"]) == ("promoted", "3", "new")
    assert found["reasons"][0] == "a person approved version 3"
    assert found["difference"]["low"] > 0
    assert "ada" not in json.dumps(found)
    assert verdicts(waiting) == [("waiting", None), ("promoted", "person:ada")]
    assert (alias(waiting, CHAMPION), alias(waiting, PREVIOUS)) == ("3", "2")
    last = waiting.store.read("champions").sort_values("since").iloc[-1]
    assert (last["version"], last["how"], last["replaced"]) == ("3", "approval", "2")
    again = settled(waiting.settings, waiting.classifier, "3", approved=True, by="ada")
    assert (again["verdict"], again["status"]) == ("promoted", "unchanged")
    assert len(verdicts(waiting)) == 2
    with pytest.raises(NothingYet, match="waits for nobody: it was promoted"):
        asked(waiting.settings, waiting.classifier, "3")


@pytest.mark.parametrize(
    ("by", "who", "said"),
    [("ada", "person:ada", "declined"), (None, "nobody", "nobody answered")],
    ids=["no", "silence"],
)
def test_no_and_no_answer_keep_the_champion(waiting, by, who, said):
    """Both are decisions. Whoever declined is not asked about the same pair again; where nobody answered, say over a
    weekend, the next night asks once more with the evidence that there is: nothing is measured, no look is spent."""
    found = settled(waiting.settings, waiting.classifier, "3", approved=False, by=by)
    assert (found["verdict"], found["champion"]) == ("kept", "2")
    assert said in found["reasons"][0]
    assert verdicts(waiting)[-1] == ("kept", who)
    assert alias(waiting, CHAMPION) == "2"
    tomorrow = promote(waiting.settings, waiting.gate(mode="approve"))
    if by:
        assert (tomorrow["verdict"], tomorrow["status"]) == ("kept", "unchanged")
        return
    assert (tomorrow["verdict"], tomorrow["champion"], tomorrow["status"]) == ("waiting", "2", "new")
    assert tomorrow["difference"] == found["difference"]
    assert "nobody answered in time" in tomorrow["reasons"][-1]
    assert asked(waiting.settings, waiting.gate(mode="approve"), "3")["subject"]
    assert waiting.store.read("decisions", {"challenger": "3"})["looks"].nunique() == 1
    assert promote(waiting.settings, waiting.gate(mode="approve"))["status"] == "unchanged"
    approved = settled(waiting.settings, waiting.classifier, "3", approved=True, by="ada")
    assert (approved["verdict"], alias(waiting, CHAMPION)) == ("promoted", "3")
    assert not any("nobody answered" in said for said in approved["reasons"])


def test_an_answer_that_was_cut_off_is_made_good(waiting, monkeypatch):
    """Killed between the row and the alias, the task's next try moves the alias; after a roll-back it does not."""
    from aufruf.steps import approval

    with monkeypatch.context() as patch:
        patch.setattr(approval, "crown", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            settled(waiting.settings, waiting.classifier, "3", approved=True, by="ada")
    assert (alias(waiting, CHAMPION), verdicts(waiting)[-1][0]) == ("2", "promoted")
    assert settled(waiting.settings, waiting.classifier, "3", approved=True, by="ada")["champion"] == "3"
    assert CROWNED in waiting.registry.get("3").tags
    rollback(waiting.settings, waiting.classifier)
    assert settled(waiting.settings, waiting.classifier, "3", approved=True, by="ada")["champion"] == "2"
    assert alias(waiting, CHAMPION) == "2"


def test_whoever_moves_the_alias_while_it_waits_is_not_overruled(waiting):
    """The approval of version 3 was about version 2; meanwhile version 1 was put in place, and stays."""
    waiting.registry.point(CHAMPION, "1")
    found = settled(waiting.settings, waiting.classifier, "3", approved=True, by="ada")
    assert (found["verdict"], found["champion"]) == ("kept", "1")
    assert "version 1 was put in place while version 3 waited" in found["reasons"][0]


def test_an_alias_moved_right_before_approval_crowns_holds(waiting, monkeypatch):
    """Moved after the last look of the step that crowns: that champion stays, and the last word is `kept`."""
    from aufruf.steps import approval

    def a_moment_late(*given):
        waiting.registry.point(CHAMPION, "1")
        return crown(*given)

    monkeypatch.setattr(approval, "crown", a_moment_late)
    found = settled(waiting.settings, waiting.classifier, "3", approved=True, by="ada")
    assert (found["verdict"], found["champion"], alias(waiting, CHAMPION)) == ("kept", "1", "1")
    assert found["reasons"][:2] == [
        "version 1 was put in place while version 3 waited",
        "a person approved version 3",
    ]
    assert verdicts(waiting) == [("waiting", None), ("promoted", "person:ada"), ("kept", "person:ada")]
    assert settled(waiting.settings, waiting.classifier, "3", approved=True, by="ada")["champion"] == "1"


def test_an_approved_version_that_is_gone_is_kept_back(waiting):
    """Deleted while it waited: the champion stays, and the decision says why."""
    waiting.registry.client.delete_model_version("call_to_action", "3")
    found = settled(waiting.settings, waiting.classifier, "3", approved=True, by="ada")
    assert (found["verdict"], found["champion"]) == ("kept", "2")
    assert "deleted while it waited" in found["reasons"][0]


def test_a_click_in_mlflow_is_an_answer_too(waiting):
    """Moving the alias to the waiting version settles it: promoted by a person."""
    waiting.registry.point(CHAMPION, "3")
    found = settled(waiting.settings, waiting.classifier, "3", approved=False, by=None)
    assert (found["verdict"], found["champion"], found["status"]) == ("promoted", "3", "unchanged")
    assert verdicts(waiting) == [("waiting", None), ("promoted", "person")]
