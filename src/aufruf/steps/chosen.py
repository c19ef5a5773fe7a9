"""Which texts are explained: the classifier's policy, or a filter given by hand."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from aufruf.arrow import plain
from aufruf.classifier import Classifier
from aufruf.release.registry import Version
from aufruf.steps import corpus, findings
from aufruf.steps.where import COLUMNS, select
from aufruf.store import Store

_AT_ONCE = 10_000  # calls, where all are wanted
_KEY = ["text_id", "digest"]
_SAID = ("label", "probability", "confident", "scored_at")
_COLUMNS = [*_KEY, "text", "party", "label", "probability", "chosen"]


def unexplained(store: Store, classifier: Classifier, version: Version, where: str | None) -> pd.DataFrame:
    """Texts that are to be explained and have no explanation by this version yet.

    With ``where`` every scored text that it selects, annotated ones too; else, by the policy, some of the day last
    scored (or all calls), and of the test set. Columns: text_id, digest, text, party, label, probability, chosen.
    Raises UsageError for a filter that cannot be read.
    """
    if where is not None:
        wanted = _selected(store, classifier, version.version, where)
    else:
        new = choose(store, classifier, version.version, float(version.tags["aufruf.threshold"]))
        wanted = pd.concat([new, mismatches(store, classifier, version.version)], ignore_index=True)
    done = store.read("explanations", {"classifier": classifier.name, "model_version": version.version}, _KEY)
    marked = wanted[_COLUMNS].merge(done, on=_KEY, how="left", indicator="there")
    return marked.loc[marked["there"] == "left_only", _COLUMNS].reset_index(drop=True)


def choose(store: Store, classifier: Classifier, version: str, threshold: float) -> pd.DataFrame:
    """Of the last scoring the surest calls, those nearest to the threshold, and a random control.

    Where all calls are wanted, those of earlier scorings too that have no explanation yet, at most 10,000 at a time.
    Column ``chosen`` says which. The lake sorts; but for the probabilities memory holds what is chosen.
    """
    policy, last = classifier.explain, findings.last(store, classifier, version)
    new = findings.posts(classifier, version, last[0] if last else None)
    if policy.calls == "all":
        calls = _surest(store, classifier, findings.posts(classifier, version, unexplained=True), _AT_ONCE)
        new += findings.other_than(findings.counts(store, classifier, new).labels)
        taken: dict[str, float] = {}
    else:
        calls = taken = _surest(store, classifier, new, policy.calls)
    nearest = f"abs(probability - {_number(threshold)}), {findings.SUREST}"
    rest = findings.first(store, classifier, new, nearest, policy.uncertain + len(taken))
    uncertain = dict([one for one in rest.items() if one[0] not in taken][: policy.uncertain])
    control = _control(store, classifier, new, {**taken, **uncertain})
    why = dict.fromkeys(calls, "call") | dict.fromkeys(uncertain, "uncertain") | dict.fromkeys(control, "control")
    frame = findings.of(store, classifier, version, list(why)).set_index("text_id", drop=False)
    frame = frame.loc[[text_id for text_id in why if text_id in frame.index]].reset_index(drop=True)
    return frame.assign(chosen=frame["text_id"].map(why))


def _surest(store: Store, classifier: Classifier, those: str, most: int) -> dict[str, float]:
    return findings.surest(store, classifier, those, findings.counts(store, classifier, those), most)


def _control(store: Store, classifier: Classifier, new: str, taken: Mapping[str, float]) -> list[str]:
    """Some of the texts that were not taken, drawn by their places in the order of ``findings.SUREST``."""
    odds, policy = findings.odds(classifier), classifier.explain
    batches = store.query(f"select {odds} as probability {new}", *findings.TABLES)
    parts = [batch["probability"].to_numpy(zero_copy_only=False) for batch in batches]
    every, gone = np.sort(np.concatenate([np.empty(0), *parts])), np.sort(np.array([*taken.values()], dtype=float))
    alike = np.arange(len(gone)) - np.searchsorted(gone, gone)  # of equal ones the first, the second...
    rest = np.delete(every, np.searchsorted(every, gone) + alike)
    places = pd.Series(np.arange(len(rest))).sample(min(policy.control, len(rest)), random_state=policy.seed)
    drawn = [(float(rest[-1 - at]), len(rest) - np.searchsorted(rest, rest[-1 - at], "right")) for at in places]
    if not drawn:
        return []
    standing: dict[float, list[str]] = {value: [] for value, _ in drawn}
    listed = ", ".join(map(_number, standing))
    for text_id, value in findings.first(store, classifier, f"{new} and {odds} in ({listed})", "text_id", None).items():
        if text_id not in taken:
            standing[value].append(text_id)
    pairs = zip(places, drawn, strict=True)
    return [text_id for at, (value, first) in pairs for text_id in standing[value][at - first : at - first + 1]]


def _number(value: float) -> str:
    """A number as SQL writes it, to its last bit."""
    return f"cast('{value!r}' as double)"


def selects(store: Store, classifier: Classifier, version: str, where: str) -> bool:
    """Whether a filter selects any scored text, explained or not."""
    return not _selected(store, classifier, version, where).empty


def _selected(store: Store, classifier: Classifier, version: str, where: str) -> pd.DataFrame:
    """The texts that a filter selects, in the order of their ids."""
    select(findings.of(store, classifier, version, []), where)  # refused also where there is nothing to look at
    of_text = ", ".join(f"t.{name} as {name}" for name in COLUMNS if name not in _SAID)
    of_said = ", ".join(f"p.{name} as {name}" for name in _SAID if name != "probability")
    sql = f"select {of_text}, {of_said}, {findings.odds(classifier)} as probability "
    ids: list[str] = []
    for batch in store.query(sql + findings.spoken(classifier, version), *findings.TABLES):
        ids += select(plain(batch, COLUMNS).to_pandas(), where)["text_id"].tolist()
    return findings.of(store, classifier, version, ids).sort_values("text_id").assign(chosen="where")


def mismatches(store: Store, classifier: Classifier, version: str) -> pd.DataFrame:
    """Test texts of which a version says something else than their label (``decided``), the surest of them first."""
    mine = {"classifier": classifier.name}
    ledger = corpus.in_use(store, classifier, "test")[["text_id"]]
    labels = store.read("labels", mine, ["text_id", "label"]).rename(columns={"label": "decided"})
    said = findings.of(store, classifier, version, ledger["text_id"].tolist())
    frame = said.merge(ledger, on="text_id").merge(labels[labels["decided"].notna()], on="text_id")
    wrong = frame[corpus.calls(frame["label"], classifier) != corpus.calls(frame["decided"], classifier)]
    sure = wrong["probability"].where(corpus.calls(wrong["label"], classifier), 1 - wrong["probability"])
    order = wrong.assign(sure=sure).sort_values(["sure", "text_id"], ascending=[False, True])
    return order.head(classifier.explain.mismatches).assign(chosen="mismatch")
