"""The gate's monotonicity: what is better in any respect is never promoted less, what is stricter never more."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from aufruf.release.promotion import Evidence, Rule, enough, judge, looks, step

shares = st.floats(0, 1)
counts = st.integers(0, 40)
more = st.floats(0, 0.5)
NAMES = ["party=X", "party=Y", "party=*", "text_type=ocr"]


@st.composite
def intervals(draw):
    value = draw(st.floats(-0.3, 0.3))
    return value, value - draw(st.floats(0, 0.2)), value + draw(st.floats(0, 0.2))


@st.composite
def evidences(draw):
    champion = draw(st.booleans())
    return Evidence(
        metric="f1",
        challenger="9",
        champion="7" if champion else None,
        challenger_value=draw(shares),
        baseline_value=draw(st.none() | shares),
        difference=draw(intervals()) if champion else None,
        slices=draw(st.dictionaries(st.sampled_from(NAMES), shares)),
        behaviour=draw(st.dictionaries(st.just("negation"), st.tuples(counts, counts).map(lambda p: (min(p), max(p))))),
        looks=draw(st.integers(1, 400)),
        disagreements=draw(st.none() | st.integers(0, 40)),
        over_baseline=draw(st.none() | intervals()),
        unlike_baseline=draw(st.none() | st.integers(0, 40)),
    )


rules = st.builds(
    Rule,
    margin=shares,
    beat_baseline=st.booleans(),
    mode=st.just("auto"),
    confidence=st.floats(0.6, 0.99),
    floors=st.dictionaries(st.sampled_from(NAMES), shares),
    behaviour=st.dictionaries(st.just("negation"), shares),
)


def passes(evidence, rule):
    return judge(evidence, rule).verdict != "kept"


def implies(strict, lenient):
    """What the stricter pair of evidence and rule lets through, the more lenient lets through as well."""
    assert passes(*lenient) or not passes(*strict)


@given(evidences(), rules, more)
def test_a_better_difference_never_hurts(evidence, rule, by):
    """The whole interval shifted up promotes whatever it promoted before."""
    if evidence.difference:
        better = replace(evidence, difference=tuple(part + by for part in evidence.difference))
        implies((evidence, rule), (better, rule))


@given(evidences(), rules, st.floats(0, 1))
def test_a_surer_difference_never_hurts(evidence, rule, shrink):
    """The same difference with a narrower interval promotes whatever it promoted before."""
    if evidence.difference:
        value, low, high = evidence.difference
        surer = (value, value - shrink * (value - low), value + shrink * (high - value))
        implies((evidence, rule), (replace(evidence, difference=surer), rule))


@given(evidences(), rules, st.integers(0, 400))
def test_more_looks_never_help(evidence, rule, extra):
    """Whoever has looked at the test set more often needs at least as large a step."""
    later = replace(evidence, looks=evidence.looks + extra)
    assert step(later, rule) >= step(evidence, rule)
    assert enough(later.looks) >= enough(evidence.looks)
    implies((later, rule), (evidence, rule))


@given(evidences(), rules, more)
def test_a_better_challenger_and_a_worse_baseline_never_hurt(evidence, rule, by):
    """A higher value of the challenger, or a lower one of the baseline, promotes whatever it promoted before."""
    implies((evidence, rule), (replace(evidence, challenger_value=evidence.challenger_value + by), rule))
    if evidence.baseline_value is not None:
        implies((evidence, rule), (replace(evidence, baseline_value=evidence.baseline_value - by), rule))


@given(evidences(), rules, more)
def test_better_slices_and_behaviour_never_hurt(evidence, rule, by):
    """Every slice better and every behaviour test passed promotes whatever was promoted before."""
    slices = {name: f1 + by for name, f1 in evidence.slices.items()}
    behaviour = {name: (of, of) for name, (_, of) in evidence.behaviour.items()}
    implies((evidence, rule), (replace(evidence, slices=slices, behaviour=behaviour), rule))


@given(evidences(), rules, more)
def test_a_wider_rule_never_promotes_less(evidence, rule, by):
    """A wider margin, lower floors, fewer demands: none of them refuses what passed before."""
    for wider in (
        replace(rule, margin=rule.margin + by),
        replace(rule, beat_baseline=False),
        replace(rule, floors={name: floor - by for name, floor in rule.floors.items()}),
        replace(rule, floors={}),
        replace(rule, behaviour={}),
    ):
        implies((evidence, rule), (evidence, wider))


@given(st.lists(st.tuples(st.sampled_from("123456789"), st.integers(1, 2000))), st.integers(1, 2000))
def test_looks_are_distinct_challengers_and_grow(judged, rows):
    """A decision more is never a look less, never more than one, and a challenger judged again is none."""
    before = looks(judged, "9", rows)
    others = {version for version, _ in judged} - {"9"}
    assert 1 <= before <= 1 + len(others)
    assert looks([*judged, *judged, ("9", rows)], "9", rows) == before
    assert before <= looks([*judged, ("new", rows)], "9", rows) <= before + 1
    assert looks([(version, rows) for version, _ in judged], "9", rows) == 1 + len(others)
