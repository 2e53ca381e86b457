"""How unlike clean images an image is, by its local statistics alone: what a detector sees of a trigger without a net.

A trigger that changes the whole image, such as a wave, a tint or a filter, changes how strongly small filters answer
(Portilla and Simoncelli, "A parametric texture model based on joint statistics of complex wavelet coefficients", IJCV
2000). A bank of filters is laid over the image and over halved copies of it. The logarithms of the filters' variances
and the mean colour are the statistics. Their squared Mahalanobis distance from clean images is the novelty (as of deep
features in Lee et al., "A simple unified framework for detecting out-of-distribution samples", NeurIPS 2018). No
trigger is known here, and no network is asked.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from goodnet.models.legacy_keras import keras, tf

NAME = "novelty"
# A scale below this many pixels a side would leave too few answers of a filter to take a variance of.
_LEAST_SIDE = 8
# Filters are laid this many times along a side, not more: variances need no more samples.
_SAMPLES = 32
# Added to a filter's variance, in units of the one that it has over clean images: a flat image has a finite logarithm.
_FLOOR = 0.01
# TFLite's converter takes weights of fewer elements as they are. Filters in eight bits would not tell fine noise.
_UNQUANTISED = 1023


@dataclass(frozen=True, eq=False)
class Novelty:
    """The distance of an image's local statistics from those of clean images.

    Attributes:
        filters: float32 [k, k, C, F], on raw pixels 0..255; each answers with a variance of about 1 to clean images.
        mean: float32 [D], of the statistics over clean images; D = C + F for each scale.
        deviation: float32 [D], likewise.
        whitening: float32 [D, D]; the standardised statistics times it have covariance 1 over clean images.
        weight: what the distance is multiplied by, > 0.
    """

    filters: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    whitening: np.ndarray
    weight: float = 1.0

    def distance(self, pixels: tf.Tensor) -> tf.Tensor:
        """Raw pixels float32 [B, H, W, C] in 0..255 -> the weighted novelty, float32 [B], >= 0.

        For a graph that a converter takes to eight bits or to half precision: no operation in it has weights that
        become eight bits, and half precision has the square root of the weight. No shape in it holds the number of
        images, since a runtime may be given several.
        """
        banks = np.split(self.filters, range(self._at_once, self.filters.shape[-1], self._at_once), axis=-1)

        def bank(images: tf.Tensor, stride: int) -> tf.Tensor:
            answers = [tf.nn.conv2d(images, filters, stride, "VALID") for filters in banks]
            return tf.concat(answers, axis=-1)

        found = _statistics(pixels, self.filters.shape[0], bank, _halved, keepdims=True)
        standard = (found - self.mean) / self.deviation
        white = tf.reduce_sum(standard * self.whitening.T[np.newaxis], axis=-1)  # [B, 1, 1, D] * [1, D, D], summed
        return tf.reduce_mean(tf.square(white * self.weight**0.5), axis=[1, 2])

    @property
    def _at_once(self) -> int:
        return max(1, _UNQUANTISED // int(np.prod(self.filters.shape[:3])))

    def layer(self, image_shape: tuple[int, int, int]) -> keras.Model:
        """The same as a Keras model of built-in layers, named `NAME`: float32 [B, H, W, C] -> float32 [B]."""
        image = keras.Input(image_shape)
        size, count = self.filters.shape[0], self.filters.shape[-1]
        numbers = itertools.count()

        def bank(images: tf.Tensor, stride: int) -> tf.Tensor:
            name = f"filters_{next(numbers)}"
            layer = keras.layers.Conv2D(count, size, stride, use_bias=False, trainable=False, name=name)
            answers = layer(images)
            layer.set_weights([self.filters])
            return answers

        found = _statistics(image, size, bank, keras.layers.AveragePooling2D(2, name="halve"))
        standard = keras.layers.Rescaling(
            (1 / self.deviation).tolist(), (-self.mean / self.deviation).tolist(), name="standard"
        )(found)
        whitening = keras.layers.Dense(len(self.mean), use_bias=False, trainable=False, name="whitening")
        distance = tf.reduce_mean(tf.square(whitening(standard)), axis=-1)
        whitening.set_weights([self.whitening])
        weighted = keras.layers.Rescaling(self.weight, name="weight")(distance)
        return keras.Model(image, weighted, name=NAME)


def is_novelty(layer: keras.layers.Layer, image_shape: tuple[int, int, int]) -> bool:
    """Whether a layer is built like a model of `Novelty.layer` for images of a shape; a file may hold any other."""
    parts = {one.name: one for one in getattr(layer, "layers", ())}
    kinds = {
        "filters_0": keras.layers.Conv2D,
        "standard": keras.layers.Rescaling,
        "whitening": keras.layers.Dense,
        "weight": keras.layers.Rescaling,
    }
    if not isinstance(layer, keras.Model) or not all(isinstance(parts.get(name), kinds[name]) for name in kinds):
        return False
    standard, size, channels = parts["standard"], filter_size(image_shape), image_shape[-1]
    filters, whitening = (parts[name].get_weights()[0].shape for name in ("filters_0", "whitening"))
    count = channels + scale_count(image_shape) * filters[-1]
    return (
        [tuple(tensor.shape) for tensor in (*layer.inputs, *layer.outputs)] == [(None, *image_shape), (None,)]
        and filters[:3] == (size, size, channels)
        and np.shape(standard.scale) == np.shape(standard.offset) == (count,)
        and whitening == (count, count)
        and isinstance(parts["weight"].scale, int | float)
        and 0 < parts["weight"].scale < np.inf
    )


def novelty_of(layer: keras.Model) -> Novelty:
    """The `Novelty` that a model of `Novelty.layer` was made from, even if that was saved and loaded (`is_novelty`)."""
    standard = layer.get_layer("standard")
    deviation = 1 / np.asarray(standard.scale, np.float32)
    return Novelty(
        layer.get_layer("filters_0").get_weights()[0],
        -np.asarray(standard.offset, np.float32) * deviation,
        deviation,
        layer.get_layer("whitening").get_weights()[0],
        float(layer.get_layer("weight").scale),
    )


def statistics(batches: Iterable[np.ndarray], filters: np.ndarray) -> np.ndarray:
    """The local statistics of images.

    Args:
        batches: of images, uint8 or float32 [b, H, W, C], raw pixels 0..255.
        filters: float32 [k, k, C, F].

    Returns:
        float32 [n, D] of the n images of all batches, D = C + F for each scale.
    """

    @tf.function(reduce_retracing=True)
    def of_batch(pixels: tf.Tensor) -> tf.Tensor:
        return _statistics(
            pixels, filters.shape[0], lambda x, stride: tf.nn.conv2d(x, filters, stride, "VALID"), _halved
        )

    return np.concatenate([of_batch(tf.constant(images, tf.float32)).numpy() for images in batches])


def filter_size(image_shape: tuple[int, int, int]) -> int:
    """How many pixels a side the filters have."""
    return min(5, *image_shape[:2])


def scale_count(image_shape: tuple[int, int, int]) -> int:
    """At how many sizes an image is looked at, each half of the one before."""
    return max(1, (min(image_shape[:2]) // _LEAST_SIDE).bit_length())


def _halved(images: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(images, 2, 2, "VALID")


def _statistics(
    pixels: tf.Tensor,
    size: int,
    bank: Callable[[tf.Tensor, int], tf.Tensor],
    halve: Callable[[tf.Tensor], tf.Tensor],
    keepdims: bool = False,
) -> tf.Tensor:
    """Raw pixels [B, H, W, C] -> the statistics, [B, D], or [B, 1, 1, D] with `keepdims`.

    `bank` lays the filters over images with a stride.
    """
    found = [tf.reduce_mean(pixels, axis=[1, 2], keepdims=keepdims) / 255]
    for number in range(scale_count(tuple(pixels.shape[1:]))):
        if number:
            pixels = halve(pixels)
        side = min(pixels.shape[1:3]) - size + 1
        answers = bank(pixels, max(1, side // _SAMPLES))
        deviations = answers - tf.reduce_mean(answers, axis=[1, 2], keepdims=True)
        variances = tf.reduce_mean(tf.square(deviations), axis=[1, 2], keepdims=keepdims)
        found.append(tf.math.log(variances + _FLOOR))
    return tf.concat(found, axis=-1)
