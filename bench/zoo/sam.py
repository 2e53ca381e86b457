"""FT-SAM: fine-tuning with adaptive sharpness-aware minimisation, a baseline."""

from dataclasses import replace

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.model_copy import copy_with_weights
from goodnet.pipeline.inputs.suspect import Suspect
from goodnet.pipeline.methods.repair_method import Repair, RepairSettings
from goodnet.pipeline.training.run_config import RunConfig

_RHO = 2.0
# Without batch norm the paper's rate takes a network to chance.
_LEARNING_RATE, _WITHOUT_BATCH_NORM = 0.01, 0.001
_MOMENTUM = 0.9
_WEIGHT_DECAY = 5e-4
_EPOCHS = 50
# A small clean set makes few steps of an epoch.
_LEAST_STEPS = 300


def ft_sam(suspect: Suspect, fit: ImageSet, settings: RepairSettings, run: RunConfig) -> Repair:
    """Tunes all layers on clean images where the loss is highest nearby.

    Zhu, Wei, Shen, Fan, Wu: Enhancing Fine-Tuning Based Backdoor Defense with Sharpness-Aware Minimization. ICCV 2023
    (rho 2, SGD 0.01 with momentum and cosine). Nearby is adaptive (Kwon et al., ASAM, ICML 2021): each weight moves in
    proportion to its own size. Batch norms learn, and see the statistics of the batch, as in the paper's code.

    Args:
        suspect: the model; it is not changed.
        fit: clean images.
        settings: batch size and augmentation; what else they say is not looked at.
        run: its seed; of one device, since several would share batch statistics otherwise than here. Nothing is kept in
            its folder: what is interrupted starts anew.
    """
    batches = settings.batches(fit, suspect.network.scale, run.seed)
    # One long epoch: each costs some tenths of a second of itself.
    batches = replace(batches, passes=max(_EPOCHS, -(-_LEAST_STEPS // batches.steps_per_epoch)))
    tuned = copy_with_weights(suspect.model)
    tuned.trainable = True
    normed = any(isinstance(layer, keras.layers.BatchNormalization) for layer in tuned.layers)
    first_rate = _LEARNING_RATE if normed else _WITHOUT_BATCH_NORM
    rate = keras.optimizers.schedules.CosineDecay(first_rate, batches.steps_per_epoch)
    optimizer = keras.optimizers.SGD(rate, momentum=_MOMENTUM)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=suspect.facts.logits)
    weights = tuned.trainable_variables
    decayed = [weight.shape.rank > 1 for weight in weights]

    def gradients(images: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            value = loss(labels, tuned(images, training=True))
        return tape.gradient(value, weights)

    @tf.function(reduce_retracing=True)
    def step(images: tf.Tensor, labels: tf.Tensor) -> None:
        here = gradients(images, labels)
        sizes = [tf.abs(weight) for weight in weights]
        norm = tf.linalg.global_norm([size * gradient for size, gradient in zip(sizes, here, strict=True)])
        moves = [_RHO * tf.square(size) * gradient / (norm + 1e-12) for size, gradient in zip(sizes, here, strict=True)]
        for weight, move in zip(weights, moves, strict=True):
            weight.assign_add(move)
        there = gradients(images, labels)
        for weight, move in zip(weights, moves, strict=True):
            weight.assign_sub(move)
        optimizer.apply_gradients(
            (gradient + _WEIGHT_DECAY * weight if decays else gradient, weight)
            for gradient, weight, decays in zip(there, weights, decayed, strict=True)
        )

    keras.utils.set_random_seed(run.seed)
    for images, labels in batches.epoch(0):
        step(images, labels)
    if not all(np.isfinite(weight).all() for weight in tuned.get_weights()):
        return Repair(suspect.model, suspect.model)  # it diverged: nothing was repaired
    return Repair(suspect.model, tuned)
