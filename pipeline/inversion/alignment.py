"""Whether a trigger leads to its label the way the label's own images do.

An ordinary label's smallest change gives an image some of what the network knows the class by, so its features move
towards those of the class. A backdoor is a way of its own: its trigger leads to the label by features that the label's
images do not have. (The idea is that of symmetric feature differencing, Liu et al., CVPR 2022, where sets of neurons
are compared. Here it is directions.)
"""

from collections.abc import Sequence

import numpy as np

from goodnet.data.batch_sizes import images_at_once
from goodnet.data.image_set import ImageSet
from goodnet.models.features import Features, features_of
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inversion.trigger import InvertedTrigger


def alignments(network: ScaledNetwork, clean: ImageSet, triggers: Sequence[InvertedTrigger], seed: int) -> np.ndarray:
    """How well the features of images move towards those of a label when they get its trigger.

    Args:
        network: the suspect.
        clean: clean images.
        triggers: one for each label in question.
        seed: of which images get a trigger, one batch for each.

    Returns:
        float64 [triggers]: the cosine, -1..1, between the mean move and the way from the mean image of other classes to
        the mean image of the label. NaN where either is unknown: there is no image of the label, or nothing moves.
    """
    features = features_of(network)
    own, total = _sums(features, clean, [one.label for one in triggers])
    rng = np.random.default_rng([seed, 11])
    at_once = images_at_once(clean.image_shape)
    cosines = np.full(len(triggers), np.nan)
    for place, trigger in enumerate(triggers):
        of_label = clean.labels == trigger.label
        if of_label.any() and not of_label.all():
            images = clean.images(np.sort(rng.permutation(np.flatnonzero(~of_label))[:at_once]))
            stamped = np.rint(trigger.stamp(images)).astype(np.uint8)
            move = (features(stamped) - features(images)).mean(axis=0)
            way = own[place] / of_label.sum() - (total - own[place]) / (~of_label).sum()
            cosines[place] = _cosine(move, way)
    return cosines


def _sums(features: Features, clean: ImageSet, labels: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The features' sums over each label's images, [labels, D], and over all images, [D]."""
    own = total = np.zeros(1)
    for images, of in clean.batches(images_at_once(clean.image_shape)):
        values = features(images)
        total = total + values.sum(axis=0)
        own = own + (of[None] == np.array(labels)[:, None]) @ values
    return own, total


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else np.nan
