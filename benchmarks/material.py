"""Texts and a model to measure with: the sample campaign, real tweets where they are, and the stand-in."""

import csv
import os
import random
import tempfile
from pathlib import Path
from typing import Any

from aufruf.model import bundle
from aufruf.model.predictor import Predictor
from aufruf.model.recipe import Examples
from aufruf.model.stand_in import FULL_NAME, NAME, convert
from aufruf.sample.posts import Campaign

LABELS = ("no_call", "call")
_FITTED, _AT_ONCE = 400, 40  # comments that a head is fitted to


def sample_texts() -> list[str]:
    """The texts of the sample campaign."""
    return [text.text for post in Campaign(5460).annotated() for text in post.texts]


def tweets(count: int) -> list[str]:
    """Real tweets by politicians; none where the data are not there."""
    rows = _rows("politician_tweets_2021/tw_data.csv", ",")
    return [row["full_text"] for row in rows[:: max(1, len(rows) // count)]][:count]


def comments(count: int) -> list[tuple[str, bool]]:
    """Real comments, each once, and whether they call to action; none where the data are not there."""
    rows = {row["description"]: row["C2A"] == "TRUE" for row in _rows("germeval_c2a/c2a_train.csv", ";")}
    return random.Random(5460).sample(list(rows.items()), min(count, len(rows)))


def enriched(train: int, validation: int) -> tuple[Examples, Examples]:
    """Comments of which two in five are calls, in two parts; raises ValueError where the data are not there."""
    one, other = parts(train, validation)
    return examples(one), examples(other)


def parts(*counts: int) -> list[list[tuple[str, bool]]]:
    """So many comments in each part, two in five of them calls; the same first parts, whatever parts follow."""
    rows = comments(10**6)
    calls, others = ([row for row in rows if row[1] is call] for call in (True, False))
    made = []
    for count in counts:
        share = count * 2 // 5
        part = [*calls[:share], *others[: count - share]]
        calls, others = calls[share:], others[count - share :]
        made.append(random.Random(5460).sample(part, count))
    return made


def examples(rows: list[tuple[str, bool]]) -> Examples:
    """Texts and whether they call, as a training takes them."""
    names = [str(at) for at in range(len(rows))]
    return Examples(names, [text for text, _ in rows], [(int(not call), int(call)) for _, call in rows], names)


def _rows(name: str, delimiter: str) -> list[dict[str, str]]:
    shared = os.environ.get("AUFRUF_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(shared) / name
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def model(home: Path) -> Path:
    """A sealed bundle of the stand-in, as slow as a trained one, with labels on both sides of the threshold.

    Its head is fitted to some comments; without the data it is untrained, and nobody's opinion.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    encoder, folder = convert(home / NAME), home / "bundle"
    torch.manual_seed(0)
    ids = dict(enumerate(LABELS))
    made = AutoModelForSequenceClassification.from_pretrained(
        encoder, num_labels=len(LABELS), id2label=ids, label2id={v: k for k, v in ids.items()}, dtype=torch.float32
    )
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    if rows := comments(_FITTED):
        _fit_head(made.eval(), tokenizer, rows)
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    card = bundle.Card(LABELS, "call", 0.5, 256, "head_tail", FULL_NAME, None, {}, "")
    bundle.seal(folder, card)
    return folder


def _fit_head(made: Any, tokenizer: Any, rows: list[tuple[str, bool]]) -> None:
    """Logistic regression on what the encoder says of the texts, written into the classifier's layer."""
    import torch
    from sklearn.linear_model import LogisticRegression

    pooled = []
    with torch.inference_mode():
        for at in range(0, len(rows), _AT_ONCE):
            texts = [text for text, _ in rows[at : at + _AT_ONCE]]
            tokens = tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
            pooled.append(made.base_model(**tokens).pooler_output)
    fitted = LogisticRegression(C=100, class_weight="balanced", max_iter=1000).fit(
        torch.cat(pooled).numpy(), [call for _, call in rows]
    )
    with torch.no_grad():
        made.classifier.weight.zero_()
        made.classifier.weight[1] = torch.from_numpy(fitted.coef_[0])
        made.classifier.bias.copy_(torch.tensor([0.0, fitted.intercept_[0]]))


def loaded() -> tuple[Path, Predictor]:
    """The bundle's folder and its predictor."""
    folder = model(Path(tempfile.mkdtemp(prefix="aufruf-bench-")))
    return folder, Predictor.load(folder)


def as_saved(folder: Path) -> Any:
    """The model of a bundle as transformers loads it, in fp32."""
    import torch
    from transformers import AutoModelForSequenceClassification

    where = "cuda" if torch.cuda.is_available() else "cpu"
    return AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).to(where).eval()
