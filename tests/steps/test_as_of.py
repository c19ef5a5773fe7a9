"""What the champion of a real night was trained on, rebuilt; and what its test set can tell apart."""

import json

from aufruf.steps import corpus
from aufruf.steps.split import split
from aufruf.steps.sweep import seen


def test_the_champion_s_training_set_is_verified(nights):
    """The run of the night logged what it saw: its rows come back, and match its fingerprint."""
    out = nights.settings.home / "champion.ndjson"
    result = split(nights.settings, nights.classifier, as_of="champion", out=out)
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    frame = seen(corpus.labelled(nights.settings, nights.classifier))
    assert result["verified"] == "verified"
    assert result["as_of"] == nights.results[0]["train"]["run_id"]
    assert [row["text"] for row in rows] == frame["text"].tolist()


def test_the_audit_tells_what_the_champion_s_test_set_can_tell(nights):
    """After a night the champion has answered all of test: the audit has a power, and the ledger holds."""
    found = split(nights.settings, nights.classifier, audit=True)["audit"]
    test = found["sizes"]["test"]
    power = found["power"]
    assert found["kept"]["apart"] == 0
    assert power["why"] is None
    assert (power["version"], power["texts"]) == ("1", test["texts"])
    assert power["positives"] == test["labels"]["call"]
    assert power["detectable"] > 0
