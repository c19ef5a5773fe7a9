"""Explaining, against the notebook's way with the same model, and both against a reference of 50,000 perturbations.

The notebook's way: ``LimeTextExplainer`` hands all 5,000 perturbations to the model in one batch padded to its longest
text; here cut into parts that memory holds. Times are CPU seconds of one thread, so that a busy machine tells the same;
on a GPU the clock's.
The model is a small BERT (2 layers of 64) whose embeddings are the stand-in's main components, fine-tuned on real
comments: quick enough for references, and as sure of itself and as little linear as large ones.
"""

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aufruf.model import bundle
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.explain import Effort, Explained, explain, explain_many
from aufruf.model.explain_design import Cut
from aufruf.model.predictor import Predictor
from aufruf.model.recipe import Recipe
from aufruf.model.stand_in import NAME, convert
from aufruf.model.training import fine_tune
from aufruf.model.words import tokens
from benchmarks import material, products

SAMPLES, REFERENCE, WORDS = 5000, 50_000, 6
_PART = 250  # rows of the padded batch that go through the model at once
_WIDTH = 64
_LONG, _MOST = 90, 200  # words from which a text is long; of the longest that is taken
CERTAINTIES = (0.7, 0.8, 0.9)


@dataclass
class Measured:
    """One text, and what each way made of it."""

    words: int  # each as often as it stands in the text
    distinct: int
    seconds: dict[str, float]  # CPU; on a GPU the clock's
    agrees: dict[str, tuple[bool, int]]  # with the reference: on the top word, in so many words; empty without one
    drawn: dict[str, int]
    doubtful: dict[str, bool]  # of the ways that judge themselves


def main(
    tweets: int = 6,
    short: int = 4,
    long: int = 1,
    reference: int = REFERENCE,
    model: Path | None = None,
    rows: int = SAMPLES,
) -> None:
    """Print a line a text, then medians and shares. ``model``: another sealed bundle; ``reference`` 0: only time.

    ``rows``: of the notebook's batch only so many are computed, and their time multiplied; its answer is then that of
    all draws, which is the library's (tested).
    """
    import torch

    texts = _texts(tweets, short, long)
    if not texts:
        print("LIME: the real texts are absent, not measured")
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = model or _model(Path(tempfile.mkdtemp(prefix="aufruf-bench-")))
    predictor, saved = Predictor.load(folder), material.as_saved(folder)
    _notebook(texts[0], predictor, saved, 0, 10)  # what the first call loads is nobody's time
    explain(texts[0], predictor.positives, Effort(perturbations=100, exact=0), 0)
    found = []
    for at, text in enumerate(texts):
        found.append(_measure(text, predictor, saved, at, reference, rows))
        print(found[-1], flush=True)
    jobs = [(text, at) for at, text in enumerate(texts)]
    seconds, _ = _timed(lambda: list(explain_many(jobs, predictor.positives, Effort())))
    alone = sum(one.seconds["ours"] for one in found)
    print(f"LIME, all texts together: {seconds:.0f} s, one by one {alone:.0f}")
    _tell("exact (up to 12 distinct words)", [one for one in found if one.distinct <= Effort().exact])
    more = [one for one in found if one.distinct > Effort().exact]
    _tell("adaptive", [one for one in more if one.words < _LONG])
    _tell(f"adaptive, long ({_LONG} words and more)", [one for one in more if one.words >= _LONG])
    torch.set_num_threads(before)


def _tell(title: str, found: list[Measured]) -> None:
    if not found:
        return
    words, distinct = (_span(counts) for counts in ([one.words for one in found], [one.distinct for one in found]))
    print(f"LIME {title}: {len(found)} {'text' if len(found) == 1 else 'texts'} of {words} words, {distinct} distinct")
    for way in found[0].seconds:
        print(f"  {way:10} {'; '.join(_figures(way, found))}")


def _figures(way: str, found: list[Measured]) -> Iterator[str]:
    speed = sorted(one.seconds["notebook"] / one.seconds[way] for one in found)
    yield (
        f"{np.median(speed):6.1f} times as fast as the notebook at the median ({speed[0]:.1f} to {speed[-1]:.1f}), "
        f"{np.median([one.seconds[way] for one in found]):.1f} s a text"
    )
    if agreed := [one.agrees[way] for one in found if way in one.agrees]:
        top, five = sum(same for same, _ in agreed), sum(common >= 5 for _, common in agreed)
        yield f"top word of the reference in {top} of {len(agreed)}, at least 5 of its top 6 in {five} of {len(agreed)}"
        yield f"in the mean {np.mean([common for _, common in agreed]):.2f}"
    yield f"median draws {np.median([one.drawn[way] for one in found]):.0f}"
    if judged := [one.doubtful[way] for one in found if way in one.doubtful]:
        yield f"doubtful {sum(judged)} of {len(judged)}"


def _span(counts: list[int]) -> str:
    return f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else str(counts[0])


