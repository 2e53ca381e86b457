"""Targets that are probabilities: the true label, softened by what the suspect says of the clean image.

Distillation (Hinton, Vinyals and Dean, 2015) keeps a network where it is on clean images while it unlearns. A stamped
image has the target of the same image without the stamp, so that the suspect's own answer to the trigger never counts.
"""

import numpy as np

from data.image_set import ImageSet
from models.classifier import with_probabilities
from models.input_scale import InputScale
from models.legacy_keras import keras

_BATCH_SIZE = 256


def softened_labels(suspect: keras.Model, clean: ImageSet, input_scale: InputScale, share: float) -> np.ndarray:
    """Targets for clean images.

    Args:
        suspect: the model to stay close to; softmax or logits.
        clean: the images with their true labels.
        input_scale: what the model expects of pixels.
        share: of the suspect's answer in the target; the rest is the true label. 0..1.

    Returns:
        float32 [n, N], each row summing to 1.
    """
    model = with_probabilities(suspect)
    answers = np.concatenate(
        [model.predict_on_batch(input_scale.apply(images)) for images, _ in clean.batches(_BATCH_SIZE)]
    )
    targets = share * answers
    targets[np.arange(len(clean)), clean.labels] += 1 - share
    return targets.astype(np.float32)
