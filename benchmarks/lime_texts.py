"""Explaining: our LIME against the library's, with the same model, perturbations and seed."""

import time

import numpy as np

from aufruf.model.explain import explain
from benchmarks import material


def main(count: int = 4, perturbations: int = 300) -> None:
    """Print seconds per text, their ratio, and whether the strongest word agrees."""
    from lime.lime_text import LimeTextExplainer

    _, predictor = material.loaded()
    texts = [text for text in material.tweets(200) or material.sample_texts() if 8 <= len(text.split()) <= 30][:count]
    same, ours, library = 0, 0.0, 0.0

    def both(variants: list[str]) -> np.ndarray:
        chance = np.concatenate([predictor.positives(variants[at : at + 64]) for at in range(0, len(variants), 64)])
        return np.column_stack([1 - chance, chance])

    for text in texts:
        start = time.perf_counter()
        found = explain(text, predictor.positives, perturbations, 6, 7, split=r"\W+")
        middle = time.perf_counter()
        explainer = LimeTextExplainer(class_names=list(material.LABELS), random_state=7)
        reference = explainer.explain_instance(text, both, num_features=6, num_samples=perturbations)
        ours, library = ours + middle - start, library + time.perf_counter() - middle
        same += found.words[0][0] == reference.as_list()[0][0]
    print(
        f"LIME, {perturbations} perturbations: {ours / len(texts):.1f} s a text, library in batches of 64 "
        f"{library / len(texts):.1f} s; {library / ours:.1f} times as fast, same first word in {same} of {len(texts)}"
    )


if __name__ == "__main__":
    main()
