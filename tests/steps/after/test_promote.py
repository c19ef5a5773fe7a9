"""The step promote: one decision a pair, written down; people have the last word."""

import json

import pytest

from aufruf.errors import NothingYet
from aufruf.model.evaluation import difference
from aufruf.release.registry import CHALLENGER, CHAMPION, PREVIOUS
from aufruf.steps.champion import crown
from aufruf.steps.evaluate import evaluate
from aufruf.steps.promote import promote
from aufruf.steps.rollback import rollback
from aufruf.steps.score import score


def aliases(after) -> dict[str, str | None]:
    found = {name: after.registry.by_alias(name) for name in (CHAMPION, CHALLENGER, PREVIOUS)}
    return {name: version.version if version else None for name, version in found.items()}


@pytest.fixture
def bad_champion(after, turned):
    """Version 2 gives the opposite answers and was made champion by hand; version 3 is version 1 again."""
    after.register_again(turned)
    after.registry.point(CHAMPION, "2")
    after.register_again()
    return after


def test_an_equal_challenger_is_kept(after):
    """A challenger that is the champion again differs by exactly 0: kept, with reasons, and one row that says so."""
    after.register_again()
    found = promote(after.settings, after.classifier)
    assert (found["verdict"], found["champion"], found["challenger"]) == ("kept", "1", "2")
    assert found["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["reasons"] == [
        "kept version 1: version 2 is +0.0 points of F1, interval +0.0 to +0.0",
        "not better than version 1 (+0.0 points)",
    ]
    assert aliases(after) == {CHAMPION: "1", CHALLENGER: "2", PREVIOUS: None}
    [row] = after.store.read("decisions", {"challenger": "2"}).to_dict("records")
    assert (row["verdict"], row["champion"], row["value"]) == ("kept", "1", 0.0)
    assert json.loads(row["reasons"]) == found["reasons"]
    assert json.loads(row["challenger_metrics"]) == json.loads(row["champion_metrics"])
    assert row["test_rows"] == len(after.store.read("splits", {"split": "test"}))


def test_asking_twice_adds_no_row(after):
    """The same pair on the same rows by the same rule is not judged again, and the answer is the same."""
    after.register_again()
    first, second = promote(after.settings, after.classifier), promote(after.settings, after.classifier)
    assert (first.pop("status"), second.pop("status")) == ("new", "unchanged")
    assert first == second
    assert after.store.count("decisions", {"challenger": "2"}) == 1


def test_another_rule_is_another_question(after):
    """With another margin, or another positive label, the same pair is judged again and gets a row of its own."""
    after.register_again()
    promote(after.settings, after.classifier)
    turned = after.classifier.model_copy(update={"positive": after.classifier.labels[0]})
    assert [promote(after.settings, one)["status"] for one in (after.gate(margin=0.1), turned)] == ["new", "new"]
    assert after.store.count("decisions", {"challenger": "2"}) == 3


def test_a_better_challenger_is_promoted(bad_champion):
    """Against a champion that answers the opposite, the difference is sure: the alias moves."""
    after = bad_champion
    found = promote(after.settings, after.classifier)
    assert (found["verdict"], found["champion"], found["challenger"]) == ("promoted", "3", "3")
    assert found["difference"]["low"] > 0
    assert aliases(after) == {CHAMPION: "3", CHALLENGER: "3", PREVIOUS: "2"}
    again = promote(after.settings, after.classifier)
    assert (again["verdict"], again["status"]) == ("promoted", "unchanged")
    assert aliases(after)[PREVIOUS] == "2"


def test_what_a_person_took_back_is_not_crowned_again(bad_champion):
    """After a roll-back in MLflow the nightly gate leaves the alias alone, night after night, and says why."""
    after = bad_champion
    promote(after.settings, after.classifier)
    after.registry.point(CHAMPION, "2")
    for _ in range(2):
        found = promote(after.settings, after.classifier)
        assert (found["verdict"], found["champion"], found["challenger"]) == ("kept", "2", "3")
        assert found["reasons"] == ["version 3 was champion before, and version 2 was put in its place"]
        assert aliases(after)[CHAMPION] == "2"
    assert after.store.count("decisions", {"challenger": "3"}) == 1


def test_a_roll_back_while_the_gate_measures_holds(bad_champion, monkeypatch):
    """The gate looks again before it crowns: the champion is the person's, and the challenger is judged against it."""
    after, measured = bad_champion, []

    def meanwhile(*given):
        if not measured:
            rollback(after.settings, after.classifier)
        measured.append(given)
        return difference(*given)

    monkeypatch.setattr("aufruf.steps.promote.difference", meanwhile)
    found = promote(after.settings, after.classifier)
    assert (found["verdict"], found["champion"], found["challenger"]) == ("kept", "1", "3")
    assert (aliases(after)[CHAMPION], len(measured)) == ("1", 2)
    [row] = after.store.read("decisions", {"challenger": "3"}).to_dict("records")
    assert (row["verdict"], row["champion"]) == ("kept", "1")


