"""A version's model in memory. A module of its own, for it loads torch: see ``sound`` for who needs the files only."""

from aufruf.classifier import Classifier
from aufruf.model.predictor import Predictor
from aufruf.release.registry import Registry, Version
from aufruf.steps.sound import sound


def predictor_of(registry: Registry, classifier: Classifier, version: Version) -> Predictor:
    """The version's predictor, from files that are sound, with the classifier's batches. Raises BundleRefused."""
    size = classifier.scoring.tokens_per_batch
    return sound(registry, version, lambda folder: Predictor.load(folder, version.manifest, size))
