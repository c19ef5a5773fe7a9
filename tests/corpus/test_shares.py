"""How new groups are dealt: by the hash of their wording, and, while a stratum is small, by what each side lacks."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aufruf.classifier import SplitShares
from aufruf.data.shares import SMALL, deal, position
from aufruf.schemas import SPLITS


def groups(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    """Groups as they are dealt: name, label, kind, split; each stands where the hash of its name says."""
    table = pd.DataFrame(rows, columns=["name", "label", "kind", "split"], dtype=object)
    return table.assign(position=position(table["name"].tolist(), SplitShares().seed)[1], sent=False)


def test_five_groups_fill_the_shares() -> None:
    """Of five alike groups three are trained on, one validates and one tests."""
    five = groups(*((f"g{at}", "no_call", "caption", "") for at in range(5)))
    assert sorted(deal(five, SplitShares())) == ["test", "train", "train", "train", "validation"]


def test_what_a_small_ledger_lacks_is_filled_first() -> None:
    """With a ledger of six training groups only, the next groups go elsewhere."""
    held = [(f"h{at}", "no_call", "caption", "train") for at in range(6)]
    new = [(f"g{at}", "no_call", "caption", "") for at in range(4)]
    dealt = deal(groups(*held, *new), SplitShares())
    assert sorted(dealt[6:]) == ["test", "test", "validation", "validation"]
    assert set(dealt[:6]) == {"train"}


def test_positives_and_text_types_are_shared_out_each_by_itself() -> None:
    """With ten to fifty groups of a kind, each kind comes out 60/20/20."""
    each = groups(
        *(
            (f"{label}{kind}{at}", label, kind, "")
            for label in ("call", "no_call")
            for kind in ("caption", "ocr")
            for at in range(10)
        )
    )
    dealt = each.assign(split=deal(each, SplitShares()))
    counts = dealt.groupby(["label", "kind"])["split"].value_counts().unstack()
    assert counts[["test", "train", "validation"]].to_numpy().tolist() == [[2, 6, 2]] * 4


def test_a_large_stratum_follows_the_hash_alone() -> None:
    """With more than fifty groups, where one goes depends on itself: what else is there changes nothing."""
    new = [(f"g{at}", "no_call", "caption", "") for at in range(60)]
    held = [(f"h{at}", "no_call", "caption", "train") for at in range(500)]
    alone, beside = deal(groups(*new), SplitShares()), deal(groups(*new, *held), SplitShares())
    assert alone.tolist() == beside[:60].tolist()
    few = [*new[:3], *held]
    assert deal(groups(*few), SplitShares())[:3].tolist() == alone[:3].tolist()


def test_what_the_queue_has_sent_out_goes_where_the_queue_knew_it_would() -> None:
    """In a small stratum too: what was chosen because it will be trained on does not fill the test set. The others fill
    what the sides lack, those just placed included."""
    rows = groups(*((f"g{at}", "call", "caption", "") for at in range(34)))
    trained = rows["position"] < SplitShares().train
    sent = rows.assign(sent=trained)
    dealt = deal(sent, SplitShares())
    assert set(dealt[trained]) == {"train"}
    assert dealt.value_counts()["train"] == max(trained.sum(), round(34 * SplitShares().train))
    assert (deal(rows, SplitShares())[trained] != "train").any()


def test_a_seed_deals_otherwise() -> None:
    """Another seed gives other positions, the same seed the same, in any order."""
    names = [f"g{at}" for at in range(50)]
    ranks, positions = position(names, 5460)
    assert positions.min() >= 0
    assert positions.max() < 1
    assert position(names[::-1], 5460)[1].tolist() == positions[::-1].tolist()
    assert set(position(names, 1)[1]).isdisjoint(positions)
    assert len(set(ranks.tolist())) == 50
    fifty = groups(*((name, "no_call", "caption", "") for name in names))
    turned = deal(fifty[::-1], SplitShares())
    assert turned[fifty.index].tolist() == deal(fifty, SplitShares()).tolist()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 10_001), st.sampled_from([200, 1000, 4000]))
def test_shares_converge_within_the_binomial_error(seed: int, n: int) -> None:
    """Whatever the key, each side holds its share to within five standard errors, which shrink as groups come in."""
    shares = SplitShares(seed=seed)
    at = position([f"{number:016x}" for number in range(n)], seed)[1]
    table = groups(*((f"g{number}", "no_call", "caption", "") for number in range(n))).assign(position=at)
    dealt = deal(table, shares)
    for side in SPLITS:
        share = getattr(shares, side)
        assert (dealt == side).mean() == pytest.approx(share, abs=5 * (share * (1 - share) / n) ** 0.5)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, SMALL), st.data())
def test_a_small_stratum_holds_its_shares_exactly(n: int, data: st.DataObject) -> None:
    """Dealt at once or in two batches, no side is further than one group from its share; from three on none is empty.

    In two batches: of what is there when both are dealt, with nobody moved.
    """
    first = data.draw(st.integers(0, n))
    rows = groups(*((f"g{number}", "no_call", "caption", "") for number in range(n)))
    begun = rows[:first].assign(split=deal(rows[:first], SplitShares()))
    grown = deal(pd.concat([begun, rows[first:]]), SplitShares())
    assert grown[:first].tolist() == begun["split"].tolist()
    for side in SPLITS:
        assert abs((grown == side).sum() - getattr(SplitShares(), side) * n) <= 1.6
    if n >= 3:
        assert set(grown) == set(SPLITS)
