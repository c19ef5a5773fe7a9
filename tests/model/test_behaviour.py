"""Behaviour tests are data: what is asked, and what passes."""

import numpy as np
import pytest

from aufruf.model import behaviour
from aufruf.model.behaviour import Capability, Case

ASKED = {"negation", "reported speech", "questions", "imperative, formal", "imperative, informal"}
SUITE = behaviour.suite("call_to_action")


def outcomes(capabilities, likely):
    """A model that gives each text the probability ``likely`` of a call, and calls from 0.5 on."""

    def probabilities(texts):
        return np.array([[1 - likely(text), likely(text)] for text in texts])

    return behaviour.run(
        capabilities, probabilities, lambda odds: np.stack([odds[:, 1] < 0.5, odds[:, 1] >= 0.5], 1), 1
    )


def test_the_suite_asks_what_was_promised():
    """Every capability is there, with enough tests to fail; minimum tests ask for both answers somewhere."""
    names = {one.name for one in SUITE}
    assert ASKED | {"importance is no call", "emoji and hashtags", "upper case", "an added request"} == names
    assert {one.kind for one in SUITE} == {"minimum", "invariance", "direction"}
    assert all(len(one.cases) >= 5 for one in SUITE)
    texts = [case.text for one in SUITE for case in one.cases if one.kind == "minimum"]
    assert {"Wählen ist wichtig.", "Geht wählen!"} <= set(texts)
    assert len(texts) == len(set(texts))
    calls = [case.call for one in SUITE for case in one.cases if one.kind == "minimum"]
    assert min(calls.count(True), calls.count(False)) > 20


def test_an_invariance_changes_its_text():
    """No change of the suite leaves its text as it was, and upper case is what it says."""
    cases = {one.name: one.cases for one in SUITE if one.kind == "invariance"}
    assert all(case.changed != case.text for some in cases.values() for case in some)
    assert "KOMMEN SIE MORGEN UM 18 UHR ZU UNSEREM INFOSTAND." in [case.changed for case in cases["upper case"]]
    assert "Wählen ist wichtig." in [case.text for case in cases["upper case"]]
    assert all(case.text in case.changed for case in cases["emoji and hashtags"])


@pytest.mark.parametrize("always", [0.0, 1.0])
def test_a_model_that_always_says_the_same_fails(always):
    """It passes every invariance, as the page says; of minimum tests those with its answer; of directions none."""
    for one in outcomes(SUITE, lambda text: always):
        same = sum(case.call == (always == 1.0) for case in one.capability.cases)
        assert one.passed == {"minimum": same, "invariance": one.of, "direction": 0}[one.capability.kind]


def test_what_passes():
    """The right answer, the same answer, a probability that moves the right way; failures keep their numbers."""
    some = [
        Capability("m", "minimum", "", (Case("Geht!", True), Case("Wir gehen!", False))),
        Capability("i", "invariance", "", (Case("Geht!", changed="GEHT"), Case("Wir", changed="WIR"))),
        Capability(
            "d",
            "direction",
            "",
            (Case("Wir", changed="Geht!"), Case("Wir", changed="Geht!", rises=False), Case("Wir", changed="WIR")),
        ),
    ]
    found = outcomes(some, lambda text: 0.9 if "!" in text else 0.2)
    assert behaviour.summary(found) == {
        "m": {"passed": 1, "of": 2},
        "i": {"passed": 1, "of": 2},
        "d": {"passed": 1, "of": 3},
    }
    assert found[0].failed == ((Case("Wir gehen!", False), (0.9,)),)
    assert found[1].failed == ((Case("Geht!", changed="GEHT"), (0.9, 0.2)),)


def test_each_text_is_asked_once():
    """The model is called once, with different texts."""
    seen = []

    def probabilities(texts):
        seen.append(texts)
        return np.tile([0.5, 0.5], (len(texts), 1))

    behaviour.run(SUITE, probabilities, lambda odds: odds >= 0.5, 1)
    [texts] = seen
    assert len(texts) == len(set(texts))