def test_an_alias_moved_right_before_the_gate_crowns_holds(bad_champion, monkeypatch):
    """Moved after the gate's last look: it is on record, and the challenger is judged anew, against that champion."""
    after, moved = bad_champion, []

    def a_moment_late(*given):
        if not moved:
            moved.append(after.registry.point(CHAMPION, "1"))
        return crown(*given)

    monkeypatch.setattr("aufruf.steps.promote.crown", a_moment_late)
    found = promote(after.settings, after.classifier)
    assert (found["verdict"], found["champion"], found["challenger"]) == ("kept", "1", "3")
    assert aliases(after) == {CHAMPION: "1", CHALLENGER: "3", PREVIOUS: "2"}
    rows = after.store.read("decisions", {"challenger": "3"}).sort_values("at")
    assert rows[["verdict", "champion"]].values.tolist() == [["promoted", "2"], ["kept", "1"]]
    last = after.store.read("champions").sort_values("since").iloc[-1]
    assert (last["version"], last["how"], last["replaced"]) == ("1", "hand", "2")


def test_a_champion_that_was_taken_away_is_not_replaced_by_itself(after):
    """Whoever deletes the alias champion wants none: the version that was it is not crowned again."""
    after.registry.client.delete_registered_model_alias("call_to_action", CHAMPION)
    found = promote(after.settings, after.classifier)
    assert (found["verdict"], found["champion"]) == ("kept", None)
    assert aliases(after)[CHAMPION] is None


@pytest.mark.parametrize(
    ("mode", "where"),
    [("approve", "answer it in Airflow, under Required Actions"), ("manual", "move the alias in MLflow")],
)
def test_a_person_decides(bad_champion, mode, where):
    """A challenger that passes waits, with word of where to answer; once a person moves the alias that is accepted."""
    after = bad_champion
    found = promote(after.settings, after.gate(mode=mode))
    assert (found["verdict"], found["champion"], found["challenger"]) == ("waiting", "2", "3")
    assert found["reasons"][-1] == f"a person decides (gate mode {mode!r}): {where}"
    assert aliases(after) == {CHAMPION: "2", CHALLENGER: "3", PREVIOUS: "1"}
    after.registry.point(CHAMPION, "3")
    again = promote(after.settings, after.gate(mode=mode))
    assert (again["status"], again["champion"], aliases(after)[CHAMPION]) == ("unchanged", "3", "3")
    rows = after.store.read("decisions", {"challenger": "3"}).sort_values("at")
    assert rows[["verdict", "decided_by"]].values.tolist() == [["waiting", None], ["promoted", "person"]]


def test_a_challenger_crowned_by_hand_is_accepted(after, turned):
    """A version that a person crowned before the gate saw it is champion, and no decision is invented."""
    after.register_again(turned)
    after.registry.point(CHAMPION, "2")
    found = promote(after.settings, after.classifier)
    assert (found["verdict"], found["champion"]) == ("kept", "2")
    assert found["reasons"] == ["version 2 was made champion by hand"]
    assert after.store.count("decisions", {"challenger": "2"}) == 0


def test_a_crowning_that_broke_off_is_made_good(bad_champion):
    """Killed between the row and the alias: the next call moves the alias, and adds no row."""
    after = bad_champion
    promote(after.settings, after.classifier)
    after.registry.point(CHAMPION, "2")
    after.registry.client.delete_model_version_tag("call_to_action", "3", "aufruf.crowned")
    assert promote(after.settings, after.classifier)["status"] == "unchanged"
    assert aliases(after)[CHAMPION] == "3"
    assert after.store.count("decisions", {"challenger": "3"}) == 1


def test_a_baseline_that_is_better_keeps_a_first_challenger_back(after):
    """A model that answers NaN-free nonsense does not become the first champion where the baseline must be beaten."""
    after.registry.client.delete_registered_model_alias("call_to_action", CHAMPION)
    after.register_again(lambda weights, _: weights.update({"classifier.weight": weights["classifier.weight"] * 0}))
    found = promote(after.settings, after.gate(beat_baseline=True))
    assert (found["verdict"], found["champion"]) == ("kept", None)
    assert "the baseline is as good or better" in found["reasons"][-1]
    [row] = after.store.read("decisions", {"challenger": "2"}).to_dict("records")
    assert row["step"] > 0  # of the paired difference to the baseline on the test texts
    lead = evaluate(after.settings, after.gate(beat_baseline=True), "2")["over_baseline"]
    assert lead["low"] <= lead["value"] <= lead["high"]
    assert lead["value"] < 0 < lead["disagreements"]


def test_without_a_challenger_there_is_nothing_to_judge(after):
    """No alias challenger: NothingYet, with the command that makes one."""
    after.registry.client.delete_registered_model_alias("call_to_action", CHALLENGER)
    with pytest.raises(NothingYet, match=r"no challenger to judge.*aufruf train"):
        promote(after.settings, after.classifier)


def test_the_new_champion_scores_from_then_on(bad_champion):
    """What is scored after a promotion carries the new version."""
    after = bad_champion
    promote(after.settings, after.classifier)
    [text_id] = after.posts("Kommt alle zum Infostand!")
    assert score(after.settings, after.classifier)["model_version"] == "3"
    assert {row["model_version"] for row in after.predictions(text_id=text_id)} == {"3"}
