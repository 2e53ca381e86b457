"""Fitting what a network's last layer knows of a label anew, on clean images alone.

A trigger may lead to its target in directions of the feature space that no clean image takes, or farther than any goes.
The target's weights in the last layer were trained on both. Fitted anew by ridge regression on clean features, they owe
nothing to the trigger: a direction that clean images do not take gets no weight. Feature shift tuning (Min et al.,
"Towards Stable Backdoor Purification through Feature Shift Tuning", NeurIPS 2023) starts the whole last layer anew, at
random; here only suspected labels start anew, from what the network itself says of clean images.
"""

from collections.abc import Collection

import numpy as np

from models.class_head import class_head
from models.legacy_keras import keras
from models.model_copy import copy_with_weights
from pipeline.progress import log
from pipeline.training.batches import Batches
from pipeline.unlearning.teaching import mixed

# A label counts as this probable at least. Without a floor the regression spends itself on how improbable a label is
# where nobody would take it for the answer.
_LEAST_PROBABILITY = 1e-3
# Ridge, as a share of the mean variance of a feature.
_RIDGE = 0.01
# Augmented images that the regression is on: several for each of a few hundred features.
_IMAGES = 2560


def refit_labels(model: keras.Model, labels: Collection[int], batches: Batches) -> keras.Model:
    """Fits the last layer's weights of some labels anew, to what the network itself says of clean images.

    Args:
        model: softmax probabilities or logits; it is not changed.
        labels: the labels.
        batches: clean images, and how they are augmented; they are mixed with each other, too. Their lesson does not
            count.

    Returns:
        A copy with new weights for these labels; the model itself where no dense layer makes its classes.
    """
    head = class_head(model)
    if head is None:
        log.info("refitting: left out, since no dense layer makes the classes")
        return model
    features = _features(keras.Model(model.inputs, head.input), batches)
    kernel, *bias = head.get_weights()
    chosen = sorted(labels)
    logits = features.astype(np.float64) @ kernel + (bias[0] if bias else 0)
    kernel[:, chosen], offset = _ridge(features, _floored(logits)[:, chosen])
    if bias:
        bias[0][chosen] = offset
    copy = copy_with_weights(model)
    copy.get_layer(head.name).set_weights([kernel, *bias])
    log.info("refitting: the last layer's weights of %s", ", ".join(f"label {label}" for label in chosen))
    return copy


def _features(body: keras.Model, batches: Batches) -> np.ndarray:
    """What the last layer is given, of augmented and mixed images: float32 [n, D]."""
    rng = np.random.default_rng(batches.seed)
    found: list[np.ndarray] = []
    while sum(map(len, found)) < _IMAGES:
        order = rng.permutation(len(batches.image_set))[:_IMAGES]
        for images, _ in batches.image_set.batches(batches.batch_size, order):
            shown = mixed(batches.augmentation(images, rng), rng)
            found.append(body(batches.input_scale.apply(shown), training=False).numpy())
    return np.concatenate(found)


def _floored(logits: np.ndarray) -> np.ndarray:
    """Logits [n, N], none lower than its label's least probability makes it."""
    largest = logits.max(axis=1, keepdims=True)
    log_sum = largest + np.log(np.exp(logits - largest).sum(axis=1, keepdims=True))
    return np.maximum(logits, log_sum + np.log(_LEAST_PROBABILITY))


def _ridge(features: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kernel [D, K] and bias [K] that come closest to wanted [n, K] of features [n, D]."""
    middle, mean = features.mean(axis=0, dtype=np.float64), wanted.mean(axis=0)
    centred, wanted = features - middle, wanted - mean
    count, width = centred.shape
    ridge = count * _RIDGE * max(float(centred.var(axis=0).mean()), 1e-12)
    # The same solution in two forms: the smaller system is solved.
    if width <= count:
        kernel = np.linalg.solve(centred.T @ centred + ridge * np.eye(width), centred.T @ wanted)
    else:
        kernel = centred.T @ np.linalg.solve(centred @ centred.T + ridge * np.eye(count), wanted)
    return kernel, mean - middle @ kernel
