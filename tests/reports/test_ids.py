"""A text's id can hold the account that posted it: pages show it without."""

from aufruf.reports import agreement, audit

ID = "tiktok:@some_account/1:caption"
ALPHA = agreement.Alpha(None, None, None, 0)


def test_the_agreement_page_masks_ids() -> None:
    """Of an undecided text everything but the handle is shown."""
    undecided = [agreement.Undecided(ID, "tie", {"call": 1, "no_call": 1})]
    facts = {"by_type": {}, "by_label": {}, "pairs": [], "coders": [], "batches": []}
    page = agreement.render(
        agreement.AgreementReport("c", ["no_call", "call"], 0, {"tie": 1}, 0.4, 2, ALPHA, undecided=undecided, **facts)
    )
    assert "some_account" not in page
    assert "tiktok:@•••/1:caption" in page


def test_the_audit_masks_ids() -> None:
    """So does the list of texts in no split."""
    side = {"texts": 0, "groups": 0, "labels": {}, "text_types": {}}
    found = {
        "proved": 0,
        "set_aside": 1,
        "left_out": 0,
        "tombstones": 0,
        "shares": {"train": 1.0},
        "sizes": {"train": side},
        "kept": dict.fromkeys(["same", "near", "groups", "texts", "apart"], 0),
        "notebook": None,
        "power": {"why": "no version"},
    }
    page = audit.render(audit.AuditReport("c", found, [(ID, "it reads like two sides")]))
    assert "some_account" not in page
    assert "tiktok:@•••/1:caption" in page