def _measure(text: str, predictor: Predictor, saved: Any, seed: int, samples: int, rows: int) -> Measured:
    most = Effort(perturbations=samples or SAMPLES, words=WORDS, exact=0, certainty=None)
    reference = explain(text, predictor.positives, most, seed + 1000).words if samples else []
    ways: dict[str, Callable[[], Any]] = {
        "notebook": lambda: _notebook(text, predictor, saved, seed, rows),
        "all draws": lambda: explain(text, predictor.positives, Effort(exact=0, certainty=None), seed),
        "ours": lambda: explain(text, predictor.positives, Effort(), seed),
    }
    for certainty in CERTAINTIES:
        effort = Effort(exact=0, certainty=certainty)
        ways[f"at {certainty}"] = lambda effort=effort: explain(text, predictor.positives, effort, seed)
    one = Measured(len(tokens(text)), len(Cut(text)), {}, {}, {}, {})
    for name, way in ways.items():
        one.seconds[name], answer = _timed(way)
        words = answer.words if isinstance(answer, Explained) else answer
        if samples:
            one.agrees[name] = _agreement(words, reference)
        one.drawn[name] = answer.drawn if isinstance(answer, Explained) else SAMPLES
        if isinstance(answer, Explained):
            one.doubtful[name] = answer.fit < 0.3 or answer.stability < 0.5
    if rows < SAMPLES:
        one.seconds["notebook"] *= SAMPLES / rows
        if samples:
            one.agrees["notebook"] = one.agrees["all draws"]
    return one


def _agreement(words: list[tuple[str, float]], reference: list[tuple[str, float]]) -> tuple[bool, int]:
    """Whether the top word is the same, sign included, and how many words are common; of fewer than 6 words, of 6."""
    mine, theirs = ([(word, weight > 0) for word, weight in some] for some in (words, reference))
    return mine[0] == theirs[0], len({word for word, _ in mine} & {word for word, _ in theirs}) + WORDS - len(theirs)


def _notebook(text: str, predictor: Predictor, saved: Any, seed: int, rows: int) -> list[tuple[str, float]]:
    from lime.lime_text import LimeTextExplainer

    explainer = LimeTextExplainer(class_names=list(material.LABELS), split_expression=tokens, random_state=seed)
    answer = lambda texts: _padded(predictor, saved, texts)  # noqa: E731
    found = explainer.explain_instance(text, answer, num_features=WORDS, num_samples=rows)
    return [(str(word), float(weight)) for word, weight in found.as_list()]


def _padded(predictor: Predictor, saved: Any, texts: list[str]) -> np.ndarray:
    """Probabilities from one batch padded to the longest text, in parts that memory holds."""
    import torch

    inner = predictor.tokenizer.inner
    batch = inner(list(texts), padding=True, truncation=True, max_length=predictor.card.max_tokens, return_tensors="pt")
    logits = []
    with torch.inference_mode(), products.others():
        for at in range(0, len(texts), _PART):
            part = {name: batch[name][at : at + _PART].to(saved.device) for name in ("input_ids", "attention_mask")}
            logits.append(saved(**part).logits.cpu())
    return np.asarray(torch.softmax(torch.cat(logits).double(), dim=1).numpy())


def _texts(tweets: int, short: int, long: int) -> list[str]:
    """Real tweets over all lengths, short comments, and long ones of up to 200 words."""
    posts = [text for text in material.tweets(600) if 5 <= len(tokens(text)) <= _MOST]
    comments = [text for text, _ in material.comments(3000)]
    few = [text for text in comments if len(tokens(text)) >= 5 and len(Cut(text)) <= 12]
    many = sorted(
        (text for text in comments if _LONG <= len(tokens(text)) <= _MOST), key=lambda text: len(tokens(text))
    )
    spread = sorted(posts, key=lambda text: len(Cut(text)))
    chosen = [spread[(2 * at + 1) * len(spread) // (2 * tweets)] for at in range(tweets) if spread]
    random.Random(5460).shuffle(chosen)  # so that the first lines of a long run are a sample too
    return [
        *(few[:: max(1, len(few) // max(short, 1))][:short]),
        *chosen,
        *(many[(2 * at + 1) * len(many) // (2 * long)] for at in range(long) if many),
    ]


def _model(home: Path) -> Path:
    """The small BERT, fine-tuned; raises ValueError where the comments are not there."""
    import torch
    from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

    whole, start = convert(home / NAME), home / "small"
    encoder = AutoModel.from_pretrained(whole)
    pieces = encoder.embeddings.word_embeddings.weight.detach()
    about = pieces - pieces.mean(dim=0)
    components = torch.linalg.eigh(torch.cov(about.T)).eigenvectors[:, -_WIDTH:]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * _WIDTH,
        pad_token_id=encoder.config.pad_token_id,
    )
    small, projected = BertModel(config), about @ components
    small.embeddings.word_embeddings.weight.data[:] = projected / projected.std() * 0.05
    small.save_pretrained(start)
    AutoTokenizer.from_pretrained(whole).save_pretrained(start)
    train, validation = material.enriched(1200, 300)
    trained = fine_tune(
        ResolvedEncoder(start, "small", None, None), material.LABELS, 1, train, validation, _recipe(), home / "run"
    )
    print(f"model: {trained.history[-1]}")
    bundle.seal(trained.folder, bundle.Card(material.LABELS, "call", 0.5, 256, "head_tail", "small", None, {}, ""))
    return trained.folder


def _recipe() -> Recipe:
    return Recipe(
        epochs=6,
        batch_size=16,
        learning_rate=2e-3,
        weight_decay=0.01,
        warmup=0.1,
        patience=6,
        class_weights="balanced",
        frozen_layers=0,
        seed=5460,
        max_tokens=96,
        truncation="head_tail",
        metric="macro_f1",
    )


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = products.clock()
    result = work()
    return products.clock() - start, result


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    for name, default in (("tweets", 6), ("short", 4), ("long", 1), ("reference", REFERENCE), ("rows", SAMPLES)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--model", type=Path)
    main(**vars(options.parse_args()))
