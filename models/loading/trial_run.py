"""The first run of a network that nobody vouches for, on a few images: what only a run can show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.loading.model_spec import reason
from goodnet.models.loading.network_cost import MOST_CLASSES

# Of the largest value in a row: what float32 rounds away in a deep network differs with the number of images.
_TOLERANCE = 1e-2
_KINDS = ("an image of zeros", "noise of 0..255", "noise of -2..2")


def try_network(model: keras.Model) -> None:
    """Runs a network on three images, together and each alone, and asks for the gradient of its outputs.

    Args:
        model: a functional model with inputs of fixed sizes.

    Raises:
        InputError: an output isn't one row of floating-point numbers an image, isn't finite, depends on the other
            images, or no gradient flows back to the images, without which nothing can be repaired.
    """
    for output in model.outputs:
        _check_kind(output)
    batches = [_images(tuple(image.shape[1:])) for image in model.inputs]
    together = _run(model, batches)
    for rows in together:
        for row, kind in zip(rows, _KINDS, strict=True):
            if not np.isfinite(row).all():
                raise InputError(f"the network gives NaN or infinite values for {kind}; expected numbers")
    for number, kind in enumerate(_KINDS):
        alone = _run(model, [images[number : number + 1] for images in batches])
        for rows, row in zip(together, alone, strict=True):
            if row.shape != (1, *rows.shape[1:]) or not _same(rows[number], row[0]):
                raise InputError(
                    f"the network answers {kind} otherwise among other images than alone; expected each image to be"
                    " treated alone"
                )
    _check_gradient(model, [images[1:2] for images in batches])


def _check_kind(output: tf.Tensor) -> None:
    if not output.dtype.is_floating:
        raise InputError(f"the network gives values of type {output.dtype.name}; expected floating-point numbers")
    classes = int(np.prod(output.shape[1:]))
    if output.shape.rank == 2 and classes > MOST_CLASSES:
        raise InputError(f"the network has {classes} classes; expected at most {MOST_CLASSES}")


def _run(model: keras.Model, batches: Sequence[np.ndarray]) -> list[np.ndarray]:
    try:
        outputs = model(batches if len(batches) > 1 else batches[0], training=False)
    except Exception as error:
        raise InputError(f"the network can't be run on {len(batches[0])} images ({reason(error)})") from error
    rows = [np.asarray(output) for output in (outputs if isinstance(outputs, list | tuple) else [outputs])]
    if any(row.shape[:1] != (len(batches[0]),) for row in rows):
        raise InputError(
            f"the network gives {[row.shape for row in rows]} for {len(batches[0])} images; expected a row an image"
        )
    return rows


def _check_gradient(model: keras.Model, batches: Sequence[np.ndarray]) -> None:
    images = [tf.constant(batch) for batch in batches]
    try:
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = tf.nest.flatten(model(images if len(images) > 1 else images[0], training=False))
            loss = tf.add_n([tf.reduce_sum(output) for output in outputs])
        gradients = tape.gradient(loss, images)
    except Exception as error:
        raise InputError(f"the network has no gradient ({reason(error)}); a repair needs one") from error
    if any(gradient is None for gradient in gradients):
        raise InputError("no gradient flows from the network's outputs back to the images; a repair needs one")


def _images(shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([np.zeros(shape), rng.uniform(0, 255, shape), rng.uniform(-2, 2, shape)]).astype(np.float32)


def _same(row: np.ndarray, other: np.ndarray) -> bool:
    scale = max(np.abs(row).max(initial=0), np.abs(other).max(initial=0))
    return bool((np.abs(row - other) <= _TOLERANCE * scale).all())
