"""Which texts are explained: the classifier's policy, or a filter given by hand."""

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.release.registry import Version
from aufruf.steps import corpus, findings
from aufruf.steps.where import select
from aufruf.store import Store

_KEY = ["text_id", "digest"]
_COLUMNS = [*_KEY, "text", "party", "label", "probability", "chosen"]


def unexplained(store: Store, classifier: Classifier, version: Version, where: str | None) -> pd.DataFrame:
    """Texts that are to be explained and have no explanation by this version yet.

    With ``where`` every scored text that it selects, annotated ones too; else, by the policy, some of the day last
    scored, and of the test set. Columns: text_id, digest, text, party, label, probability, chosen. Raises UsageError
    for a filter that cannot be read.
    """
    said = findings.said(store, classifier, version.version)
    scored = findings.outside(store, classifier, said)
    if where is not None:
        wanted = select(said, where).sort_values("text_id").assign(chosen="where")
    else:
        new = choose(
            findings.latest(scored, classifier.schedule.timezone), classifier, float(version.tags["aufruf.threshold"])
        )
        wanted = pd.concat([new, mismatches(store, classifier, said)], ignore_index=True)
    done = store.read("explanations", {"classifier": classifier.name, "model_version": version.version}, _KEY)
    marked = wanted[_COLUMNS].merge(done, on=_KEY, how="left", indicator="there")
    return marked.loc[marked["there"] == "left_only", _COLUMNS].reset_index(drop=True)


def choose(scored: pd.DataFrame, classifier: Classifier, threshold: float) -> pd.DataFrame:
    """The surest calls, those nearest to the threshold, and a random control; column ``chosen`` says which."""
    policy = classifier.explain
    ranked = scored.sort_values(["probability", "text_id"], ascending=[False, True])
    calls = ranked[corpus.calls(ranked["label"], classifier)]
    calls = calls.head(len(calls) if policy.calls == "all" else policy.calls).assign(chosen="call")
    rest = ranked[~ranked["text_id"].isin(calls["text_id"])]
    distance = (rest["probability"] - threshold).abs()
    uncertain = rest.loc[distance.sort_values(kind="stable").index].head(policy.uncertain).assign(chosen="uncertain")
    rest = rest[~rest["text_id"].isin(uncertain["text_id"])]
    control = rest.sample(min(policy.control, len(rest)), random_state=policy.seed).assign(chosen="control")
    return pd.concat([calls, uncertain, control], ignore_index=True)


def mismatches(store: Store, classifier: Classifier, said: pd.DataFrame) -> pd.DataFrame:
    """Test texts of which a version says something else than their label (``decided``), the surest of them first.

    ``said``: of ``findings.said``.
    """
    mine = {"classifier": classifier.name}
    ledger = corpus.in_use(store, classifier, "test")[["text_id"]]
    labels = store.read("labels", mine, ["text_id", "label"]).rename(columns={"label": "decided"})
    frame = said.merge(ledger, on="text_id").merge(labels[labels["decided"].notna()], on="text_id")
    wrong = frame[corpus.calls(frame["label"], classifier) != corpus.calls(frame["decided"], classifier)]
    sure = wrong["probability"].where(corpus.calls(wrong["label"], classifier), 1 - wrong["probability"])
    order = wrong.assign(sure=sure).sort_values(["sure", "text_id"], ascending=[False, True])
    return order.head(classifier.explain.mismatches).assign(chosen="mismatch")
