"""What ``aufruf forget`` says of models that exist."""

import pandas as pd

from aufruf.phrases import told
from aufruf.steps.forget import forget


def test_the_ledger_and_the_models_are_said_to_remain(after):
    """A version made after texts were dealt to train is named, with how many of them it learnt from."""
    ledger = after.store.read("splits", {"split": "train"})
    ids = ledger["text_id"].tolist()[:3]
    texts = after.store.read("texts", {"text_id": ids})
    after.store.put("texts", texts.assign(author="Vergissmich", post_id=[f"own-{n}" for n in range(len(texts))]))
    done = forget(after.settings, [after.classifier], "vergissmich", dry_run=True)
    assert done["remains"]["ledger_rows"] == 3
    assert done["remains"]["models"] == {after.classifier.name: [{"version": "1", "train": 3, "validation": 0}]}
    assert "version 1 learnt from 3 of the texts" in "\n".join(told("forget", done))
    later = ledger[ledger["text_id"].isin(ids)].assign(assigned_at=pd.Timestamp("2100-01-01", tz="UTC"))
    after.store.put("splits", later)
    assert forget(after.settings, [after.classifier], "vergissmich", dry_run=True)["remains"]["models"] == {
        after.classifier.name: []
    }
