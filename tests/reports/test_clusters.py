"""Texts of one account are alike: the counted ones are worth fewer, and intervals hold the true share again."""

import numpy as np
import pytest

from aufruf.reports.clusters import Spread, spread
from aufruf.reports.prevalence import Errors, contrasts, share

GOOD = Errors(found=80, positives=100, spared=190, negatives=200)


def test_texts_that_always_agree_within_an_account_are_worth_one_each():
    """40 accounts of 25 texts each, all calls or none: 1,000 texts are worth what 40 are, or a little less."""
    found = spread([25] * 10 + [0] * 30, [25] * 40)
    assert found.clusters == found.effective == 40
    assert found.ratio == pytest.approx(25 * 40 / 39)
    assert 34 < found.worth(1000) < 40


def test_by_hand():
    """Two accounts, 3 calls of 10 and 9 of 20: share .4, what is left -1 and 1, variance 2 * 2 / 900."""
    found = spread([3, 9], [10, 20])
    assert found.ratio == pytest.approx((2 * 2 / 900) / (0.4 * 0.6 / 30))
    assert found.effective == pytest.approx(900 / 500)


@pytest.mark.parametrize(
    ("calls", "texts"), [([], []), ([3], [9]), ([0, 0], [5, 7]), ([5, 7], [5, 7]), ([2, 4], [10, 20])]
)
def test_what_shows_no_spread_is_taken_for_independent(calls, texts):
    """No account, a single one, no call, nothing but calls, the same share in each: texts are worth themselves."""
    assert spread(calls, texts).worth(sum(texts)) == sum(texts)


@pytest.mark.parametrize("share", [0, 1])
def test_a_slice_without_spread_borrows_that_of_the_whole(share):
    """No call, or nothing else, in 10 accounts of 20 texts: worth as many as their likeness in the whole says, and
    never the 200 that independent ones would be; one account among the whole's is worth its texts."""
    whole = spread([25, 1, 2, 0, 12, 3], [25] * 6)
    assert whole.ratio == pytest.approx(1 + 24 * whole.alike)
    found = spread([20 * share] * 10, [20] * 10, whole)
    assert found.ratio == pytest.approx(1 + 19 * whole.alike)
    assert 10 * 0.5 < found.worth(200) < 25
    assert spread([20 * share], [20], whole).worth(20) == 20


@pytest.mark.parametrize("share_", [0, 1])
def test_where_all_counted_posts_get_one_answer_slices_are_as_independent_as_the_whole(share_):
    """No call among all counted texts, or nothing else: no spread could be seen anywhere, so 20 texts of a party are
    worth 20, and its interval is that of 20 texts."""
    whole = spread([20 * share_] * 24, [20] * 24)
    found = spread([5 * share_] * 4, [5] * 4, whole)
    assert found.worth(20) == 20
    party = share("A", 20 * share_, 20, GOOD, spread=found)
    assert party.raw == share("A", 20 * share_, 20, GOOD).raw
    assert party.design_effect == 1


def test_an_interval_holds_a_rare_truth_where_a_sample_shows_none():
    """2 % calls, which 8 accounts share unevenly: where a sample of 320 texts shows none, the interval by the likeness
    of the whole holds the truth, that of independent texts does not."""
    draw, truth, alike = np.random.default_rng(5460), 0.02, 0.3
    a, b = (part * (1 / alike - 1) for part in (truth, 1 - truth))
    samples = (draw.binomial(40, draw.beta(a, b, 8)) for _ in range(1000))
    empty = [calls for calls in samples if not calls.any()]
    assert len(empty) > 300
    whole = Spread(200, 1 + 39 * alike, 200, alike)
    assert share(None, 0, 320, GOOD, spread=spread(empty[0], [40] * 8, whole)).raw.high > truth
    assert share(None, 0, 320, GOOD, spread=spread(empty[0], [40] * 8)).raw.high < truth


def test_an_interval_never_gets_narrower():
    """Accounts more alike than chance makes them are worth no more than their texts, with any number of accounts."""
    draw = np.random.default_rng(5460)
    for accounts in (2, 3, 8, 60):
        texts = draw.integers(1, 40, accounts)
        found = spread(draw.binomial(texts, 0.3), texts)
        for confidence in (0.8, 0.95, 0.999):
            assert 0 < found.worth(int(texts.sum()), confidence) <= texts.sum()


@pytest.mark.parametrize("accounts", [5, 20, 100])
@pytest.mark.parametrize("skew", [0.0, 1.0])
def test_the_interval_holds_the_true_share_where_accounts_differ(accounts, skew):
    """Shares vary by account with an intraclass correlation of .05: 95 % intervals hold the truth in 91 % or more of
    1,000 samples. As independent texts they did in fewer than 9 of 10, with 5 accounts in fewer than 6."""
    draw, truth, alike, held, naive = np.random.default_rng(5460), 0.15, 0.05, 0, 0
    a, b = (part * (1 / alike - 1) for part in (truth, 1 - truth))
    for _ in range(1000):
        texts = np.maximum(1, 600 / accounts * draw.lognormal(-(skew**2) / 2, skew, accounts)).astype(int)
        calls = draw.binomial(texts, draw.beta(a, b, accounts))
        counted = int(calls.sum()), int(texts.sum())
        one, other = (share(None, *counted, GOOD, spread=how).raw for how in (spread(calls, texts), Spread()))
        held += one.low <= truth <= one.high
        naive += other.low <= truth <= other.high
    assert held / 1000 >= 0.91
    assert naive < held
    assert naive / 1000 < {5: 0.6, 20: 0.85, 100: 0.95}[accounts]


def test_parties_of_few_accounts_differ_less_surely():
    """60 % against 20 % of 200 texts each is a difference; of four accounts each, which differ as much, it is not."""
    alone = [share("A", 120, 200, GOOD), share("B", 40, 200, GOOD)]
    four = [
        share("A", 120, 200, GOOD, spread=spread([50, 40, 20, 10], [50] * 4)),
        share("B", 40, 200, GOOD, spread=spread([25, 10, 5, 0], [50] * 4)),
    ]
    assert [one.within_error for one in contrasts(alone, GOOD)] == [False]
    assert [one.within_error for one in contrasts(four, GOOD)] == [True]
    for one, other in zip(alone, four, strict=True):
        assert other.corrected.low < one.corrected.low < other.corrected.value == one.corrected.value
        assert other.design_effect > one.design_effect == 1
